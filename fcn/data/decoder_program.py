"""What runs in a process of `fcn.data.decoder`: decodes images that may be hostile, within limits.

The argument is the number of a socket. Each line on it is a request or its answer, in JSON; the content of
images and their pixels are in files in memory, which are sent along. The process ends when the other end of
the socket is closed.
"""

import json
import mmap
import os
import resource
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2

from fcn.data.image_header import open_header, stored_size
from fcn.data.image_io import decode_image, exif_orientation
from fcn.errors import DataError

_LINE_BYTES = 1 << 16
"""Most bytes of a request or an answer."""

NAME = "image"
"""Name of every image here; answers are without it."""

# Decoders take 4 channels of 16 bits for a pixel, the result, and copies of both while one becomes the other.
_BYTES_PER_PIXEL, _BYTES_IN_ANY_CASE = 32, 1 << 27
# The other process stops this one in time; if that has died, the system does.
_SECONDS_MORE = 2.0
_STATISTICS = Path("/proc/self/statm")
_DATA_PAGES = 5
"""Place of the number of pages that `RLIMIT_DATA` limits in `/proc/self/statm`."""
_NO_MEMORY = "needs more memory to decode than other images of its size. Save it again with an image editor."


class _Image:
    """The image of the last request to open one.

    Raises:
        DataError: If it may not be decoded.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        with limited_memory(0):
            self.height, self.width = stored_size(open_header(data, NAME))
        if min(self.height, self.width) < 1:
            raise DataError(f"{NAME}: expected pixels. Received: {self.width} x {self.height} pixels.")
        with limited_memory(self.height * self.width):
            self.orientation = exif_orientation(data)

    def decode(self, file: int) -> None:
        """Writes the pixels to a file of their size."""
        with limited_memory(self.height * self.width):
            pixels = decode_image(self.data, NAME)
        if pixels.shape[:2] != (self.height, self.width):
            raise DataError(f"{NAME}: is damaged: its pixels have another size than its header says.")
        with mmap.mmap(file, pixels.nbytes) as output:
            output.write(pixels)


def main() -> None:
    """Answers requests until the other end of the socket is closed."""
    for number in (signal.SIGINT, signal.SIGTERM):  # sent to a group of processes; the other one decides
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    cv2.setNumThreads(1)
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), sys.stderr.fileno())  # libraries print about damaged images
        connection.sendall(b"{}\n")  # it is ready
        image: _Image | None = None
        while True:
            line, files = receive_line(connection)
            if not line:
                return
            request = json.loads(line)
            signal.setitimer(signal.ITIMER_REAL, request["seconds"] + _SECONDS_MORE)
            try:
                image, answer = _answer(request["task"], image, files[0])
            except DataError as error:
                answer = {"error": str(error).removeprefix(f"{NAME}: ")}
            except MemoryError:
                answer = {"error": _NO_MEMORY}
            finally:
                os.close(files[0])
            signal.setitimer(signal.ITIMER_REAL, 0)
            connection.sendall(json.dumps(answer).encode() + b"\n")


def _answer(task: str, image: _Image | None, file: int) -> tuple[_Image | None, dict[str, Any]]:
    """Does a task; returns the image that is open afterwards, and the answer.

    Raises:
        DataError: If the image may not or cannot be decoded.
        MemoryError: If it needs too much memory.
    """
    if task == "open":
        image = _Image(_read(file))
        return image, {"size": [image.height, image.width], "orientation": image.orientation}
    assert image is not None
    image.decode(file)
    return None, {}


def receive_line(connection: socket.socket) -> tuple[bytes, list[int]]:
    """Returns the next line and the files that came with it; an empty line at the end.

    Raises:
        OSError: If the line is too long, or nothing comes within the timeout of the socket.
    """
    line, files = b"", list[int]()
    while not line.endswith(b"\n"):
        part, sent, _, _ = socket.recv_fds(connection, _LINE_BYTES, 1)
        files += sent
        if not part:
            return b"", files
        line += part
        if len(line) > _LINE_BYTES:
            raise OSError(f"a line of more than {_LINE_BYTES} bytes")
    return line, files


def _read(file: int) -> bytes:
    with open(file, "rb", closefd=False) as stream:
        stream.seek(0)
        return stream.read()


@contextmanager
def limited_memory(pixels: int) -> Iterator[None]:
    """Limits the memory of this process while an image is decoded, on Linux."""
    if not _STATISTICS.exists():
        yield
        return
    used = int(_STATISTICS.read_text().split()[_DATA_PAGES]) * resource.getpagesize()
    before, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = used + _BYTES_IN_ANY_CASE + _BYTES_PER_PIXEL * pixels
    limits = [limit, *(known for known in (before, hard) if known != resource.RLIM_INFINITY)]
    resource.setrlimit(resource.RLIMIT_DATA, (min(limits), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, hard))
