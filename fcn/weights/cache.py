"""The folder in which published weights are kept: each file once, whole or not there."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from fcn.errors import DownloadError, OutputError
from fcn.system.download.check import check_file, digest, find_difference
from fcn.system.download.fetch import download
from fcn.system.download.file import PublishedFile
from fcn.system.download.retry import DEFAULT_RETRY, RetryPolicy
from fcn.system.files import durable_path, is_there, remove, unreadable
from fcn.system.places import path_below
from fcn.system.progress import track_bytes
from fcn.system.remedies import as_started
from fcn.system.text import print_notice
from fcn.weights.advice import MIRROR, advise_download
from fcn.weights.catalog import PublishedNet
from fcn.weights.content import find_flaw
from fcn.weights.mirror import find_in_mirror
from fcn.weights.record import is_recorded, measure, read_record, record_path, write_record

FOLDER = "FCN_WEIGHTS"
"""Environment variable that names the folder."""

_NETS = "nets"
_CHUNK = 1 << 20

State = Literal["absent", "whole", "damaged"]


class WeightCache:
    """A folder of published weights.

    A file lies there under its own name. `NAME.json` beside it records its SHA-256, which is what a file
    without a public checksum is compared with from then on. Programs that use the folder at the same time
    wait for each other.

    Args:
        folder: The folder; None for `FCN_WEIGHTS`, or else that of the user.
        mirror: A folder or a URL that has the files under their names, as `find_in_mirror` takes it; it is
            asked in place of the publishers. None for `FCN_WEIGHTS_MIRROR`, or else the publishers.
        retry: When to give up on a server.

    Attributes:
        folder: The folder.
        mirror: The mirror; "" for none.
        retry: When to give up on a server.
    """

    def __init__(
        self, folder: Path | None = None, mirror: str | None = None, retry: RetryPolicy = DEFAULT_RETRY
    ) -> None:
        self.folder = folder or Path(os.path.expanduser(os.environ.get(FOLDER) or user_folder()))
        self.mirror = os.environ.get(MIRROR, "") if mirror is None else mirror
        self.retry = retry

    def path(self, net: PublishedNet) -> Path:
        """Returns where the file of a net is, or would be."""
        return path_below(self.folder, net.file.name, "the catalog of weights")

    def net_path(self, name: str) -> Path:
        """Returns where a net is kept that was imported, a run folder, or would be."""
        return path_below(self.folder / _NETS, name, "the catalog of weights")

    def fetch(self, name: str, net: PublishedNet) -> Path:
        """Returns the file of a net, and downloads it if it is not there.

        Before that, size and license are printed. What came is compared with the public checksum, or with
        that of the first download.

        Args:
            name: Name of the net.
            net: The net.

        Raises:
            DownloadError: If no server has the file, or it is not the published one.
            OutputError: If the folder cannot be written to or the disk is full.
        """
        path, file = self.path(net), net.file
        if is_recorded(path):
            return path
        with self.locked(path):
            if is_recorded(path):  # by another program
                return path
            if not is_there(path) and (found := _keras_copy(file)) is not None:
                return found
            if is_there(path):
                advice = f"Delete it, or run {as_started('python -m fcn weights remove')} {name}."
                check_file(path, file, advice)
                _check_content(path, file, path, advice)
            else:
                _announce(name, net)
                self._download(name, net, path)
            _record(name, path, file)
        return path

    def find(self, net: PublishedNet) -> Path | None:
        """Returns where the file of a net is, perhaps as Keras has downloaded it; None if it is not there.

        Its content is not read.
        """
        path, theirs = self.path(net), _keras_path(net.file)
        if is_there(path):
            return path
        with suppress(OSError):
            if net.file.checksum is not None and net.file.size in (None, theirs.stat().st_size):
                return theirs
        return None

    def state(self, net: PublishedNet) -> tuple[State, str]:
        """Returns whether the file of a net is whole, and what it was compared with or how it differs.

        A copy of Keras that differs is as good as absent: nothing uses it.

        Raises:
            DownloadError: If it cannot be read.
        """
        path, file = self.path(net), net.file
        if not is_there(path):
            if file.checksum is None or _keras_copy(file) is None:
                return "absent", ""
            return "whole", f"{file.checksum.title}, stated by {file.checksum.source}"
        record = read_record(path)
        try:
            problem = find_difference(path, file)
            if problem is None and record is not None and digest(path, "sha256") != record.sha256:
                problem = f"expected the SHA-256 {record.sha256}, that of the first download"
        except OSError as error:
            raise DownloadError(f"{path}: {unreadable(error)}") from error
        if problem is not None:
            return "damaged", problem
        if file.checksum is not None:
            return "whole", f"{file.checksum.title}, stated by {file.checksum.source}"
        return (
            "whole",
            "its SHA-256 at the first download" if record else "nothing, since no checksum is known",
        )

    def remove(self, name: str, net: PublishedNet) -> list[Path]:
        """Removes the file of a net, what has come of it, and the net that was imported.

        With it goes its record: what is downloaded next is taken as if it were the first.

        Returns:
            What was there.

        Raises:
            OutputError: If it cannot be removed.
        """
        path = self.path(net)
        part = path.with_name(f"{path.name}.part")
        with self.locked(path), self.locked(self.net_path(name)):
            found = [one for one in (path, part, self.net_path(name)) if is_there(one)]
            for one in (*found, record_path(part), record_path(path)):
                remove(one)
        left = [one for one in found if is_there(one)]
        if left:
            raise OutputError(f"{left[0]}: cannot be removed. Check its permissions.")
        return found

    @contextmanager
    def locked(self, path: Path) -> Iterator[None]:
        """Locks a path below the folder for as long as the block runs; waits while another program has it.

        In a folder that cannot be written to there is nothing to lock.
        """
        from filelock import FileLock, Timeout  # which would make `import fcn` slower

        lock = FileLock(path.with_name(f".{path.name}.lock"))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                print_notice(f"Waiting for another program that writes {path}.")
                lock.acquire()
        except OSError:
            yield
            return
        try:
            yield
        finally:
            lock.release()

    def _download(self, name: str, net: PublishedNet, path: Path) -> None:
        """Downloads the file of a net, or copies it from a mirror."""
        file = net.file
        place = advise_download(name, net, path)
        source = find_in_mirror(self.mirror, file.name) if self.mirror else None
        if isinstance(source, Path):
            self._copy(source, file, path, place)
            return
        if source is not None:
            file = file._replace(urls=(source,))
        download(file, path.parent, self.retry, place)
        try:
            _check_content(path, file, path, place)
        except DownloadError:
            remove(path)
            raise

    def _copy(self, source: Path, file: PublishedFile, path: Path, advice: str) -> None:
        try:
            content = source.open("rb")
            size = source.stat().st_size
        except OSError as error:
            raise DownloadError(f"{source}: {unreadable(error)}", advice) from error
        with content, durable_path(path) as temporary:
            with temporary.open("wb") as output, track_bytes(f"copying {file.name}", size) as advance:
                while chunk := content.read(_CHUNK):
                    output.write(chunk)
                    advance(len(chunk))
            problem = find_difference(temporary, file)
            if problem:
                raise DownloadError(f"{source}: is not {file.name} as it was published: {problem}.", advice)
            _check_content(temporary, file, source, advice)


def user_folder() -> Path:
    """Returns the folder for weights of the user, as the operating system's rules for caches have it."""
    if sys.platform == "win32":
        home = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        return home / "fcn" / "weights"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "fcn" / "weights"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fcn" / "weights"


def _announce(name: str, net: PublishedNet) -> None:
    print_notice(
        f"{name}: {net.title}; {net.file.name}, {net.size_text}.",
        f"License: {net.license.name}. Commercial use: {net.license.commercial_use}. See {net.license.url}",
    )


def _keras_path(file: PublishedFile) -> Path:
    """Returns where Keras keeps a file that it has downloaded."""
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "models" / file.name


def _keras_copy(file: PublishedFile) -> Path | None:
    """Returns a file that Keras itself has downloaded, if it is the published one; None if not."""
    path = _keras_path(file)
    if file.checksum is None:
        return None
    with suppress(OSError):
        if path.is_file() and find_difference(path, file) is None:
            return path
    return None


def _check_content(path: Path, file: PublishedFile, shown: Path, advice: str) -> None:
    """Refuses a file without a public checksum that does not hold whole weights.

    What is wrong would otherwise become what later downloads are compared with.

    Args:
        path: The file.
        file: What it should be.
        shown: The path to name in the message.
        advice: What to do then.

    Raises:
        DownloadError: If it holds none, or cannot be read.
    """
    if file.checksum is not None:
        return
    try:
        flaw = find_flaw(path)
    except OSError as error:
        raise DownloadError(f"{shown}: {unreadable(error)}", advice) from error
    if flaw is not None:
        raise DownloadError(f"{shown}: is not {file.name} as it was published: {flaw}.", advice)


def _record(name: str, path: Path, file: PublishedFile) -> None:
    """Records a file, after comparing it with the record of an earlier download.

    Raises:
        DownloadError: If it differs from that, and no checksum is public.
    """
    earlier, found = read_record(path), measure(path)
    if file.checksum is None and earlier is not None and earlier.sha256 != found.sha256:
        raise DownloadError(
            f"{path}: has the SHA-256 {found.sha256}, but {earlier.sha256} when it was first downloaded. "
            "It was changed here, or its publisher has changed it. To download it again and take what comes, "
            f"run {as_started('python -m fcn weights remove')} {name}."
        )
    if file.checksum is None and earlier is None:
        print_notice(
            f"{path.name}: no checksum is public. Its SHA-256 was recorded, to compare later downloads "
            f"with: {found.sha256}."
        )
    with suppress(OutputError):  # a folder that is only read; then the file is compared each time
        write_record(path, found)
