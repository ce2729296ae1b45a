"""Overloads a server, and checks every response.

    python benchmarks/serving_load.py runs/quickstart/exported IMAGES --clients 64 --seconds 600

First, a few clients send requests as fast as the server responds: this is its highest rate. Then many clients
together send requests at twice that rate. Expected are labels that equal the engine's own on 99.99% of the
pixels, and rejections with 429 and Retry-After.
"""

import argparse
import io
import itertools
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from machine import describe_cpu, describe_load
from PIL import Image
from served import Client, Server, predict_body, served

ALIKE = 0.9999
MEBIBYTE = 2**20
SUSTAINING_CLIENTS = 4


class Question(NamedTuple):
    """A request, and the label that it should return.

    Attributes:
        path: End of the URL, after the model.
        body: Body of the request.
        label: The engine's own label, `uint8[H, W]`.
    """

    path: str
    body: bytes
    label: Any


class Tally:
    """Outcomes of requests, counted by many threads.

    Attributes:
        outcomes: Number of requests that were "answered", "refused" (429), "wrong", or failed in another way.
        seconds: Times of the responses.
        worst: The lowest share of equal pixels in a response.
    """

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.seconds: list[float] = []
        self.worst = 1.0
        self._lock = threading.Lock()

    def add(self, outcome: str, seconds: float = 0.0, alike: float = 1.0) -> None:
        """Counts one request."""
        with self._lock:
            self.outcomes[outcome] += 1
            if outcome == "answered":
                self.seconds.append(seconds)
                self.worst = min(self.worst, alike)


def questions(model: Path, folder: Path, most: int) -> list[Question]:
    """Returns requests for the images of a folder, in two protocols, with the engine's own labels."""
    from fcn.data.image_io import encode_jpeg, read_image
    from fcn.inference.predictor import Predictor

    predictor = Predictor(model)
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not paths:
        raise SystemExit(f"{folder}: no images found.")
    asked = []
    for index, path in enumerate(paths[:most]):
        data = encode_jpeg(read_image(path))
        label = predictor.predict(data).label
        if index % 2:
            asked.append(Question(":predict", predict_body(data), label))
        else:
            asked.append(Question(":segment?output=ids", data, label))
    return asked


def ask(client: Client, question: Question, model: str, tally: Tally) -> None:
    """Sends a request and checks the response."""
    start = time.perf_counter()
    try:
        reply = client.post(f"/v1/models/{model}{question.path}", question.body)
    except OSError as error:
        tally.add(f"connection: {type(error).__name__}")
        return
    seconds = time.perf_counter() - start
    if reply.status == 429 and reply.retry_after.isdecimal():
        tally.add("refused")
    elif reply.status != 200:
        tally.add(f"status {reply.status}")
    else:
        try:
            label = decode(question.path, reply.body)
        except (LookupError, OSError, TypeError, ValueError) as error:
            tally.add(f"unreadable: {type(error).__name__}")
            return
        alike = float((label == question.label).mean()) if label.shape == question.label.shape else 0.0
        tally.add("answered" if alike >= ALIKE else "wrong", seconds, alike)


def decode(path: str, body: bytes) -> Any:
    """Returns the label in a response."""
    if path == ":predict":
        import base64
        import json

        body = base64.b64decode(json.loads(body)["predictions"][0]["label_png_bytes"]["b64"])
    return np.array(Image.open(io.BytesIO(body)))


def sustain(server: Server, asked: Sequence[Question], seconds: float) -> tuple[float, Tally]:
    """Returns the requests per second that a few waiting clients get, and their outcomes."""
    tally, until = Tally(), time.perf_counter() + seconds

    def work(mine: Iterator[Question]) -> None:
        client = Client(server.port)
        while time.perf_counter() < until:
            ask(client, next(mine), server.about["name"], tally)
        client.close()

    start = time.perf_counter()
    run([lambda i=i: work(itertools.cycle([*asked[i:], *asked[:i]])) for i in range(SUSTAINING_CLIENTS)])
    return tally.outcomes["answered"] / (time.perf_counter() - start), tally


def crowd(
    server: Server, asked: Sequence[Question], rate: float, clients: int, seconds: float
) -> tuple[Tally, list[int]]:
    """Sends requests from many clients at a common rate; returns the outcomes, and the memory each second.

    If a client is still waiting when its next request is due, it sends it as soon as possible.
    """
    tally, start = Tally(), time.perf_counter()
    between = clients / rate

    def work(index: int) -> None:
        client = Client(server.port)
        due = start + between * index / clients
        for number in itertools.count(index):
            if due - start >= seconds:
                break
            time.sleep(max(0.0, due - time.perf_counter()))
            ask(client, asked[number % len(asked)], server.about["name"], tally)
            due += between
        client.close()

    memory: list[int] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(1):
            memory.append(server.resident_bytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        run([lambda index=index: work(index) for index in range(clients)])
    finally:
        done.set()
        watcher.join()
    return tally, memory


def run(jobs: Sequence[Any]) -> None:
    """Runs jobs in threads and waits for all of them."""
    threads = [threading.Thread(target=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main() -> int:
    """Measures and prints a table; exits with 1 if anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path, help="a run folder, a .keras file or an exported folder")
    parser.add_argument("images", type=Path, help="folder of images")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--queue", type=int, default=32, help="images that may wait (32)")
    parser.add_argument("--images-used", type=int, default=50, metavar="N")
    options = parser.parse_args()
    print(describe_cpu())
    print(describe_load())
    asked = questions(options.model, options.images, options.images_used)
    with served(options.model, ["--queue", str(options.queue)]) as server:
        rate, alone = sustain(server, asked, min(20, options.seconds))
        print(
            f"engine {server.about['engine']}; sustained {rate:.1f} requests a second, {dict(alone.outcomes)}"
        )
        tally, memory = crowd(server, asked, 2 * rate, options.clients, options.seconds)
    seconds = np.array(tally.seconds)
    tenth = max(1, len(memory) // 10)
    before, after = np.median(memory[tenth : 2 * tenth]), np.median(memory[-tenth:])
    print(f"{options.clients} clients, {options.seconds:g} s at {2 * rate:.1f} requests a second:")
    for outcome, count in tally.outcomes.most_common():
        print(f"  {outcome:24} {count}")
    p50, p99 = np.quantile(seconds, [0.5, 0.99])
    print(
        f"  accepted: p50 {p50:.2f} s, p99 {p99:.2f} s; {options.queue} images waiting take "
        f"{options.queue / rate:.2f} s; {len(seconds) / options.seconds:.1f} answers a second"
    )
    print(f"  lowest share of equal pixels in an answer: {tally.worst:.6f}")
    print(
        f"  memory: {before / MEBIBYTE:.0f} MiB in the second tenth, {after / MEBIBYTE:.0f} in the last, "
        f"{max(memory) / MEBIBYTE:.0f} at most"
    )
    print(describe_load())
    bad = set(tally.outcomes) - {"answered", "refused"}
    return 1 if bad or set(alone.outcomes) != {"answered"} else 0


if __name__ == "__main__":
    sys.exit(main())
