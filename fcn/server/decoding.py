"""Decoding of images for the server, in processes that end with their requests."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, Self

import numpy as np

from fcn.data.decoder import Decoder, Header, check_answer, decode_request, open_request, read_header
from fcn.data.decoder_program import ANSWER_BYTES
from fcn.data.image_io import Pixels
from fcn.data.pillow_decoding import MOST_BITS
from fcn.errors import BackendError, DataError
from fcn.server.interface import ErrorKind, ServerError
from fcn.server.weighted_semaphore import WeightedSemaphore

_PROCESSES = 2
# Nearly all images take milliseconds. The slowest formats take a second for 10 megapixels on a slow core.
_SECONDS, _PIXELS_PER_SECOND = 5.0, 4e6
_TOO_SLOW = (
    "{name}: took more than {seconds:.3g} s to decode. Save it again with an image editor, or give the "
    "server more cores."
)

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
        self._threads = ThreadPoolExecutor(_PROCESSES, thread_name_prefix="fcn-decoder-start")

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
                if not decoder.is_ready:
                    await self._make_ready(decoder)
                image = OpenedImage(decoder, name, deadline)
                await image.open(data, bits)
                yield image
            finally:
                self._free.append(decoder)

    async def _make_ready(self, decoder: Decoder) -> None:
        """Waits until a process is ready, which is started in a thread; if it is canceled, kills the process.

        Raises:
            ServerError: If it cannot be started.
        """
        starting = asyncio.get_running_loop().run_in_executor(self._threads, decoder.make_ready)
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError:
            decoder.stop()
            await asyncio.wait((starting,))
            starting.exception()
            raise
        except BackendError as error:
            raise ServerError(ErrorKind.BUSY, str(error), retry_after_seconds=1) from error

    def close(self) -> None:
        """Ends the processes; images that they decode are given up."""
        for decoder in self._decoders:
            decoder.stop()
        self._threads.shutdown()
        for decoder in self._decoders:
            decoder.close()


class OpenedImage:
    """An image in a process of `Decoders`, which the event loop asks by itself, without a thread.

    Attributes:
        header: Its size.
    """

    header: Header

    def __init__(self, decoder: Decoder, name: str, deadline: float) -> None:
        self._decoder, self._name, self._deadline = decoder, name, deadline

    async def open(self, data: bytes, bits: int) -> None:
        """Reads the header.

        Args:
            data: The content of an image file.
            bits: How many bits the values of a file of 16 bits use.

        Raises:
            ServerError: If it is not an image that may be decoded.
        """
        seconds = self._seconds(0)
        answer, _ = await self._ask((open_request(data, seconds, bits), data), 0, seconds)
        self.header = read_header(answer)

    async def decode(self) -> Pixels:
        """Returns the pixels, `uint8[H, W, 3]`, RGB, upright.

        Raises:
            ServerError: If the image cannot be decoded.
        """
        height, width = self.header.size
        seconds = self._seconds(height * width)
        _, pixels = await self._ask((decode_request(seconds),), height * width * 3, seconds)
        return pixels.reshape(height, width, 3)

    def _seconds(self, pixels: int) -> float:
        """Returns how long the process may take for an image."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise _too_late()
        return min(left, _SECONDS + pixels / _PIXELS_PER_SECOND)

    async def _ask(
        self, request: Iterable[bytes], size: int, seconds: float
    ) -> tuple[dict[str, Any], Pixels]:
        """Returns the answer to a request, and the bytes behind it; if it is canceled, kills the process.

        Args:
            request: The parts of the request.
            size: Number of bytes behind an answer that is not an error.
            seconds: The process is killed after so long.

        Raises:
            ServerError: If the answer is an error, or none came.
        """
        try:
            async with asyncio.timeout(seconds):
                self._decoder.connection.setblocking(False)
                for part in request:
                    await asyncio.get_running_loop().sock_sendall(self._decoder.connection, part)
                answer = json.loads((await self._receive(ANSWER_BYTES)).tobytes())
                check_answer(answer, self._name)
                return answer, await self._receive(size)
        except asyncio.CancelledError:
            self._decoder.stop()
            raise
        except DataError as error:
            raise self._rejection(error) from error
        except TimeoutError as error:
            self._decoder.stop()
            raise self._rejection(DataError(_TOO_SLOW.format(name=self._name, seconds=seconds))) from error
        except (OSError, EOFError) as error:
            raise self._rejection(await asyncio.to_thread(self._decoder.ended, self._name)) from error

    async def _receive(self, size: int) -> Pixels:
        """Returns the next `size` bytes.

        Raises:
            EOFError: If the process has ended.
        """
        received = np.empty(size, np.uint8)
        rest = received.data
        while rest:
            count = await asyncio.get_running_loop().sock_recv_into(self._decoder.connection, rest)
            if not count:
                raise EOFError
            rest = rest[count:]
            await asyncio.sleep(0)  # other requests go on, even if all of a large image is there already
        return received

    def _rejection(self, error: DataError) -> ServerError:
        if time.monotonic() >= self._deadline:
            return _too_late()
        return ServerError(ErrorKind.BAD_REQUEST, str(error))


def _too_late() -> ServerError:
    return ServerError(ErrorKind.TIMED_OUT, "The image was not decoded in the time allowed. Try again later.")
