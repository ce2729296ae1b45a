"""Fetching, checking and unpacking a published data set."""

from pathlib import Path

from fcn.data.download.archive import remove_leftovers, unpack
from fcn.data.download.catalog import PublishedDataset
from fcn.system.download.check import check_file
from fcn.system.download.fetch import download
from fcn.system.download.retry import DEFAULT_RETRY, RetryPolicy
from fcn.system.files import is_there

_ADVICE = (
    "Run the same command again: it continues where it stopped. Or download the file in another way, and "
    "pass it with --file."
)
_OTHER_FILE = "Give another one with --file, or leave --file out and it is downloaded."


def fetch_dataset(
    dataset: PublishedDataset,
    output: Path,
    archive: Path | None = None,
    retry: RetryPolicy = DEFAULT_RETRY,
) -> Path | None:
    """Puts a published data set in its folder, unless that is there.

    Args:
        dataset: Which one.
        output: Where data sets go; `dataset.folder` is made below it.
        archive: The archive, where the user has it already; None to download it into `output`.
        retry: When to give up on a server.

    Returns:
        The archive, which is no longer needed; None if the folder was there, which is then left as it is.

    Raises:
        DataError: If the archive is damaged.
        DownloadError: If no server brings the archive, or it is another one.
        OutputError: If the place cannot be written to or the disk is full.
    """
    target = output / dataset.folder
    if is_there(target):
        remove_leftovers(target)
        return None
    if archive is None:
        archive = download(dataset.archive, output, retry, _ADVICE)
    else:
        check_file(archive, dataset.archive, _OTHER_FILE)
    unpack(archive, dataset.inside, target)
    return archive
