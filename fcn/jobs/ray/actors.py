"""Labels the batches of a job on a Ray cluster.

The driver, the process that was started, claims batches, hands them to actors, and writes their answers and
the store; for the job it is one worker like any other. An actor reads images, labels them and renders their
files; it writes nothing. Videos are labeled by the driver.
"""

import os
import platform
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from functools import cached_property
from pathlib import Path

from fcn.classes import Classes
from fcn.errors import BackendError
from fcn.inference.predictor import Predictor
from fcn.jobs.helpers import RESUME, OpenPredictor
from fcn.jobs.job import Job, LabelingResult
from fcn.jobs.overlay_setting import read_style
from fcn.jobs.pipeline import write_image
from fcn.jobs.ray.actor_pool import ActorPool
from fcn.jobs.ray.cluster import Share, cluster_share, open_cluster, reason
from fcn.jobs.ray.labeler import Opened, Request, Result, opened
from fcn.jobs.ray.work_queue import WorkQueue
from fcn.jobs.task import Outcome, Task
from fcn.system.parallel import map_ahead
from fcn.version import __version__

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
            open_predictor=open_predictor,
            kinds=job.kinds,
            output=Path(os.path.realpath(job.store.output)),
            environment=environment,
            threads=threads,
            host=platform.node(),
            version=__version__,
            limits=job.limits,
            order=job.order,
            annotations=job.annotations,
            overlay_style=read_style(job.store),
        )
        self._first: Opened | None = None

    def classes(self) -> Classes:
        """Returns the classes of the labels."""
        # Without an answer, another worker has labeled everything.
        return self._predictor.classes if self._first is None else self._first.classes

    def __call__(self, claims: Iterator[list[Task]]) -> Generator[list[Outcome], None, None]:
        """Yields the outcomes of each batch, in any order."""
        videos: list[list[Task]] = []
        # In two threads, as without Ray: the next results are received while these are written.
        with closing(self._results(_images(claims, videos))) as results:
            yield from map_ahead(self._write, results, ahead=2)
        if videos:
            # A video is written frame by frame, so it is labeled where the output folder is.
            self._check(opened(self._predictor))
            yield from self._job.processor(self._predictor)(iter(videos))

    @cached_property
    def _predictor(self) -> Predictor:
        """The net of this process, opened when it is first needed; each video is a call of its own."""
        return self._request.open_predictor()

    def _results(self, batches: Iterator[list[Task]]) -> Generator[Result, None, None]:
        import ray

        queue = WorkQueue(batches, self._job.store.count("waiting"), self._share.actors)
        pool = ActorPool(self._request, self._share, queue, self._check)
        try:
            with closing(pool.results()) as results:
                yield from results
        except ray.exceptions.RayError as error:
            raise BackendError(f"--ray: the cluster failed ({reason(error)}). {RESUME}") from error

    def _check(self, answer: Opened) -> None:
        """Checks that all machines use the same engine and precision, also as in an earlier run.

        Raises:
            BackendError: If machines chose differently.
            OutputError: If the job was started with another engine or precision.
        """
        if self._first is None:
            self._job.check_engine(answer.engine, answer.precision)
            self._first = answer
        first = self._first
        if (answer.engine, answer.precision) != (first.engine, first.precision):
            raise BackendError(
                f"--ray: machines would give different labels: {first.host} computes with {first.engine} in "
                f"{first.precision}, {answer.host} with {answer.engine} in {answer.precision}. Choose one "
                f"for all: --engine {first.engine} --precision {first.precision}, with which the job was "
                "started."
            )

    def _write(self, result: Result) -> list[Outcome]:
        output = self._job.store.output
        return [*(write_image(output, image) for image in result.images), *result.failed]


def _images(claims: Iterator[list[Task]], videos: list[list[Task]]) -> Iterator[list[Task]]:
    """Yields batches up to the first that is a video, which is added to `videos`."""
    for batch in claims:
        if batch[0].is_video:
            videos.append(batch)
            return
        yield batch
