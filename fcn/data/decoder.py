"""Decodes images of strangers in processes that can be stopped, with limits of memory and time.

The bounds of `fcn.data.image_bounds` refuse what is known to take long. What they do not foresee costs one of
these processes, and not the one that uses it: a decoder that takes too long is killed, and one that asks for
too much memory, or that crashes, ends.

Pixels come back through a socket. That needs no folder (`/dev/shm` of a container has 64 MB, and its root may
be read-only), and was faster than memory that both processes share, where the first use of each page costs
more than a copy (docs/results.md).
"""

import json
import socket
import subprocess
import time
from contextlib import suppress
from typing import Any, NamedTuple, Self

import numpy as np

from fcn.data.decoder_program import ANSWER_BYTES
from fcn.data.decoder_start import start_program
from fcn.data.image_header import MAX_PIXELS
from fcn.data.image_io import Pixels
from fcn.data.pillow_decoding import MOST_BITS
from fcn.errors import BackendError, DataError

_START_SECONDS, _EXIT_SECONDS = 60.0, 5.0
_SAVE_AGAIN = "Save it again with an image editor, or take it out."


class Header(NamedTuple):
    """Size and orientation of an image, read from the beginning of its file.

    Attributes:
        size: (height, width) of the upright image.
        orientation: EXIF orientation, 1 to 8, by which the stored pixels are turned.
        bits: 16 for an image whose values may use any number of bits up to 16, 8 for any other.
    """

    size: tuple[int, int]
    orientation: int
    bits: int


class Decoder:
    """A process that decodes images, one after the other. It is started when it is first needed.

    If it is stopped or ends by itself, the next image starts it again. Close it at the end.

    Example:
        >>> from fcn.data.image_io import encode_png
        >>> with Decoder() as decoder:
        ...     header = decoder.open(encode_png(np.zeros((2, 3, 3), np.uint8)), "a.png", seconds=60)
        ...     pixels = decoder.decode(seconds=60)
        >>> header.size, pixels.shape
        ((2, 3), (2, 3, 3))
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        self._ready = self._stopped = False
        self._opened: tuple[object, Header] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Starts the process without waiting for it.

        Raises:
            BackendError: If the system starts no further process.
        """
        if self._runs():
            return
        self.close()
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = start_program(theirs)
            except OSError as error:
                ours.close()
                raise BackendError(
                    f"A process to decode images cannot be started ({error.strerror or error}). Allow more "
                    "processes or memory, then try again."
                ) from error
        self._connection, self._ready, self._stopped = ours, False, False

    @property
    def is_ready(self) -> bool:
        """Whether the process runs and has said that it is ready."""
        return self._ready and self._runs()

    @property
    def connection(self) -> socket.socket:
        """The socket to the process, once it is ready."""
        assert self._connection is not None
        return self._connection

    def open(
        self, data: bytes, name: object, seconds: float, bits: int = MOST_BITS, max_pixels: int = MAX_PIXELS
    ) -> Header:
        """Reads the header of an image, which `decode` decodes afterwards.

        Args:
            data: The content of an image file.
            name: The image's name in an error, usually its path.
            seconds: The process is stopped after so long.
            bits: How many bits the values of a file of 16 bits use.
            max_pixels: Most pixels of the image.

        Raises:
            BackendError: If the process cannot be started.
            DataError: If this is not an image that may be decoded, or the process was stopped.
        """
        self._opened = None
        self.make_ready()
        answer, _ = self._ask(open_request(data, seconds, bits, max_pixels) + data, 0, name, seconds)
        header = read_header(answer)
        self._opened = name, header
        return header

    def decode(self, seconds: float) -> Pixels:
        """Returns the pixels of the opened image, `uint8[H, W, 3]`, RGB, upright.

        Args:
            seconds: The process is stopped after so long.

        Raises:
            DataError: If the image is damaged, or the process was stopped.
            ValueError: If no image was opened.
        """
        if self._opened is None:
            raise ValueError("Expected an opened image. Received: none.")
        (name, header), self._opened = self._opened, None
        height, width = header.size
        _, pixels = self._ask(decode_request(seconds), height * width * 3, name, seconds)
        return pixels.reshape(height, width, 3)

    def stop(self) -> None:
        """Kills the process; what another thread waits for ends with a `DataError`."""
        self._stopped = True
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        """Ends the process."""
        self.stop()
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.wait()
        self._process = self._connection = None

    def make_ready(self) -> None:
        """Starts the process where it does not run, and waits until it is ready.

        Raises:
            BackendError: If the system starts no further process, or it ends at once.
        """
        for _ in range(2):  # one that ended since the last image is started again
            self.start()
            if self._ready:
                return
            with suppress(OSError, EOFError):
                self._receive_answer(time.monotonic() + _START_SECONDS)
                self._ready = True
                return
            if self._stopped:
                break
        raise BackendError(
            f"A process to decode images ends at once{self._cause()}. Give it more memory, then try again."
        )

    def too_late(self, name: object, seconds: float) -> DataError:
        """Kills the process, which has taken too long; returns the error."""
        self.stop()
        return DataError(f"{name}: took more than {seconds:.3g} s to decode. {_SAVE_AGAIN}")

    def ended(self, name: object) -> DataError:
        """Returns the error for an image whose process has ended, after some seconds at most."""
        return DataError(f"{name}: the process that decoded it ended{self._cause()}. {_SAVE_AGAIN}")

    def _runs(self) -> bool:
        return self._process is not None and not self._stopped and self._process.poll() is None

    def _ask(self, request: bytes, size: int, name: object, seconds: float) -> tuple[dict[str, Any], Pixels]:
        """Returns the answer to a request, and the bytes behind it.

        Args:
            request: The request, with what comes behind it.
            size: Number of bytes behind an answer that is not an error.
            name: The image's name in an error.
            seconds: The process is stopped after so long.

        Raises:
            DataError: If the answer is an error, or none came.
        """
        deadline = time.monotonic() + seconds
        try:
            self.connection.settimeout(seconds)
            self.connection.sendall(request)
            answer = self._receive_answer(deadline)
            check_answer(answer, name)
            return answer, self._receive(size, deadline)
        except TimeoutError as error:
            raise self.too_late(name, seconds) from error
        except (OSError, EOFError) as error:
            raise self.ended(name) from error

    def _receive_answer(self, deadline: float) -> dict[str, Any]:
        """Returns an answer without what comes behind it.

        Raises:
            EOFError: If the process has ended.
            TimeoutError: If the answer has not come by the deadline.
        """
        answer: dict[str, Any] = json.loads(self._receive(ANSWER_BYTES, deadline).tobytes())
        return answer

    def _receive(self, size: int, deadline: float) -> Pixels:
        """Returns the next `size` bytes.

        Raises:
            EOFError: If the process has ended.
            TimeoutError: If they have not come by the deadline.
        """
        received = np.empty(size, np.uint8)
        rest = received.data
        while rest:
            self.connection.settimeout(max(0.001, deadline - time.monotonic()))
            count = self.connection.recv_into(rest)
            if not count:
                raise EOFError
            rest = rest[count:]
        return received

    def _cause(self) -> str:
        """Returns how the process ended, for a message."""
        assert self._process is not None
        try:
            code = self._process.wait(_EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        return f" with exit code {code}" if code >= 0 else f" by signal {-code}"


def open_request(data: bytes, seconds: float, bits: int, max_pixels: int = MAX_PIXELS) -> bytes:
    """Returns the request to open an image, behind which its data come.

    Args:
        data: The content of an image file.
        seconds: How long the process may take.
        bits: How many bits the values of a file of 16 bits use.
        max_pixels: Most pixels of the image.
    """
    limits = {"seconds": seconds, "max_pixels": max_pixels}
    return _line({"task": "open", "bytes": len(data), "bits": bits, **limits})


def decode_request(seconds: float) -> bytes:
    """Returns the request for the pixels of the image that was opened, within some seconds."""
    return _line({"task": "decode", "seconds": seconds})


def check_answer(answer: dict[str, Any], name: object) -> None:
    """Checks that an answer is not an error.

    Raises:
        DataError: If it is; with the name of the image.
    """
    if "error" in answer:
        raise DataError(f"{name}: {answer['error']}")


def read_header(answer: dict[str, Any]) -> Header:
    """Returns the header of an image from the answer to the request to open it."""
    height, width = answer["size"]
    return Header((int(height), int(width)), int(answer["orientation"]), int(answer["bits"]))


def _line(request: dict[str, Any]) -> bytes:
    return json.dumps(request).encode() + b"\n"
