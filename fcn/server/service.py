"""Service between the protocols and the engine: decodes, queues, labels and encodes images."""

import math
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from fcn.classes import Classes, count_ids
from fcn.data.image_io import Pixels, encode_label
from fcn.inference.engines.signatures import PREDICT_LOGITS, SERVING_DEFAULT, Signature
from fcn.inference.predictor import Predictor
from fcn.outputs.prediction import Prediction
from fcn.server.interface import (
    ErrorKind,
    InferenceRequest,
    InferenceResponse,
    ServerError,
    VersionState,
    VersionStatistics,
    string_tensor,
)
from fcn.server.kept_resources import KeptResources
from fcn.server.loaded_version import LoadedVersion
from fcn.server.observability.metrics import FAILURE, LAST_INFERENCE, SUCCESS
from fcn.server.request_resources import request_resources
from fcn.server.resources import ServerResources
from fcn.server.timed_model import TimedModel, gather_or_cancel
from fcn.server.versions import VersionManager

_T = TypeVar("_T")
_Array = npt.NDArray[Any]
_BYTES_PER_LOGIT = 4
_IMAGE_NAME = "image"
"""Name of an image in error messages."""


class ModelDescription(NamedTuple):
    """Description of the version that is served.

    Attributes:
        classes: Names and colors of the classes.
        version: Its number.
        engine: Name and precision of the engine, such as "openvino int8".
    """

    classes: Classes
    version: int
    engine: str


class SegmentationResult(NamedTuple, Generic[_T]):
    """Labeled image.

    Attributes:
        rendered: What the caller made of it.
        version: Version that labeled it.
        engine: Name and precision of the engine, such as "openvino int8".
        seconds: Times by name: "decode", "engine" (waiting and labeling) and "encode".
    """

    rendered: _T
    version: int
    engine: str
    seconds: dict[str, float]


class Service:
    """Service that labels images with one model, within limits.

    Args:
        name: Name of the model in URLs.
        model: A folder of versions, or a version, run folder or `.keras` file.
        open_predictor: Opens the net at the path of a model.
        resources: Resources that it shares with the other models of the server.

    Attributes:
        name: Name of the model in URLs.
        limits: Limits of requests.
        metrics: Metrics of the server.
        resources: Resources that it shares with the other models of the server.

    Raises:
        FcnError: If the model cannot be loaded.
    """

    def __init__(
        self,
        name: str,
        model: Path,
        open_predictor: Callable[[Path], Predictor],
        resources: ServerResources,
    ) -> None:
        self.name, self.resources = name, resources
        self.limits, self.metrics = resources.limits, resources.metrics
        self._metrics = resources.metrics.of_model(name)
        self._versions = VersionManager(model, open_predictor, resources, self._metrics)

    def versions(self) -> Sequence[VersionState]:
        """Returns the state of each version, newest first."""
        return self._versions.states()

    def signatures(self, version: int | None) -> dict[str, Signature]:
        """Returns the signatures of a version (None: the newest).

        Raises:
            ServerError: If no such version is available.
        """
        with self._versions.lease(version) as loaded:
            return loaded.signatures

    def check_ready(self) -> None:
        """Checks that a new request would be answered.

        Raises:
            ServerError: If the server is stopping, or the engine has had work for longer than a request may
                take and has finished nothing.
        """
        if self.resources.is_draining:
            raise ServerError(ErrorKind.STOPPING, "The server is stopping.")
        with self._versions.lease(None) as loaded:
            stuck = loaded.batcher.stuck_seconds()
        if stuck > self.limits.answer_seconds:
            raise ServerError(
                ErrorKind.STOPPING, f"The engine has had work for {stuck:.0f} s and has finished nothing."
            )

    def describe(self) -> ModelDescription:
        """Returns the description of the newest version."""
        with self._versions.lease(None) as loaded:
            return ModelDescription(loaded.classes, loaded.number, loaded.engine_name)

    def statistics(self, version: int | None) -> VersionStatistics:
        """Returns the statistics of a version (None: the newest), since it was loaded.

        Raises:
            ServerError: If no such version is available.
        """
        with self._versions.lease(version) as loaded:
            before, now = loaded.values_before, self._metrics.values()
            since = {key: value - before.get(key, 0.0) for key, value in now.items()}
            return VersionStatistics(loaded.number, now[LAST_INFERENCE], since)

    async def infer(self, request: InferenceRequest) -> InferenceResponse:
        """Runs a signature.

        Raises:
            ServerError: If the request is rejected.
        """
        (images,) = request.inputs.values()
        if not len(images):
            raise ServerError(ErrorKind.BAD_REQUEST, "Expected one or more images. Received: none.")
        async with KeptResources(self.resources.codec_threads) as kept:
            with self._versions.lease(request.version) as loaded, self._measured():
                model = self._admit(len(images), loaded, kept)
                if request.signature == SERVING_DEFAULT:
                    outputs = await self._label_encoded(model, images, kept)
                elif request.signature == PREDICT_LOGITS:
                    outputs = await self._compute_logits(model, images)
                else:
                    labeled = await model.predict_all(images)
                    outputs = {"label": np.stack([one.label for one in labeled])}
                names = loaded.signatures[request.signature].outputs
                chosen = {name: outputs[name] for name in names if name in (request.outputs or names)}
                return InferenceResponse(loaded.number, chosen)

    async def segment(
        self,
        data: bytes,
        render: Callable[[Prediction], _T],
        version: int | None = None,
    ) -> SegmentationResult[_T]:
        """Labels one encoded image. Its place and its memory are kept until it is rendered.

        Args:
            data: The content of an image file.
            render: Makes the answer of the prediction, in a thread.
            version: Requested version; None for the newest.

        Raises:
            ServerError: If the request is rejected.
        """
        async with KeptResources(self.resources.codec_threads) as kept:
            with self._versions.lease(version) as loaded, self._measured():
                model = self._admit(1, loaded, kept)
                start = time.perf_counter()
                image = await model.decode(data, _IMAGE_NAME, kept)
                decoded = time.perf_counter()
                prediction = await model.predict(image)
                labeled_at = time.perf_counter()
                rendered = await model.render(render, prediction, kept)
                seconds = {
                    "decode": decoded - start,
                    "engine": labeled_at - decoded,
                    "encode": time.perf_counter() - labeled_at,
                }
                return SegmentationResult(rendered, loaded.number, loaded.engine_name, seconds)

    @asynccontextmanager
    async def decoded(self, data: bytes, name: str) -> AsyncIterator[Pixels]:
        """Yields the pixels of an image that is not labeled, as the newest version would see them.

        Args:
            data: The content of an image file.
            name: Name of the image in errors.

        Raises:
            ServerError: If it is not an image, is too large, or cannot be decoded in time.
        """
        with self._versions.lease(None) as loaded:
            async with KeptResources(self.resources.codec_threads) as kept:
                yield await self._timed(loaded).decode(data, name, kept)

    def close(self) -> None:
        """Answers accepted requests and stops; new requests are not allowed."""
        self._versions.close()

    @contextmanager
    def _measured(self) -> Iterator[None]:
        """Counts a request to label images, with its time and outcome."""
        start, outcome = time.perf_counter(), FAILURE
        try:
            yield
            outcome = SUCCESS
            self._metrics.last_inference.set_to_current_time()
        finally:
            self._metrics.inference_seconds(outcome).observe(time.perf_counter() - start)

    def _timed(self, loaded: LoadedVersion) -> TimedModel:
        """Returns a version for a request that begins now."""
        return TimedModel(loaded, self.resources, self._metrics)

    def _admit(self, images: int, loaded: LoadedVersion, kept: KeptResources) -> TimedModel:
        """Reserves places in the queue for the images of a request, among the resources that are kept.

        Raises:
            ServerError: If too few are free.
        """
        kept.enter(self.resources.admit(images, loaded.batcher.seconds_per_image))
        return self._timed(loaded)

    async def _label_encoded(self, model: TimedModel, images: Any, kept: KeptResources) -> dict[str, _Array]:
        count = len(images)
        names = (
            [f"image {number} of {count}" for number in range(1, count + 1)] if count > 1 else [_IMAGE_NAME]
        )
        scored = await gather_or_cancel(
            self._label_one(model, data, name, kept) for data, name in zip(images, names, strict=True)
        )
        num_classes = len(model.classes.names)
        return {
            "label_png_bytes": string_tensor([png for png, _, _ in scored]),
            "class_areas": np.array([areas for _, areas, _ in scored], np.float32).reshape(-1, num_classes),
            "mean_confidence": np.array([confidence for _, _, confidence in scored], np.float32),
        }

    async def _label_one(
        self, model: TimedModel, data: bytes, name: str, of_request: KeptResources
    ) -> tuple[bytes, _Array, float]:
        async with KeptResources(self.resources.codec_threads, of_request) as kept:
            prediction = await model.predict(await model.decode(data, name, kept))
            png, areas = await model.render(_encode, prediction, kept)
        return png, areas, prediction.mean_confidence

    async def _compute_logits(self, model: TimedModel, images: _Array) -> dict[str, _Array]:
        """Computes logits; their memory stays reserved until they are sent."""
        size = self._check_logit_bytes(images.shape[:3], len(model.classes.names))
        async with AsyncExitStack() as until_scored:
            resources = request_resources.get() or until_scored
            await model.in_time(resources.enter_async_context(self.resources.logit_bytes.acquire(size)))
            scored = await model.predict_all(images, with_logits=True)
            return {"logits": np.stack([one.logits for one in scored if one.logits is not None])}

    def _check_logit_bytes(self, sides: tuple[int, ...], num_classes: int) -> int:
        """Returns the size of the logits of images, in bytes."""
        size = _BYTES_PER_LOGIT * math.prod(sides) * num_classes
        if size > self.limits.answer_bytes:
            raise ServerError(
                ErrorKind.TOO_LARGE,
                f"Expected at most {self.limits.answer_bytes} bytes of logits. Received: images with "
                f"logits of {size} bytes for {num_classes} classes. Send fewer or smaller images, or request "
                "labels.",
            )
        return size


def _encode(prediction: Prediction) -> tuple[bytes, _Array]:
    """Returns a label as a grayscale PNG, and the area of each class, 0 to 1."""
    label = prediction.label
    areas = count_ids(label)[: len(prediction.classes.names)] / label.size
    return encode_label(label), areas
