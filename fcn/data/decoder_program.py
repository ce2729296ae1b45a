"""Program of the processes of `fcn.data.decoder`: decodes images that may be hostile, within limits.

The argument is the number of a socket; on Windows, standard input tells how to get one. A request on it is a
line of JSON, and an answer is JSON of fixed length. Behind the request to open an image comes the content of
its file, and behind the answer to decode it come its pixels. The process ends when the other end of the
socket is closed.
"""

import json
import math
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np

from fcn.data.encoded_image import EncodedImage
from fcn.data.orientation import Pixels
from fcn.errors import DataError

ANSWER_BYTES = 4096
"""Length of an answer: JSON, and spaces at its end."""

NAME = "image"
"""Name of every image here; answers are without it."""

# Decoders take 4 channels of 16 bits for a pixel, the result, and copies of both while one becomes the other.
_BYTES_PER_PIXEL, _BYTES_IN_ANY_CASE = 32, 1 << 27
# The other process stops this one in time; if that has died, the system does.
_SECONDS_MORE = 2.0
_STATISTICS = Path("/proc/self/statm")
_DATA_PAGES = 5
"""Place of the number of pages that `RLIMIT_DATA` limits in `/proc/self/statm`."""
_AHEAD_PIXELS = 1 << 20
"""Most pixels of an image that is decoded before it is asked for, which nearly always follows at once."""
_NO_MEMORY = "needs more memory to decode than other images of its size. Save it again with an image editor."


class _Image:
    """The image of the last request to open one.

    Args:
        data: The content of its file.
        bits: How many bits the values of a file of 16 bits use.
        max_pixels: Most pixels of it.

    Raises:
        DataError: If it may not be decoded.
    """

    def __init__(self, data: bytes, bits: int, max_pixels: int) -> None:
        with limited_memory(0):
            self._encoded = EncodedImage(data, NAME, max_pixels)
        self.size = height, width = self._encoded.size
        self.orientation, self.bits = self._encoded.orientation, self._encoded.stored_bits
        if min(self.size) < 1:
            raise DataError(f"{NAME}: expected pixels. Received: {width} x {height} pixels.")
        self._bits = bits
        self._ahead: Pixels | Exception | None = None

    def decode_ahead(self) -> None:
        """Decodes a small image, for `decode` to return."""
        if math.prod(self.size) <= _AHEAD_PIXELS:
            try:
                self._ahead = self.decode()
            except (DataError, MemoryError) as error:
                self._ahead = error

    def decode(self) -> Pixels:
        """Returns the pixels, of the size that the header says.

        Raises:
            DataError: If they cannot be decoded.
            MemoryError: If that takes too much memory.
        """
        if isinstance(self._ahead, Exception):
            raise self._ahead
        if self._ahead is not None:
            return self._ahead
        with limited_memory(math.prod(self.size)):
            pixels = self._encoded.decode(self._bits)
        if pixels.shape[:2] != self.size:
            raise DataError(f"{NAME}: is damaged: its pixels have another size than its header says.")
        return pixels


def main() -> None:
    """Answers requests until the other end of the socket is closed."""
    for number in (signal.SIGINT, signal.SIGTERM):  # sent to a group of processes; the other one decides
        signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "SIGALRM"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    cv2.setNumThreads(1)
    with _connection() as connection, connection.makefile("rb") as requests:
        with open(os.devnull, "w", encoding="utf-8") as nowhere:
            os.dup2(nowhere.fileno(), sys.stderr.fileno())  # libraries print about damaged images
        connection.sendall(_encode({}))  # it is ready
        image: _Image | None = None
        while line := requests.readline():
            request = json.loads(line)
            pixels: Pixels | None = None
            _end_after(request["seconds"] + _SECONDS_MORE)
            try:
                if request["task"] == "open":
                    image = None
                    image, answer = _open(requests, request)
                elif image is not None:
                    pixels, answer, image = image.decode(), {}, None
            except DataError as error:
                answer = {"error": str(error).removeprefix(f"{NAME}: ")}
            except MemoryError:
                answer = {"error": _NO_MEMORY}
            connection.sendall(_encode(answer))
            if pixels is not None:
                connection.sendall(np.ascontiguousarray(pixels).data)
            elif image is not None:
                image.decode_ahead()
            _end_after(0)


def _connection() -> socket.socket:
    """Returns the end of the socket that is for this process."""
    if sys.platform == "win32":
        return socket.fromshare(sys.stdin.buffer.read())
    return socket.socket(fileno=int(sys.argv[1]))


def _end_after(seconds: float) -> None:
    """Lets the system end this process after some time, where it can; never after 0 seconds."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _encode(answer: dict[str, Any]) -> bytes:
    data = json.dumps(answer).encode()
    if len(data) > ANSWER_BYTES:
        data = json.dumps({"error": answer["error"][: ANSWER_BYTES // 12]}).encode()
    return data.ljust(ANSWER_BYTES)


def _open(requests: IO[bytes], request: dict[str, Any]) -> tuple[_Image, dict[str, Any]]:
    """Reads the image behind a request; returns it, and its size and orientation.

    Args:
        requests: What to read from.
        request: The request.

    Raises:
        DataError: If it may not be decoded.
        MemoryError: If its header needs too much memory.
    """
    image = _Image(requests.read(request["bytes"]), request["bits"], request["max_pixels"])
    return image, {"size": image.size, "orientation": image.orientation, "bits": image.bits}


@contextmanager
def limited_memory(pixels: int) -> Iterator[None]:
    """Limits the memory of this process while an image is decoded, on Linux."""
    if sys.platform != "linux" or not _STATISTICS.exists():
        yield
        return
    import resource

    used = int(_STATISTICS.read_text(encoding="utf-8").split()[_DATA_PAGES]) * resource.getpagesize()
    before, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = used + _BYTES_IN_ANY_CASE + _BYTES_PER_PIXEL * pixels
    limits = [limit, *(known for known in (before, hard) if known != resource.RLIM_INFINITY)]
    resource.setrlimit(resource.RLIMIT_DATA, (min(limits), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, hard))
