"""A version of a model for one request: decodes, labels and renders images within its time."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, TypeVar

import numpy.typing as npt

from fcn.classes import Classes
from fcn.data.image_io import Pixels
from fcn.outputs.prediction import Prediction
from fcn.server.interface import ErrorKind, ServerError
from fcn.server.kept_resources import KeptResources
from fcn.server.loaded_version import LoadedVersion
from fcn.server.observability.metrics import ModelMetrics
from fcn.server.resources import ServerResources

_T = TypeVar("_T")


class TimedModel:
    """Version of a model for one request, whose time begins now.

    Args:
        loaded: The version, which stays loaded until the request is answered.
        resources: Resources of the server.
        metrics: Metrics of the model.

    Attributes:
        classes: Names and colors of its classes.
    """

    def __init__(self, loaded: LoadedVersion, resources: ServerResources, metrics: ModelMetrics) -> None:
        self.classes: Classes = loaded.classes
        self._loaded, self._resources, self._metrics = loaded, resources, metrics
        self._limits = resources.limits
        self._deadline = time.monotonic() + self._limits.answer_seconds

    async def decode(self, data: bytes, name: str, kept: KeptResources) -> Pixels:
        """Returns the pixels of an image.

        Args:
            data: The content of an image file.
            name: Name of the image in errors.
            kept: Resources of the request; the memory of the image is kept among them.

        Raises:
            ServerError: If it is not an image, is too large, or cannot be decoded in time.
        """
        opened = self._resources.decoders.open(data, name, self._deadline, self._loaded.bits)
        async with opened as image:
            height, width = image.header.size
            self._check_size(height, width)
            await kept.acquire(self._resources.decoded_pixels.acquire(height * width))
            with self._metrics.decode_seconds.time():
                return await image.decode()

    async def predict(self, image: Pixels, with_logits: bool = False) -> Prediction:
        """Labels an image, when it is its turn.

        Args:
            image: Pixels `uint8[H, W, 3]` or `uint16[H, W, 3]`.
            with_logits: Whether the prediction has scores, too.

        Raises:
            ServerError: If the deadline passes, or the engine fails.
        """
        submitted = self._loaded.batcher.submit(image, self._deadline, with_logits)
        return await self.in_time(asyncio.wrap_future(submitted))

    async def predict_all(self, images: npt.NDArray[Any], with_logits: bool = False) -> list[Prediction]:
        """Labels images of one size, as `predict` does.

        Args:
            images: Pixels `[N, H, W, 3]`.
            with_logits: Whether the predictions have scores, too.

        Raises:
            ServerError: If the images are empty or too large, the deadline passes, or the engine fails.
        """
        if images[0].size == 0:
            raise ServerError(
                ErrorKind.BAD_REQUEST,
                f"Expected images with one or more pixels. Received: shape {list(images.shape)}.",
            )
        self._check_size(*images.shape[1:3])
        return await gather_or_cancel(self.predict(image, with_logits) for image in images)

    async def render(
        self, render: Callable[[Prediction], _T], prediction: Prediction, kept: KeptResources
    ) -> _T:
        """Makes an answer of a prediction, in a thread.

        Args:
            render: What makes it.
            prediction: The prediction.
            kept: Resources of the request, kept until the thread has ended.

        Raises:
            ServerError: If the deadline passes.
        """
        with self._metrics.encode_seconds.time():
            return await self.in_time(kept.run(render, prediction))

    async def in_time(self, result: Awaitable[_T]) -> _T:
        """Waits for a result until the deadline.

        Raises:
            ServerError: If the deadline passes.
        """
        try:
            async with asyncio.timeout(self._deadline - time.monotonic()):
                return await result
        except TimeoutError:
            raise ServerError(
                ErrorKind.TIMED_OUT,
                f"The image waited longer than {self._limits.answer_seconds:g} s, the time allowed. "
                "Try again later.",
            ) from None

    def _check_size(self, height: int, width: int) -> None:
        if height * width > self._limits.image_pixels:
            raise ServerError(
                ErrorKind.TOO_LARGE,
                f"Expected at most {self._limits.image_pixels} pixels. Received: {width} x {height}. "
                "Send a smaller image.",
            )


async def gather_or_cancel(answers: Iterable[Coroutine[Any, Any, _T]]) -> list[_T]:
    """Waits for all results; cancels the others if one fails."""
    tasks = [asyncio.ensure_future(answer) for answer in answers]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
