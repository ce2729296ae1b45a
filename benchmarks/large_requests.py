"""A large image and small ones at one server: how long each waits for the other.

    python benchmarks/large_requests.py exported/full --megapixels 48

The large image is sent alone; then with small ones one after the other, each sent when the last is answered
and after a pause as long as its own time alone, so that they keep the engine about half busy. At last its
client leaves, and a server with a short `--timeout` refuses it; both times the next small image is timed.
"""

import argparse
import io
import socket
import threading
import time
from pathlib import Path
from statistics import median

import numpy as np
from machine import describe_cpu, describe_load
from PIL import Image
from served import Client, Server, served

PATH = "/v1/models/fcn:segment?output=ids"
SMALL = (375, 500)
ALONE = 9
TIMEOUT = 5


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="a model to serve")
    parser.add_argument("--megapixels", type=float, default=48, help="size of the large image; default: 48")
    parser.add_argument("--small", type=int, default=20, help="number of small images; default: 20")
    parser.add_argument("serve", nargs="*", help="options of `fcn serve`, after --")
    options = parser.parse_args()
    print(f"{describe_cpu()}; {describe_load()}")
    side = round((options.megapixels * 1e6) ** 0.5)
    large, small = jpeg(side, side), jpeg(*SMALL)
    with served(options.model, options.serve) as server:
        print(f"engine: {server.about['engine']}")
        small_seconds = median(timed(server, small)[1] for _ in range(ALONE))
        large_seconds = timed(server, large)[1]
        print(f"small image alone: {small_seconds:.3f} s; large image alone: {large_seconds:.1f} s")
        together: list[float] = []
        begin = threading.Thread(target=lambda: together.append(timed(server, large)[1]))
        begin.start()
        time.sleep(min(2.0, large_seconds / 4))
        waits = []
        while begin.is_alive():
            waits.append(timed(server, small)[1] - small_seconds)
            time.sleep(small_seconds)
        first = sorted(waits[: options.small])
        print(
            f"beside it, each of the first {len(first)} small images waited longer by a median of "
            f"{median(first):.2f} s and at most {first[-1]:.2f} s; the large one took "
            f"{together[0] / large_seconds:.2f} times as long, with {len(waits)} small images"
        )
        leave(server, large)
        print(f"after its client had left: {timed(server, small)[1]:.2f} s")
    with served(options.model, [*options.serve, "--timeout", str(TIMEOUT)]) as server:
        status, seconds = timed(server, large)
        print(f"with --timeout {TIMEOUT}: status {status} after {seconds:.2f} s")
        print(f"the next small image: {timed(server, small)[1]:.2f} s")


def jpeg(height: int, width: int) -> bytes:
    """Returns a picture of some smooth noise."""
    noise = np.random.default_rng(0).integers(0, 256, (height // 50 + 1, width // 50 + 1, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC).save(file, "JPEG")
    return file.getvalue()


def timed(server: Server, data: bytes) -> tuple[int, float]:
    """Sends an image on a new connection; returns the status and the seconds until it is answered."""
    client = Client(server.port)
    start = time.perf_counter()
    status = client.post(PATH, data).status
    seconds = time.perf_counter() - start
    client.close()
    return status, seconds


def leave(server: Server, data: bytes) -> None:
    """Sends an image, and closes the connection after three seconds."""
    head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head.encode() + data)
        time.sleep(3)


if __name__ == "__main__":
    main()
