"""A server to measure, in its own process, and a client."""

import base64
import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from rounds import REPOSITORY

ANSWER_SECONDS = 120


class Server(NamedTuple):
    """A running server.

    Attributes:
        port: Port on this machine.
        pid: Id of its process.
        about: The JSON that it printed when it started.
    """

    port: int
    pid: int
    about: dict[str, Any]

    def resident_bytes(self) -> int:
        """Returns the current memory of the server."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


class Reply(NamedTuple):
    """A response.

    Attributes:
        status: HTTP status.
        body: The whole body.
        retry_after: The header `Retry-After`, in seconds; empty without it.
    """

    status: int
    body: bytes
    retry_after: str


@contextmanager
def served(model: Path, arguments: Sequence[str] = (), checkout: Path = REPOSITORY) -> Iterator[Server]:
    """Starts `fcn serve` of a checkout on a free port, and ends it after the block."""
    command = [
        sys.executable,
        "-m",
        "fcn",
        "serve",
        str(model.resolve()),
        "--port",
        "0",
        "--json",
        *arguments,
    ]
    paths = [str(checkout), *filter(None, [os.environ.get("PYTHONPATH")])]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    ) as process:
        try:
            line = cast("IO[str]", process.stdout).readline()
            if not line:
                raise SystemExit(f"{' '.join(command)}: ended with {process.wait()}.")
            about = json.loads(line)
            yield Server(about["port"], process.pid, about)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(ANSWER_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


class Client:
    """A persistent connection.

    Args:
        port: Port of the server, on this machine.
    """

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)

    def post(self, path: str, body: bytes) -> Reply:
        """Sends a request and returns the response; raises an `OSError` if the connection breaks."""
        try:
            self._connection.request("POST", path, body)
            response = self._connection.getresponse()
            return Reply(response.status, response.read(), response.getheader("Retry-After", ""))
        except http.client.HTTPException as error:
            self._connection.close()
            raise ConnectionError(f"{path}: {error!r}") from error
        except OSError:
            self._connection.close()
            raise

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()


def predict_body(data: bytes) -> bytes:
    """Returns a request to TensorFlow Serving's `:predict` for an encoded image."""
    return json.dumps({"instances": [{"b64": base64.b64encode(data).decode("ascii")}]}).encode()
