"""A copy of the net in an actor of a Ray cluster, and what goes to it and comes back."""

import os
import pickle
import platform
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import fcn
from fcn.classes import Classes
from fcn.errors import BackendError, FcnError
from fcn.inference.engine import Engine
from fcn.inference.job.labeling import LabeledBatch, RenderedImage, label_batches, render_batch, timed
from fcn.inference.job.manifest import Claimed, Outcome
from fcn.inference.job.remote import is_url

_MOST_ATTEMPTS = 4
"""How often the same images are given to an actor that dies of them, for want of memory say."""
_COLUMN = "item"

OpenEngine = Callable[[], Engine]
"""Opens what labels; a function at the top of a module, or a `partial` of one, with plain values."""


class Request(NamedTuple):
    """What all actors of a job are given.

    Attributes:
        open_engine: Opens what labels.
        kinds: What labeling leaves, some of `OUTPUTS`.
        environment: Environment variables that choose how nets compute.
        threads: CPUs of each actor; None where a GPU computes.
        host: Where the job was started.
        version: Version of this package there.
    """

    open_engine: OpenEngine
    kinds: tuple[str, ...]
    environment: dict[str, str]
    threads: int | None
    host: str
    version: str


class Result(NamedTuple):
    """What an actor makes of a batch.

    Attributes:
        images: The images that were labeled.
        failed: What came of the others.
        engine: Name of what computed.
        precision: What it computed in.
        classes: What it tells apart.
        host: The machine.
    """

    images: list[RenderedImage]
    failed: list[Outcome]
    engine: str
    precision: str
    classes: Classes
    host: str


class Attempts:
    """Counts how often something was begun that may be the death of an actor."""

    def __init__(self) -> None:
        self._counts: Counter[int | str] = Counter()

    def begin(self, key: int | str) -> int:
        """Returns the number of attempts at something since it last succeeded, this one included."""
        self._counts[key] += 1
        return self._counts[key]

    def succeed(self, key: int | str) -> None:
        """Forgets the attempts at something."""
        del self._counts[key]


class Labeler:
    """A copy of the net in an actor. Ray Data calls it with a few batches at a time.

    What goes wrong is an answer, not an exception, which Ray would wrap: an `FcnError` as it is, a bug with
    its traceback.

    Args:
        request: What all actors of the job are given.
        attempts: `Attempts`, in another actor.
    """

    def __init__(self, request: Request, attempts: Any) -> None:
        import ray

        self._attempts = attempts
        self._kinds = request.kinds
        self._host = "" if platform.node() == request.host else platform.node()
        os.environ.update(request.environment)
        if request.threads is not None:
            # Before anything that computes is imported. OpenMP's number is set by Ray.
            os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(request.threads))
        self._mistake: Exception | None = None
        actor = ray.get_runtime_context().get_actor_id()  # the same when it is started again
        try:
            self._begin(actor, "the model was opened")
            if fcn.__version__ != request.version:
                raise BackendError(
                    f"expected fcn {request.version}, which runs on {request.host}. Found: "
                    f"{fcn.__version__}. Install the same version on every machine."
                )
            self._engine = request.open_engine()
            ray.get(attempts.succeed.remote(actor))
        except Exception as error:
            self._mistake = self._told(error)

    def __call__(self, table: Any) -> Iterator[Any]:
        """Yields a table with one `Result` for each batch."""
        if self._mistake is not None:
            yield to_table([self._mistake])
            return
        claims = list(from_table(table))
        images = [image for batch in claims for image in batch]
        try:
            first, last = images[0], images[-1]
            self._begin(first.id, f"images from {first.path!r} to {last.path!r} were labeled")
            results = label_batches(claims, self._engine, self._kinds, self._finish, _no_video)
            for batch, result in zip(claims, results, strict=True):
                yield to_table([self._explained(batch, result)])
        except Exception as error:
            yield to_table([self._told(error)])

    def _begin(self, key: int | str, what: str) -> None:
        """Counts an attempt.

        Raises:
            BackendError: If there were enough.
        """
        import ray

        attempt = ray.get(self._attempts.begin.remote(key))
        if attempt > _MOST_ATTEMPTS:
            raise BackendError(
                f"--ray: an actor died {_MOST_ATTEMPTS} times while {what}. What was written stays; the same "
                "command goes on. If memory is short, use fewer actors (--actors) or a lower --memory."
            )

    def _finish(self, batch: LabeledBatch) -> Result:
        rendered = list(render_batch(batch, self._engine, self._kinds))
        images = [image for image in rendered if isinstance(image, RenderedImage)]
        failed = [outcome for outcome in rendered if isinstance(outcome, Outcome)]
        outcomes = timed([*(image.outcome for image in images), *failed, *batch.settled], batch.began)
        labeled = [image._replace(outcome=outcome) for image, outcome in zip(images, outcomes, strict=False)]
        engine = self._engine
        failed = outcomes[len(images) :]
        return Result(labeled, failed, engine.name, engine.precision, engine.classes, platform.node())

    def _explained(self, batch: Sequence[Claimed], result: Result) -> Result:
        """Says where files were not found that are there for the machine that listed them."""
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

    def _told(self, error: Exception) -> Exception:
        if not isinstance(error, FcnError):
            return RuntimeError(f"In an actor:\n{traceback.format_exc()}")
        return type(error)(f"on {self._host}: {error}") if self._host else error


def _no_video(claimed: Claimed) -> Outcome:
    raise ValueError(f"Expected images alone. Received: {claimed.path!r}.")


def to_table(items: Iterable[Any]) -> Any:
    """Returns a table that Ray Data takes as it is, one row for each item; both ends run this package."""
    import pyarrow

    rows = [pickle.dumps(item, pickle.HIGHEST_PROTOCOL) for item in items]
    return pyarrow.table({_COLUMN: pyarrow.array(rows, pyarrow.large_binary())})


def from_table(table: Any) -> Iterator[Any]:
    """Yields what was given to `to_table`."""
    for row in table[_COLUMN]:
        yield pickle.loads(row.as_py())
