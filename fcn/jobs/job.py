"""A job: labels a folder of images, and continues after a stop, a crash or a change of the images."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path

from fcn.classes import Classes
from fcn.errors import OutputError
from fcn.inference.predictor import Predictor
from fcn.jobs.added_outputs import has_unlabeled, join_outputs, times_kept, written_outputs
from fcn.jobs.annotation_setting import read_options, settle_options
from fcn.jobs.class_setting import keep_classes
from fcn.jobs.crash_isolation import note_delegation
from fcn.jobs.kept_limits import read_limits
from fcn.jobs.moved import compare_folders
from fcn.jobs.older_version import describe_older_job
from fcn.jobs.overlay_setting import read_style, settle_style
from fcn.jobs.pipeline import label_in_process
from fcn.jobs.plan import default_batch_size, plan
from fcn.jobs.rasters import writes_rasters
from fcn.jobs.reading import PixelOrder
from fcn.jobs.restart import remove_store
from fcn.jobs.result import LabelingResult as LabelingResult
from fcn.jobs.settings import ORDER, Settings, check_settings, read_pixel_order
from fcn.jobs.sources.inputs import Input, list_folders
from fcn.jobs.sources.links import is_url
from fcn.jobs.store import JobStore
from fcn.jobs.video_settings import read_video_settings, with_video_settings
from fcn.jobs.worker import BatchProcessor, work
from fcn.jobs.worker_lease import WorkerLease, leased_worker
from fcn.outputs.annotation_options import AnnotationOptions
from fcn.outputs.overlay_style import OverlayStyle
from fcn.outputs.render import ENDINGS
from fcn.outputs.summaries import summary_paths, write_summaries
from fcn.system.files import remove
from fcn.system.progress import track_count
from fcn.system.text import print_notice


class Job:
    """An open job with this process as one of its workers. `open_job` makes it.

    Attributes:
        store: What there is to label, and how far the job is.
        kinds: What it writes, some of `OUTPUTS`.
        order: Order of the pixels that are labeled.
        added: Those of `kinds` that it did not write before.
        annotations: Options of annotations.
        limits: Limits of an image that is read; at first those that the job keeps.
        lease: This process.
    """

    def __init__(
        self, store: JobStore, lease: WorkerLease, kinds: Sequence[str], order: PixelOrder = "upright"
    ) -> None:
        self.store = store
        self.kinds = tuple(kinds)
        self.order = order
        self.added: tuple[str, ...] = ()
        self.annotations = read_options(store)
        self.limits = read_limits(store)
        self.lease = lease

    @property
    def finished(self) -> bool:
        """Whether all images are labeled or have failed, and all summaries are written."""
        return not self.remaining() and all(path.exists() for path in self.summaries())

    def summaries(self) -> tuple[Path, ...]:
        """Returns the files about all images that the job writes; none if it has videos alone."""
        return summary_paths(self.kinds, self.store.output) if self.store.has("image") else ()

    def remaining(self) -> int:
        """Returns how many images are not labeled yet, including those that other workers have in hand."""
        return self.store.count("waiting", "doing")

    def retry_failed(self) -> None:
        """Makes the images that failed wait again."""
        with self.store.transaction():
            self.store.connection.execute(
                "UPDATE images SET status = 'waiting', error = NULL, lost = min(lost, 1), blamed = 0 "
                "WHERE status = 'failed' AND name IS NOT NULL"
            )

    def result(self, written: Collection[int] = ()) -> LabelingResult:
        """Returns the state of the job.

        Args:
            written: Rows of the images and videos that this process has labeled, and no other one.
        """
        videos = self.store.labeled_videos()
        new = tuple(video for row, video in videos.items() if row in written)
        failures = self.store.failures()
        failed = tuple((path if is_url(path) else Path(path), reason) for path, reason in failures)
        labeled = self.store.count("done")
        return LabelingResult(len(written), failed, self.store.output, labeled, len(videos), new)

    def run(self, predictor: Predictor) -> LabelingResult:
        """Labels all remaining images, then writes the summaries of all images.

        Args:
            predictor: The net that labels.

        Raises:
            OutputError: If the output folder cannot be written to, or the job was started with another engine
                or precision. Finished labels stay.
        """
        self.check_engine(predictor.engine.name, predictor.engine.precision)
        keep_classes(self.store, predictor.classes.names)
        return self.run_with(self.processor(predictor), lambda: predictor.classes)

    def processor(self, predictor: Predictor) -> BatchProcessor:
        """Returns the function that labels batches of this job in this process."""
        frames = int(self.store.settings()["batch_size"])
        return partial(
            label_in_process,
            output=self.store.output,
            predictor=predictor.with_overlay_style(read_style(self.store)),
            kinds=self.kinds,
            frames=frames,
            limits=self.limits,
            order=self.order,
            annotations=self.annotations,
            videos=read_video_settings(self.store),
        )

    def delegate(self) -> None:
        """Notes that other processes label the images for this one, so that no image can crash it."""
        with self.store.transaction():
            note_delegation(self.store.connection, self.lease.name)

    def run_with(self, processor: BatchProcessor, classes: Callable[[], Classes]) -> LabelingResult:
        """Labels all remaining images with a processor of the caller, then writes the summaries.

        Args:
            processor: Labels batches; it calls `check_engine` before it writes anything.
            classes: Returns the classes of the labels; called when all is labeled.

        Raises:
            OutputError: If the output folder cannot be written to. Finished labels stay.
        """

        def label() -> set[int]:
            with track_count("labeling", self.remaining(), self.remaining) as advance:
                return work(self.store, self.lease, processor, advance)

        return self.complete(label, classes)

    def complete(self, label: Callable[[], set[int]], classes: Callable[[], Classes]) -> LabelingResult:
        """Labels all remaining images with a function of the caller, then writes the summaries.

        Args:
            label: Labels until nothing is left to do; returns the rows of what it has labeled.
            classes: Returns the classes of the labels; called when all is labeled.

        Raises:
            OutputError: If the output folder cannot be written to. Finished labels stay.
        """
        if self.finished:
            return self.result()
        summaries = self.summaries()
        if has_unlabeled(self.store):
            for path in summaries:
                remove(path)  # without the new images it must not look complete if this run is stopped
        written = label()
        if written:
            keep_classes(self.store, classes().names)
        images, output = self.store.summarized_images(), self.store.output
        if summaries:
            with times_kept(summaries):
                left_out = write_summaries(self.kinds, images, output, classes(), self.annotations).left_out
            if left_out:
                print_notice(self.annotations.describe_left_out(left_out))
        return self.result(written)

    def check_engine(self, engine: str, precision: str) -> None:
        """Stores the engine and its precision, or compares them with the stored ones.

        Raises:
            OutputError: If the job was started with others.
        """
        with self.store.transaction():
            check_settings(self.store, {"engine": engine, "precision": precision})


@contextmanager
def open_job(
    output: Path,
    inputs: Sequence[Input],
    settings: Settings,
    kinds: Sequence[str],
    batch_size: int | None = None,
    overlay_style: OverlayStyle | None = None,
    annotations: AnnotationOptions | None = None,
) -> Iterator[Job]:
    """Opens or starts the job of an output folder, and brings its store up to date.

    Args:
        output: The folder; made if it is missing.
        inputs: What to label. Folders must be those that the job was started with, or the same ones moved;
            their content, single files and lists may differ.
        settings: Settings that must be the same as when the job was started.
        kinds: What to write, as `check_outputs` returned it; added to what the job writes already.
        batch_size: Most images in a batch; None for the stored size, or at first for one that suits the
            machine.
        overlay_style: How overlays are drawn; None for the stored style, or at first the default.
        annotations: Options of annotations; None for those of the job, or at first the usual ones.

    Raises:
        DataError: If an input cannot be used, there are no images, or two would get the same output file.
        OutputError: If the folder cannot be written to, or holds a job with other settings.
    """
    if output.exists() and not output.is_dir():
        raise OutputError(f"{output}: is a file, not a folder to write to. Choose another output folder.")
    made = [folder for folder in (output, *output.parents) if not folder.exists()]
    store = JobStore(output)
    try:
        with leased_worker(store) as lease:
            folders = list_folders(inputs)
            with store.transaction():
                if not _was_started(store) and not lease.other_workers():
                    # No image was claimed yet, so it may become another job.
                    for table in ("settings", "images", "folders"):
                        store.connection.execute(f"DELETE FROM {table}")
                order, settings = read_pixel_order(store), with_video_settings(store, settings)
                settle_style(store, overlay_style)
                check_settings(store, {**settings, ORDER: order})
                compared = compare_folders(store, folders)
                known, kinds = written_outputs(store), join_outputs(store, kinds)
                settle_options(store, known, kinds, annotations)
            size = batch_size or int(store.settings().get("batch_size", default_batch_size()))
            if writes_rasters(kinds):
                size = 1  # each may take hours
            # All endings, written or not, so that an image has the same name for every choice of outputs.
            endings = (*ENDINGS, *read_video_settings(store).suffixes())
            plan(store, lease, inputs, endings, size, summary_paths(kinds, output), kinds, compared)
            job = Job(store, lease, kinds, order)
            job.added = tuple(kind for kind in kinds if known and kind not in known)
            if not job.finished and (older := describe_older_job(store, kinds, order, job.annotations)):
                print_notice(*older)
            yield job
            if not job.remaining():
                store.remove_copy()
    finally:
        _close(store, made)


@contextmanager
def join_job(output: Path, kinds: Sequence[str], order: PixelOrder) -> Iterator[Job]:
    """Opens the job of an output folder as it was planned by a process that is still alive.

    Args:
        output: The folder.
        kinds: What the job writes.
        order: Order of its pixels.

    Raises:
        OutputError: If the folder cannot be written to.
    """
    store = JobStore(output)
    with closing(store), leased_worker(store) as lease:
        yield Job(store, lease, kinds, order)


def _was_started(store: JobStore) -> bool:
    """Returns whether any image was ever claimed by a worker."""
    with store.guarded():
        query = "SELECT EXISTS (SELECT 1 FROM images WHERE attempts > 0)"
        return bool(store.connection.execute(query).fetchone()[0])


def _close(store: JobStore, made: Sequence[Path]) -> None:
    """Closes a store; removes it, and the folders made for it, if no image was ever claimed."""
    empty = False
    with suppress(OutputError), store.guarded():
        (others,) = store.connection.execute("SELECT count(*) FROM workers").fetchone()
        empty = not others and not _was_started(store)
    store.close()
    if empty:
        with suppress(OutputError):
            remove_store(store.output)
        with suppress(OSError):
            for folder in made:
                folder.rmdir()
