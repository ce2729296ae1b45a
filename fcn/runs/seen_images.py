"""Which images a net has learned from, by digests of their pixels."""

from pathlib import Path

from fcn.runs.digests import read_record
from fcn.runs.folder import DIGESTS, exported_version, is_exported
from fcn.runs.lineage import find_run


def seen_images(model: Path) -> frozenset[bytes]:
    """Returns the digests of the images that a net and those it started from were trained on.

    Args:
        model: A run folder, a file in its `checkpoints`, an export or any other file.

    Returns:
        Those that its run or export has kept, as of `fcn.data.leaks.digest_image`; none if it has not, as an
        older version did.
    """
    run = find_run(model)
    if run is None and not is_exported(model):
        return frozenset()
    record = read_record(run.digests if run else exported_version(model) / DIGESTS)
    trainings = () if record is None else (record.train, *record.earlier)
    return frozenset(digest for training in trainings for digest in training.images or ())
