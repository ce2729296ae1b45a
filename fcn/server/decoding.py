"""Decoding of images for the server, in processes that end with their requests."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, Self, TypeVar

from fcn.data.decoder import Decoder, Header
from fcn.data.image_io import Pixels
from fcn.data.pillow_decoding import MOST_BITS
from fcn.errors import BackendError, DataError
from fcn.server.interface import ErrorKind, ServerError
from fcn.server.weighted_semaphore import WeightedSemaphore

_T = TypeVar("_T")
_PROCESSES = 2
# Nearly all images take milliseconds. The slowest formats take a second for 10 megapixels on a slow core.
_SECONDS, _PIXELS_PER_SECOND = 5.0, 4e6

DECODERS_BYTES = _PROCESSES * 60_000_000
"""Memory of the processes of `Decoders` while they decode nothing."""


class Decoders:
    """Processes that decode images, each one at a time.

    A process is started with its first image. It is killed when its request is canceled or its time is over,
    and the next image starts it again.
    """

    def __init__(self) -> None:
        self._decoders = [Decoder() for _ in range(_PROCESSES)]
        self._free = [*self._decoders]
        self._turns = WeightedSemaphore(_PROCESSES)
        self._threads = ThreadPoolExecutor(_PROCESSES, thread_name_prefix="fcn-decoder")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Starts all processes, without waiting for them.

        Raises:
            BackendError: If the system starts no further process.
        """
        for decoder in self._decoders:
            decoder.start()

    @asynccontextmanager
    async def open(
        self, data: bytes, name: str, deadline: float, bits: int = MOST_BITS
    ) -> AsyncIterator["OpenedImage"]:
        """Yields an image with its header; until the block ends, no other image has its process.

        Args:
            data: The content of an image file.
            name: Name of the image in errors.
            deadline: Time at which its client stops waiting, in seconds of `time.monotonic`.
            bits: How many bits the values of a file of 16 bits use.

        Raises:
            ServerError: If it is not an image that may be decoded, or the deadline passes.
        """
        async with self._turns.acquire(1):
            decoder = self._free.pop()
            try:
                image = OpenedImage(decoder, self._threads, deadline)
                await image.open(data, name, bits)
                yield image
            finally:
                self._free.append(decoder)

    def close(self) -> None:
        """Ends the processes; images that they decode are given up."""
        for decoder in self._decoders:
            decoder.stop()
        self._threads.shutdown()
        for decoder in self._decoders:
            decoder.close()


class OpenedImage:
    """An image in a process of `Decoders`.

    Attributes:
        header: Its size.
    """

    header: Header

    def __init__(self, decoder: Decoder, threads: ThreadPoolExecutor, deadline: float) -> None:
        self._decoder, self._threads, self._deadline = decoder, threads, deadline

    async def open(self, data: bytes, name: str, bits: int) -> None:
        """Reads the header.

        Args:
            data: The content of an image file.
            name: Name of the image in errors.
            bits: How many bits the values of a file of 16 bits use.

        Raises:
            ServerError: If it is not an image that may be decoded.
        """
        self.header = await self._run(self._decoder.open, data, name, self._seconds(0), bits)

    async def decode(self) -> Pixels:
        """Returns the pixels, `uint8[H, W, 3]`, RGB, upright.

        Raises:
            ServerError: If the image cannot be decoded.
        """
        height, width = self.header.size
        return await self._run(self._decoder.decode, self._seconds(height * width))

    def _seconds(self, pixels: int) -> float:
        """Returns how long the process may take for an image."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise _too_late()
        return min(left, _SECONDS + pixels / _PIXELS_PER_SECOND)

    async def _run(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """Runs a function of the decoder in a thread; if it is canceled, kills the process."""
        running = asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            self._decoder.stop()
            await asyncio.wait((running,))
            running.exception()
            raise
        except DataError as error:
            if time.monotonic() >= self._deadline:
                raise _too_late() from error
            raise ServerError(ErrorKind.BAD_REQUEST, str(error)) from error
        except BackendError as error:
            raise ServerError(ErrorKind.BUSY, str(error), retry_after_seconds=1) from error


def _too_late() -> ServerError:
    return ServerError(ErrorKind.TIMED_OUT, "The image was not decoded in the time allowed. Try again later.")
