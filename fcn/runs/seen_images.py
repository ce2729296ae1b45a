"""Which images a net was trained or validated on, by digests of their pixels."""

from collections.abc import Iterator
from pathlib import Path

from fcn.data.leaks import digest_images
from fcn.data.voc import read_split
from fcn.errors import ConfigError, DataError
from fcn.runs.digests import read_record
from fcn.runs.folder import DIGESTS, RunFolder, exported_version, is_exported
from fcn.runs.lineage import find_run
from fcn.runs.splits import find_lists


def seen_images(model: Path) -> frozenset[bytes]:
    """Returns the digests of the images that a net was trained and validated on, as far as they are known.

    Those of its training, and of the trainings that it started from, are kept in its run or export. A run of
    an older version kept none: then they are read where its configuration says, as validation images always
    are. What is not there any more is not known, nor are the validation images of an export. Images that it
    learned from without a label are not among them: they may be labeled next.

    Args:
        model: A run folder, a file in its `checkpoints`, an export or any other file.

    Returns:
        Digests as of `fcn.data.leaks.digest_image`.
    """
    run = find_run(model)
    if run is None and not is_exported(model):
        return frozenset()
    record = read_record(run.digests if run else exported_version(model) / DIGESTS)
    trainings = () if record is None else (record.train, *record.earlier)
    found = {digest for training in trainings for digest in training.images or ()}
    if run is not None:
        found.update(_read(run, with_training=record is None))
    return frozenset(found)


def _read(run: RunFolder, with_training: bool) -> Iterator[bytes]:
    """Yields the digests of images that the lists of a run name, of each list that can be read as a whole."""
    try:
        data = run.load_config().data
        lists = find_lists(run, data)
    except (ConfigError, DataError):
        return
    for split in (data.val_split, *([data.train_split] if with_training else [])):
        try:
            yield from digest_images(read_split(data.root, split, bits=data.used_bits, lists=lists))
        except DataError:
            continue
