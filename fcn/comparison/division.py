"""The images that all nets are scored on where their trainings chose them (`data.val_share`)."""

from collections.abc import Sequence

from fcn.classes import Classes
from fcn.comparison.candidates import Candidate
from fcn.config.sections import DataConfig
from fcn.data.split_list import SPLITS
from fcn.data.voc import Example, read_classes
from fcn.errors import RunError
from fcn.evaluation.scored_split import find_divided, read_scored
from fcn.labels.validation_split import read_divided


def divide(candidates: Sequence[Candidate], data: DataConfig, split: str) -> tuple[Classes, list[Example]]:
    """Returns the classes of a data set, and the examples of a split that trainings make of its images.

    Runs have recorded them. For nets that are trained they are chosen as the training does.

    Args:
        candidates: The nets.
        data: The data set, as its trainings divide it.
        split: Name of one of its two splits.

    Raises:
        DataError: If an image or label cannot be used, or there are fewer than two.
        RunError: If runs have recorded others.
    """
    classes = read_classes(data.root, (data.train_split,), data.classes)
    found = {one.name: _read_recorded(one, data, split) for one in candidates if one.config is None}
    recorded = {name: examples for name, examples in found.items() if examples is not None}
    if not recorded or len(found) < len(candidates):
        train, val = read_divided(data, len(classes.names))
        recorded = {"a training now": val if split == data.val_split else train, **recorded}
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


def _read_recorded(candidate: Candidate, data: DataConfig, split: str) -> list[Example] | None:
    """Returns the examples of a split that the training of a net made; None if it has divided other data.

    Raises:
        DataError: If an image or label is missing.
    """
    if find_divided(candidate.path, data.root, split) is None:
        return None
    examples = read_scored(candidate.path, data.root, split, data.label_orientation)
    return [example._replace(bits=data.used_bits) for example in examples]


def _paths(examples: Sequence[Example]) -> set[str]:
    return {str(example.image_path) for example in examples}
