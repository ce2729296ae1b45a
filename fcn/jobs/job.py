"""A job: a folder of labels that is brought up to date, from wherever it stands."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from fcn.classes import Classes
from fcn.errors import OutputError
from fcn.inference.engines.engine import Engine
from fcn.inference.video import VIDEO_ENDING
from fcn.jobs.crash_isolation import note_delegation
from fcn.jobs.pipeline import label_in_process
from fcn.jobs.plan import plan
from fcn.jobs.restart import remove_store
from fcn.jobs.sources.inputs import Input, list_folders
from fcn.jobs.sources.remote import is_url
from fcn.jobs.store import JobStore
from fcn.jobs.worker import BatchProcessor, work
from fcn.jobs.worker_lease import WorkerLease, leased_worker
from fcn.outputs.render import ENDINGS
from fcn.outputs.summaries import summary_paths, write_summaries
from fcn.runs.folder import exported_version, identifying_files, is_exported, model_file
from fcn.system.files import content_hash, remove

_INPUT_FOLDERS = "input folders"
_ADJUSTABLE_SETTINGS = ("batch_size", "memory")
"""What is kept of a job, and may be another when it goes on."""
_GPU = Path("/dev/nvidia0")


class Setting(NamedTuple):
    """One of the things that make a job the same job.

    Attributes:
        value: What is compared.
        shown: What a message shows for it.
    """

    value: str
    shown: str


Settings = Mapping[str, Setting | str]
"""What a job is begun with, by the name that messages use; a plain `str` shows itself."""


class LabelingResult(NamedTuple):
    """What came of labeling files and folders.

    Attributes:
        written: Number of images that were labeled now, by this process.
        failed: What could not be labeled, now or before, and why; the reason does not repeat the path or
            URL.
        output: The folder that holds the labels.
        labeled: Number of images whose labels the folder holds, whoever labeled them and when.
        videos: How many of these are videos.
    """

    written: int
    failed: tuple[tuple[Path | str, str], ...]
    output: Path
    labeled: int
    videos: int = 0


class Job:
    """A job that is open, and this process as one of its workers. `open_job` makes it.

    Attributes:
        store: Its store.
        kinds: What it leaves, some of `OUTPUTS`.
    """

    def __init__(self, store: JobStore, lease: WorkerLease, kinds: Sequence[str]) -> None:
        self.store = store
        self.kinds = tuple(kinds)
        self._lease = lease

    @property
    def finished(self) -> bool:
        """Whether every image is labeled or failed, and every summary written."""
        summaries = summary_paths(self.kinds, self.store.output)
        return not self.remaining() and all(path.exists() for path in summaries)

    def remaining(self) -> int:
        """Returns how many images are not labeled yet, those that other workers have in hand among them."""
        return self.store.count("waiting", "doing")

    def retry_failed(self) -> None:
        """Lets the images that failed wait again."""
        with self.store.transaction():
            self.store.connection.execute(
                "UPDATE images SET status = 'waiting', error = NULL, lost = min(lost, 1), blamed = 0 "
                "WHERE status = 'failed' AND name IS NOT NULL"
            )

    def result(self, written: int = 0) -> LabelingResult:
        """Returns how far the job is, after this process has labeled some images."""
        failures = self.store.failures()
        failed = tuple((path if is_url(path) else Path(path), reason) for path, reason in failures)
        return LabelingResult(
            written, failed, self.store.output, self.store.count("done"), self.store.count_videos()
        )

    def run(self, engine: Engine) -> LabelingResult:
        """Labels all that remains, and then writes the summaries of all images.

        Args:
            engine: What labels.

        Raises:
            OutputError: If the output folder cannot be written to, or the job was begun with another engine
                or precision. What was written stays.
        """
        self.check_engine(engine.name, engine.precision)
        return self.run_with(self.processor(engine), lambda: engine.classes)

    def processor(self, engine: Engine) -> BatchProcessor:
        """Returns what labels batches of this job in this process."""
        frames = int(self.store.settings()["batch_size"])
        return partial(
            label_in_process, output=self.store.output, engine=engine, kinds=self.kinds, frames=frames
        )

    def delegate(self) -> None:
        """Notes that other processes label the images for this one, and so are none to blame for its end."""
        with self.store.transaction():
            note_delegation(self.store.connection, self._lease.name)

    def run_with(self, processor: BatchProcessor, classes: Callable[[], Classes]) -> LabelingResult:
        """Does what `run` does with something else that labels.

        Args:
            processor: What labels; it calls `check_engine` before it writes anything.
            classes: Returns what it tells apart; called once all is labeled.

        Raises:
            OutputError: If the output folder cannot be written to. What was written stays.
        """
        if self.finished:
            return self.result()
        if self.remaining():
            for path in summary_paths(self.kinds, self.store.output):
                remove(path)  # of fewer images, and so in need of being written again if this is stopped
        written = work(self.store, self._lease, processor)
        records = ((path, record) for path, _, record in self.store.records())
        write_summaries(self.kinds, records, self.store.output, classes())
        return self.result(written)

    def memory(self) -> float | None:
        """Returns the gigabytes that were kept to label within; None if there are none."""
        kept = self.store.settings().get("memory")
        return None if kept is None else float(kept)

    def keep_memory(self, gigabytes: float | None) -> None:
        """Keeps the gigabytes to label within, for when the job goes on.

        They may be others than before: where windows meet, rounding may turn a tie, but nothing else.
        """
        if gigabytes is not None:
            with self.store.transaction():
                self.store.keep_settings({"memory": str(gigabytes)})

    def check_engine(self, engine: str, precision: str) -> None:
        """Keeps the names of an engine and of what it computes in, or compares them with what was kept.

        Raises:
            OutputError: If the job was begun with another.
        """
        with self.store.transaction():
            _check_settings(self.store, {"engine": engine, "precision": precision})


@contextmanager
def open_job(
    output: Path,
    inputs: Sequence[Input],
    settings: Settings,
    kinds: Sequence[str],
    batch_size: int | None = None,
) -> Iterator[Job]:
    """Opens the job of an output folder, or begins it, and brings its store up to date.

    Args:
        output: The folder; made if it is missing.
        inputs: What to label. Folders must be those the job was begun with; what is in them, and files and
            lists, may be other than before.
        settings: What must be as it was when the job was begun.
        kinds: What labeling leaves, as `check_outputs` returned it.
        batch_size: Images in a batch, at most; None for what it was, or else what suits the machine.

    Raises:
        DataError: If an input cannot be used, there are no images, or two have the same name and place.
        OutputError: If the folder cannot be written to, or holds a job that was begun with something else.
    """
    if output.exists() and not output.is_dir():
        raise OutputError(f"{output}: is a file, not a folder to write to. Choose another output folder.")
    made = [folder for folder in (output, *output.parents) if not folder.exists()]
    store = JobStore(output)
    try:
        with leased_worker(store) as lease:
            folders = json.dumps(list_folders(inputs))
            wanted = {
                **settings,
                "outputs": ", ".join(kinds),
                _INPUT_FOLDERS: Setting(folders, ", ".join(json.loads(folders)) or "none"),
            }
            with store.transaction():
                if not _was_started(store) and not lease.other_workers():
                    for table in ("settings", "images", "folders"):  # nothing came of it: it may be another
                        store.connection.execute(f"DELETE FROM {table}")
                _check_settings(store, wanted)
            size = batch_size or int(store.settings().get("batch_size", default_batch_size()))
            # All endings, written or not, so that an image has the same name whatever is wanted of it.
            plan(store, lease, inputs, (*ENDINGS, VIDEO_ENDING), size, summary_paths(kinds, output))
            yield Job(store, lease, kinds)
    finally:
        _close(store, made)


def model_setting(path: Path) -> Setting:
    """Returns what tells the model at a path from any other, whatever its name: the content of its files.

    Of an exported model the largest, whose content others stand for, are not read: that would take seconds.

    Raises:
        RunError: If there is none.
    """
    files = identifying_files(exported_version(path)) if is_exported(path) else [model_file(path)]
    return Setting(content_hash(files), str(path))


def default_batch_size() -> int:
    """Returns how many images are labeled at once if nobody says: on a CPU, more are no faster than one."""
    return 8 if _GPU.exists() else 1


def _check_settings(store: JobStore, wanted: Settings) -> None:
    """Keeps what a job is begun with, or compares it with what was kept. To be called in a transaction.

    Raises:
        OutputError: If it is something else.
    """
    known = {
        name: Setting(*json.loads(text))
        for name, text in store.settings().items()
        if name not in _ADJUSTABLE_SETTINGS
    }
    given = {
        name: setting if isinstance(setting, Setting) else Setting(setting, setting)
        for name, setting in wanted.items()
    }
    differences = []
    for name, setting in given.items():
        before = known.get(name, setting)
        if setting.value != before.value:
            other = " with other content" if setting.shown == before.shown else ""
            differences.append(f"{name}: {before.shown}, now {setting.shown}{other}")
    if differences:
        raise OutputError(
            f"{store.output}: holds the labels of a job that was begun with something else "
            f"({'; '.join(differences)}). Choose another output folder, go on with what it was begun "
            "with, or add --restart to label everything anew."
        )
    new = {name: json.dumps(setting) for name, setting in given.items() if name not in known}
    store.keep_settings(new)


def _was_started(store: JobStore) -> bool:
    """Returns whether any image was ever worked on."""
    with store.guarded():
        query = "SELECT EXISTS (SELECT 1 FROM images WHERE attempts > 0)"
        return bool(store.connection.execute(query).fetchone()[0])


def _close(store: JobStore, made: Sequence[Path]) -> None:
    """Closes a store; one of which nothing came, and folders that were made for it, are removed."""
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
