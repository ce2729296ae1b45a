"""Labels the batches of a job on a Ray cluster.

The driver, the process that was started, claims batches, hands them to actors, and writes their answers and
the store; for the job it is one worker like any other. An actor reads images, labels them and renders their
files; it writes nothing. Ray restarts actors that died and repeats what they had not answered. Videos are
labeled by the driver.
"""

import os
import platform
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from functools import cached_property
from typing import Any

from fcn.classes import Classes
from fcn.errors import BackendError
from fcn.inference.predictor import Predictor
from fcn.jobs.job import Job, LabelingResult
from fcn.jobs.pipeline import write_image
from fcn.jobs.ray.cluster import Share, cluster_share, open_cluster, reason
from fcn.jobs.ray.labeler import (
    Attempts,
    Labeler,
    OpenPredictor,
    RemoteAttempts,
    Request,
    Result,
    from_table,
    to_table,
)
from fcn.jobs.task import Outcome, Task
from fcn.system.parallel import map_ahead
from fcn.version import __version__

_PASS_IMAGES, _PASS_IMAGES_PER_ACTOR = 200_000, 10_000
"""Images claimed at once: minutes of work, so that starting actors for each pass costs little, but no more
than fit in 100 MB."""
_GROUP_BATCHES = 8
"""Batches in one task; an actor reads ahead within it."""
# Variables with which users choose how nets compute; the actors of a cluster do not inherit them.
_FORWARDED_VARIABLES = ("KERAS_BACKEND", "TF_", "XLA_", "JAX_", "OMP_", "OPENCV_")


def run_on_ray(
    job: Job,
    open_predictor: OpenPredictor,
    address: str,
    actors: int | None = None,
    begin: Callable[[], None] | None = None,
) -> LabelingResult:
    """Labels all remaining images of a job on a cluster, then writes the summaries of all images.

    Args:
        job: The job.
        open_predictor: Opens the net that labels, in each actor.
        address: Address of the cluster, as for `open_cluster`.
        actors: How many processes label; None for a number that suits the cluster.
        begin: Called before any work on the job, once the cluster is connected.

    Raises:
        BackendError: If Ray is not installed, cannot be reached or fails.
        FcnError: As raised by `Job.run` and `open_predictor`.
    """
    if begin is None and not job.remaining():
        return job.run(open_predictor())
    with open_cluster(address):
        processor = RayBatchProcessor(job, open_predictor, cluster_share(actors))
        if begin:
            begin()
        job.delegate()
        return job.run_with(processor, processor.classes)


class RayBatchProcessor:
    """A `BatchProcessor` that labels on the open cluster.

    Args:
        job: The job.
        open_predictor: Opens the net that labels.
        share: The number of actors and their CPUs and GPUs.
    """

    def __init__(self, job: Job, open_predictor: OpenPredictor, share: Share) -> None:
        self._job = job
        self._share = share
        environment = {
            name: value for name, value in os.environ.items() if name.startswith(_FORWARDED_VARIABLES)
        }
        threads = None if share.gpus else share.cpus
        self._request = Request(
            *(open_predictor, job.kinds, environment, threads, platform.node(), __version__),
            *(job.file_seconds, job.order),
        )
        self._engine_in_use: tuple[str, str, str] | None = None
        self._classes: Classes | None = None

    def classes(self) -> Classes:
        """Returns the classes of the labels."""
        # Without an answer, another worker has labeled everything.
        return self._predictor.classes if self._classes is None else self._classes

    def __call__(self, claims: Iterator[list[Task]]) -> Generator[list[Outcome], None, None]:
        """Yields the outcomes of each batch, in any order."""
        most = min(_PASS_IMAGES, _PASS_IMAGES_PER_ACTOR * self._share.actors)
        videos: list[list[Task]] = []
        while claimed := list(_images_up_to(claims, most)):
            videos += [batch for batch in claimed if _has_video(batch)]
            batches = [batch for batch in claimed if not _has_video(batch)]
            # In two threads, as without Ray: the next results are received while these are written.
            with closing(self._results(batches)) as results:
                yield from map_ahead(self._write, results, ahead=2)
        if videos:
            # A video is written frame by frame, so it is labeled where the output folder is.
            engine = self._predictor.engine
            self._check_same_engine(engine.name, engine.precision, self._request.host)
            yield from self._job.processor(self._predictor)(iter(videos))

    @cached_property
    def _predictor(self) -> Predictor:
        """The net of this process, opened when it is first needed; each video is a call of its own."""
        return self._request.open_predictor()

    def _results(self, batches: Sequence[list[Task]]) -> Generator[Result, None, None]:
        import ray

        if not batches:
            return
        missing = sum(map(len, batches))
        try:
            with closing(_answers(batches, self._request, self._share)) as answers:
                for answer in answers:
                    if isinstance(answer, Exception):
                        raise answer
                    self._check_same_engine(answer.engine, answer.precision, answer.host)
                    self._classes = answer.classes
                    missing -= len(answer.images) + len(answer.failed)
                    yield answer
        except ray.exceptions.RayError as error:
            raise BackendError(
                f"--ray: the cluster failed ({reason(error)}). Finished labels stay; run the same command "
                "again to continue."
            ) from error
        if missing:
            raise BackendError(
                f"--ray: Ray gave no answer for {missing} images. Finished labels stay; run the same command "
                "again to continue."
            )

    def _check_same_engine(self, engine: str, precision: str, host: str) -> None:
        """Checks that all machines use the same engine and precision, also as in an earlier run.

        Raises:
            BackendError: If machines chose differently.
            OutputError: If the job was started with another engine or precision.
        """
        if self._engine_in_use is None:
            self._job.check_engine(engine, precision)
            self._engine_in_use = engine, precision, host
        known, known_precision, first = self._engine_in_use
        if (engine, precision) != (known, known_precision):
            raise BackendError(
                f"--ray: machines would give different labels: {first} computes with {known} in "
                f"{known_precision}, {host} with {engine} in {precision}. Choose one for all: "
                f"--engine {known} --precision {known_precision}, with which the job was started."
            )

    def _write(self, result: Result) -> list[Outcome]:
        output = self._job.store.output
        return [*(write_image(output, image) for image in result.images), *result.failed]


def _answers(batches: Sequence[list[Task]], request: Request, share: Share) -> Generator[Any, None, None]:
    """Yields the answers of actors as they come, each a `Result` or an `Exception`."""
    import ray

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.target_max_block_size = 1  # each batch comes as soon as it is labeled
    # Counted in an actor of its own, since those that die cannot count; Ray restarts it if its machine fails.
    attempts = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Attempts).remote()
    size = max(1, min(_GROUP_BATCHES, len(batches) // (4 * share.actors)))
    groups = [to_table(batches[start : start + size]) for start in range(0, len(batches), size)]
    labeled = ray.data.from_arrow(groups).map_batches(
        Labeler,
        fn_constructor_args=(request, RemoteAttempts(attempts)),
        batch_size=size,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=min(share.actors, len(groups))),
        num_cpus=share.cpus,
        num_gpus=share.gpus or None,
    )
    for table in labeled.iter_batches(batch_size=None, batch_format="pyarrow"):
        yield from from_table(table)


def _has_video(batch: Sequence[Task]) -> bool:
    return any(task.is_video for task in batch)


def _images_up_to(claims: Iterator[list[Task]], count: int) -> Iterator[list[Task]]:
    """Yields batches until they have a number of images."""
    while count > 0 and (batch := next(claims, None)):
        count -= len(batch)
        yield batch
