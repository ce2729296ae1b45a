"""The images that all nets of a comparison are scored on, where no list names them (`data.val_share`)."""

from collections.abc import Sequence

from fcn.classes import Classes
from fcn.comparison.candidates import Candidate
from fcn.config.sections import DataConfig
from fcn.data.split_list import SPLITS
from fcn.data.voc import Example, read_classes, read_split
from fcn.errors import RunError
from fcn.labels.validation_split import read_divided
from fcn.runs.folder import RunFolder
from fcn.runs.splits import divided_lists


def divide(candidates: Sequence[Candidate], data: DataConfig) -> tuple[Classes, list[Example]]:
    """Returns the classes of a data set, and those of its examples that no net learns from.

    Runs have recorded them. For nets that are trained they are chosen as the training does.

    Args:
        candidates: The nets.
        data: The data set, as its trainings divide it.

    Raises:
        DataError: If an image or label cannot be used, or there are fewer than two.
        RunError: If runs have recorded others.
    """
    classes = read_classes(data.root, (data.train_split,), data.classes)
    found = {one.name: _read_recorded(one, data) for one in candidates if one.config is None}
    recorded = {name: examples for name, examples in found.items() if examples is not None}
    if not recorded or len(found) < len(candidates):
        recorded = {"a training now": read_divided(data, len(classes.names))[1], **recorded}
    (name, examples), *others = recorded.items()
    for other, other_examples in others:
        if _paths(other_examples) != _paths(examples):
            raise RunError(
                f"{other}: its training left out other images of {data.root} to score on than {name}, as it "
                "does where images were added or removed in between. To score all alike, copy the lists "
                f"of one run (RUN/splits) to {data.root / SPLITS}; others may have learned from some of "
                "these images, which is said then."
            )
    return classes, examples


def _read_recorded(candidate: Candidate, data: DataConfig) -> list[Example] | None:
    """Returns the examples that the training of a net left out; None if its run has no such list.

    Raises:
        DataError: If an image or label is missing.
    """
    run = RunFolder(candidate.path)
    if not run.exists():
        return None
    lists = divided_lists(run, run.load_config().data, data.root, data.val_split)
    if lists is None or not (lists / f"{data.val_split}.txt").exists():
        return None
    return read_split(data.root, data.val_split, data.label_orientation, data.used_bits, lists)


def _paths(examples: Sequence[Example]) -> set[str]:
    return {str(example.image_path) for example in examples}
