"""A copy of the net in an actor of a Ray cluster, and the messages to and from it.

Ray restarts an actor that died and repeats what it had in hand: some batches, of which the next are read
while one is labeled. If actors keep dying of these, each batch is labeled alone, then each image of a batch
that kills them. An image that kills actors has failed, and the job continues.
"""

import os
import pickle
import platform
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from fcn.classes import Classes
from fcn.errors import BackendError, FcnError
from fcn.inference.predictor import Predictor
from fcn.jobs.pipeline import LabeledBatch, RenderedImage, add_seconds, label_batches, render_batch
from fcn.jobs.reading import FILE_SECONDS, PixelOrder
from fcn.jobs.sources.remote import is_url
from fcn.jobs.task import Outcome, Task
from fcn.version import __version__

_MAX_OPENINGS = 4
"""Most starts of an actor that dies while it opens the model."""
_MAX_ATTEMPTS = 2
"""Most times that the same group of batches, batch or image is given to actors that die of it."""
_GIVEN_UP, _MAX_GIVEN_UP = "given up", 10
"""Images in a row that actors died of, with none labeled in between; then the images are not the cause."""
_REMEDY = "If memory is short, use fewer actors (--actors) or a lower --memory"
_RESUME = "Finished labels stay; run the same command again to continue."
_COLUMN = "item"

Key = int | str | tuple[int, ...]
"""Identifies an attempt: opening a model by the actor's id, a group of batches by its first image, one batch
by all of its images."""

OpenPredictor = Callable[[], Predictor]
"""Opens the net that labels; a module-level function or a `partial` of one, so that it can be pickled."""


class Request(NamedTuple):
    """The setup of all actors of a job.

    Attributes:
        open_predictor: Opens the net that labels.
        kinds: What to write, some of `OUTPUTS`.
        environment: Environment variables that choose how nets compute.
        threads: CPUs of each actor; None if a GPU computes.
        host: The machine on which the job was started.
        version: Version of this package there.
        file_seconds: Longest time that a process may decode an image.
        order: Order of the pixels that are labeled.
    """

    open_predictor: OpenPredictor
    kinds: tuple[str, ...]
    environment: dict[str, str]
    threads: int | None
    host: str
    version: str
    file_seconds: float = FILE_SECONDS
    order: PixelOrder = "upright"


class Result(NamedTuple):
    """The answer of an actor for a batch.

    Attributes:
        images: The images that were labeled.
        failed: Outcomes of the other images.
        engine: Name of the engine that computed.
        precision: Its precision.
        classes: The classes of the labels.
        host: The machine.
    """

    images: list[RenderedImage]
    failed: list[Outcome]
    engine: str
    precision: str
    classes: Classes
    host: str


class Attempts:
    """Counts attempts at work that may kill an actor."""

    def __init__(self) -> None:
        self._counts: Counter[Key] = Counter()

    def begin(self, key: Key) -> int:
        """Counts an attempt; returns the number since the last success, this one included."""
        self._counts[key] += 1
        return self._counts[key]

    def succeed(self, *keys: Key) -> None:
        """Forgets the attempts of these keys."""
        for key in keys:
            del self._counts[key]


class RemoteAttempts:
    """The `Attempts` that all actors share, in an actor of their own.

    Args:
        actor: The handle of the actor.
    """

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def begin(self, key: Key) -> int:
        """Calls `Attempts.begin` there."""
        import ray

        attempt: int = ray.get(self._actor.begin.remote(key))
        return attempt

    def succeed(self, *keys: Key) -> None:
        """Calls `Attempts.succeed` there."""
        import ray

        ray.get(self._actor.succeed.remote(*keys))


class Labeler:
    """A copy of the net in an actor. Ray Data calls it with a few batches at a time.

    An error is an answer, not an exception, which Ray would wrap: an `FcnError` as it is, a bug with its
    traceback.

    Args:
        request: The setup of all actors of the job.
        attempts: The attempts of all actors.
    """

    def __init__(self, request: Request, attempts: Attempts | RemoteAttempts) -> None:
        import ray

        self._attempts = attempts
        self._kinds, self._file_seconds, self._order = request.kinds, request.file_seconds, request.order
        self._host = "" if platform.node() == request.host else platform.node()
        os.environ.update(request.environment)
        if request.threads is not None:
            # Set before any backend is imported. Ray sets OpenMP's variable itself.
            os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(request.threads))
        self._setup_error: Exception | None = None
        actor = ray.get_runtime_context().get_actor_id()  # unchanged by a restart
        try:
            if self._attempts.begin(actor) > _MAX_OPENINGS:
                raise BackendError(
                    f"--ray: an actor died {_MAX_OPENINGS} times while the model was opened. {_REMEDY}. "
                    f"{_RESUME}"
                )
            if __version__ != request.version:
                raise BackendError(
                    f"expected fcn {request.version}, which runs on {request.host}. Found: "
                    f"{__version__}. Install the same version on every machine."
                )
            self._predictor = request.open_predictor()
            self._attempts.succeed(actor)
        except Exception as error:
            self._setup_error = self._as_answer(error)

    def __call__(self, table: Any) -> Iterator[Any]:
        """Yields a table with one `Result` for each batch."""
        if self._setup_error is not None:
            yield to_table([self._setup_error])
            return
        claims = list(from_table(table))
        together = claims[0][0].id
        try:
            alone = self._attempts.begin(together) > _MAX_ATTEMPTS
            results = map(self._label_alone, claims) if alone else self._label(claims)
            for batch, result in zip(claims, results, strict=True):
                yield to_table([self._add_host(batch, result)])
            if not alone:
                self._attempts.succeed(together, _GIVEN_UP)
        except Exception as error:
            yield to_table([self._as_answer(error)])

    def _label(self, claims: Sequence[list[Task]]) -> Iterator[Result]:
        return label_batches(
            claims, self._predictor, self._kinds, self._finish, _refuse_video, self._file_seconds, self._order
        )

    def _label_alone(self, batch: list[Task]) -> Result:
        """Labels a batch, or else each of its images, with nothing else in hand; an image may fail.

        Raises:
            BackendError: If too many images in a row do.
        """
        key = tuple(claimed.id for claimed in batch)
        attempt = self._attempts.begin(key)
        if attempt <= _MAX_ATTEMPTS:
            [result] = self._label([batch])
            self._attempts.succeed(key, _GIVEN_UP)
            return result
        if len(batch) > 1:
            parts = [self._label_alone([claimed]) for claimed in batch]
            images = [image for part in parts for image in part.images]
            return self._result(images, [outcome for part in parts for outcome in part.failed])
        # Counted once, however often the images after it kill an actor.
        if attempt == _MAX_ATTEMPTS + 1 and self._attempts.begin(_GIVEN_UP) > _MAX_GIVEN_UP:
            raise BackendError(
                f"--ray: actors died of {_MAX_GIVEN_UP + 1} images in a row, the last of them "
                f"{batch[0].path!r}. {_REMEDY}, and add --retry-failed. {_RESUME}"
            )
        return self._result([], [_crash_outcome(batch[0])])

    def _finish(self, batch: LabeledBatch) -> Result:
        rendered = list(render_batch(batch, self._kinds))
        images = [image for image in rendered if isinstance(image, RenderedImage)]
        failed = [outcome for outcome in rendered if isinstance(outcome, Outcome)]
        outcomes = add_seconds([*(image.outcome for image in images), *failed, *batch.unlabeled], batch.began)
        labeled = [image._replace(outcome=outcome) for image, outcome in zip(images, outcomes, strict=False)]
        return self._result(labeled, outcomes[len(images) :])

    def _result(self, images: list[RenderedImage], failed: list[Outcome]) -> Result:
        engine = self._predictor.engine
        return Result(images, failed, engine.name, engine.precision, engine.classes, platform.node())

    def _add_host(self, batch: Sequence[Task], result: Result) -> Result:
        """Adds this machine's name to the failures of files that only the machine with the list can see."""
        if not self._host:
            return result
        files = {claimed.id for claimed in batch if not is_url(claimed.place)}
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


def _crash_outcome(claimed: Task) -> Outcome:
    """Returns the outcome of an image that kills actors; it waits again once its file changes."""
    outcome = Outcome(
        claimed.id,
        f"crashed its process {_MAX_ATTEMPTS} times while it was labeled alone (perhaps out of memory). "
        "Replace it; or use fewer actors (--actors) or a lower --memory, then add --retry-failed.",
    )
    with suppress(OSError):
        if not is_url(claimed.place):
            status = os.stat(claimed.place)
            outcome = outcome._replace(size=status.st_size, changed=status.st_mtime_ns)
    return outcome


def _refuse_video(claimed: Task) -> Outcome:
    raise ValueError(f"Expected images alone. Received: {claimed.path!r}.")


def to_table(items: Iterable[Any]) -> Any:
    """Returns a table of pickled items for Ray Data, one row each; both ends run this package."""
    import pyarrow

    rows = [pickle.dumps(item, pickle.HIGHEST_PROTOCOL) for item in items]
    return pyarrow.table({_COLUMN: pyarrow.array(rows, pyarrow.large_binary())})


def from_table(table: Any) -> Iterator[Any]:
    """Yields the items of a table made by `to_table`."""
    for row in table[_COLUMN]:
        yield pickle.loads(row.as_py())
