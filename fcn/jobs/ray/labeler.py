"""A copy of the net in an actor of a Ray cluster, and its answers."""

import os
import platform
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from fcn.classes import Classes
from fcn.errors import BackendError, FcnError
from fcn.inference.predictor import Predictor
from fcn.jobs.helpers import OpenPredictor
from fcn.jobs.pipeline import LabeledBatch, RenderedImage, add_seconds, label_batches, render_batch
from fcn.jobs.reading import LIMITS, PixelOrder, ReadingLimits
from fcn.jobs.sources.links import is_url
from fcn.jobs.task import Outcome, Task
from fcn.outputs.annotation_options import DEFAULTS, AnnotationOptions
from fcn.outputs.overlay_style import DEFAULT_STYLE, OverlayStyle
from fcn.version import __version__


class Request(NamedTuple):
    """The setup of all actors of a job.

    Attributes:
        open_predictor: Opens the net that labels.
        kinds: What to write, some of `OUTPUTS`.
        output: Folder of the job on the machine on which it was started.
        environment: Environment variables that choose how nets compute.
        threads: CPUs of each actor; None if a GPU computes.
        host: The machine on which the job was started.
        version: Version of this package there.
        limits: Limits of an image that is read.
        order: Order of the pixels that are labeled.
        annotations: Options of annotations.
        overlay_style: How overlays are drawn.
    """

    open_predictor: OpenPredictor
    kinds: tuple[str, ...]
    output: Path
    environment: dict[str, str]
    threads: int | None
    host: str
    version: str
    limits: ReadingLimits = LIMITS
    order: PixelOrder = "upright"
    annotations: AnnotationOptions = DEFAULTS
    overlay_style: OverlayStyle = DEFAULT_STYLE


class Opened(NamedTuple):
    """The answer of an actor that is ready.

    Attributes:
        engine: Name of the engine that computes.
        precision: Its precision.
        classes: The classes of the labels.
        host: The machine.
    """

    engine: str
    precision: str
    classes: Classes
    host: str


def opened(predictor: Predictor) -> Opened:
    """Returns the answer of this process once it has opened a net."""
    return Opened(predictor.engine.name, predictor.engine.precision, predictor.classes, platform.node())


class Result(NamedTuple):
    """The answer of an actor for a batch.

    Attributes:
        images: The images that were labeled.
        failed: Outcomes of the other images.
    """

    images: list[RenderedImage]
    failed: list[Outcome]


class Labeler:
    """A copy of the net in an actor.

    An error is an answer, not an exception, which Ray would wrap: an `FcnError` as it is, a bug with its
    traceback.

    Args:
        request: The setup of all actors of the job.
    """

    def __init__(self, request: Request) -> None:
        self._request = request
        self._host = "" if platform.node() == request.host else platform.node()
        os.environ.update(request.environment)
        if request.threads is not None:
            # Set before any backend is imported. Ray sets OpenMP's variable itself.
            os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(request.threads))

    def open(self) -> Opened | Exception:
        """Opens the net; to be called first."""
        try:
            if __version__ != self._request.version:
                raise BackendError(
                    f"expected fcn {self._request.version}, which runs on {self._request.host}. Found: "
                    f"{__version__}. Install the same version on every machine."
                )
            style = self._request.overlay_style
            self._predictor = self._request.open_predictor().with_overlay_style(style)
            return opened(self._predictor)
        except Exception as error:
            return self._as_answer(error)

    def label(self, batches: Sequence[list[Task]]) -> Iterator[Result | Exception]:
        """Yields an answer for each batch; reads the next ones meanwhile."""
        request = self._request
        results = label_batches(
            *(batches, self._predictor, request.kinds, self._finish, _refuse_video),
            *(request.limits, request.order),
        )
        try:
            for batch, result in zip(batches, results, strict=True):
                yield self._add_host(batch, result)
        except Exception as error:
            yield self._as_answer(error)

    def end(self) -> None:
        """Ends this process as Python ends, so that it removes its temporary files."""
        import ray

        ray.actor.exit_actor()

    def _finish(self, batch: LabeledBatch) -> Result:
        rendered = list(self._render(batch))
        images = [image for image in rendered if isinstance(image, RenderedImage)]
        failed = [outcome for outcome in rendered if isinstance(outcome, Outcome)]
        outcomes = add_seconds([*(image.outcome for image in images), *failed, *batch.unlabeled], batch.began)
        labeled = [image._replace(outcome=outcome) for image, outcome in zip(images, outcomes, strict=False)]
        return Result(labeled, outcomes[len(images) :])

    def _render(self, batch: LabeledBatch) -> Iterator[RenderedImage | Outcome]:
        request = self._request
        return render_batch(batch, request.kinds, request.output, request.annotations)

    def _add_host(self, batch: Sequence[Task], result: Result) -> Result:
        """Adds this machine's name to the failures of files that only the machine with the list can see."""
        if not self._host:
            return result
        files = {task.id for task in batch if not is_url(task.place)}
        where = f"It was looked for on {self._host}: machines need a shared file system."
        failed = [
            outcome._replace(error=f"{outcome.error} {where}")
            if outcome.size is None and outcome.id in files
            else outcome
            for outcome in result.failed
        ]
        return result._replace(failed=failed)

    def _as_answer(self, error: Exception) -> Exception:
        if not isinstance(error, FcnError):
            return RuntimeError(f"In an actor:\n{traceback.format_exc()}")
        return type(error)(f"on {self._host}: {error}") if self._host else error


def _refuse_video(task: Task) -> Outcome:
    raise ValueError(f"Expected images alone. Received: {task.path!r}.")
