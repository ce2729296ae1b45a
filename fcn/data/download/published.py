"""Fetching, checking and unpacking a published data set."""

from pathlib import Path

from fcn.data.download.archive import remove_leftovers, unpack
from fcn.data.download.catalog import PublishedDataset
from fcn.data.download.fetch import DEFAULT_RETRY, RetryPolicy, check_file, download
from fcn.system.files import is_there


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
        DataError: If no server brings the archive, or it is damaged or another one.
        OutputError: If the place cannot be written to or the disk is full.
    """
    target = output / dataset.folder
    if is_there(target):
        remove_leftovers(target)
        return None
    if archive is None:
        archive = download(dataset.archive, output, retry)
    else:
        check_file(archive, dataset.archive)
    unpack(archive, dataset.inside, target)
    return archive
