"""Calibrates a net: fits temperatures on half a split, and measures on the other half what they change."""

import os
import zlib
from collections.abc import Collection, Iterator, Sequence
from itertools import compress
from pathlib import Path
from typing import Any, NamedTuple

from fcn.config.sections import LabelOrientation
from fcn.data.examination import check_masks
from fcn.data.image_io import Pixels
from fcn.data.leaks import digest_example
from fcn.data.voc import Example, read_example
from fcn.errors import DataError, RunError
from fcn.evaluation.bootstrap import FEW_IMAGES
from fcn.evaluation.calibration import Calibration, CalibrationSums
from fcn.evaluation.scored_split import check_classes, read_scored
from fcn.evaluation.temperature_fit import HIGHEST, LOWEST, TemperatureFit
from fcn.inference.predictor import Predictor
from fcn.outputs.probabilities import Floats, bands, softmax
from fcn.outputs.temperature import Temperatures
from fcn.runs.calibration_file import save_temperatures
from fcn.runs.lineage import training_of
from fcn.runs.lineage_warnings import describe_training
from fcn.runs.model_file import net_file
from fcn.system.parallel import map_ahead
from fcn.system.progress import track
from fcn.system.remedies import as_started
from fcn.system.text import counted
from fcn.weights.catalog import NETS


class CalibrationReport(NamedTuple):
    """What calibrating a net did.

    Attributes:
        file: The file of the net, which holds the temperatures.
        data: The data set.
        split: Name of the split.
        class_names: The names of the classes.
        temperatures: One, or one for each class.
        fitted_images: Number of images that they were fitted on.
        measured_images: Number of images that both of the following are of.
        before: Calibration without temperatures.
        after: Calibration with them.
        warnings: Why they may be too low, or fit no image, a sentence each.
        previous: Calibration with the temperatures that the net had; None if it had none.
    """

    file: Path
    data: Path
    split: str
    class_names: tuple[str, ...]
    temperatures: tuple[float, ...]
    fitted_images: int
    measured_images: int
    before: Calibration
    after: Calibration
    warnings: tuple[str, ...] = ()
    previous: Calibration | None = None

    @property
    def helps(self) -> bool:
        """Whether the probabilities of images that they were not fitted on are better with them.

        They are compared with those without temperatures, and with those by the temperatures of before.
        """
        likelihood = self.after.negative_log_likelihood
        if self.previous is not None and likelihood > self.previous.negative_log_likelihood:
            return False
        return likelihood < self.before.negative_log_likelihood

    def as_dict(self) -> dict[str, Any]:
        """Returns the values as JSON can hold them."""
        per_class = len(self.temperatures) > 1
        temperatures = dict(zip(self.class_names, self.temperatures, strict=True)) if per_class else {}
        return {
            "temperature": None if per_class else self.temperatures[0],
            "class_temperatures": temperatures,
            "data": str(self.data),
            "split": self.split,
            "fitted_images": self.fitted_images,
            "measured_images": self.measured_images,
            "before": self.before.as_dict(self.class_names),
            "after": self.after.as_dict(self.class_names),
            "previous": None if self.previous is None else self.previous.as_dict(self.class_names),
            "kept": self.helps,
            "warnings": [*self.warnings],
        }


def calibrate(
    model: Path | str,
    root: Path | str,
    split: str = "val",
    per_class: bool = False,
    trust: bool = False,
    label_orientation: LabelOrientation = "upright",
) -> CalibrationReport:
    """Fits temperatures to a net, and keeps them in its file if they make its probabilities better.

    Labels and logits stay as they are. Half of the images are fitted on; the others, which the
    temperatures have not seen, say what they change. Images with the pixels of one that was fitted on are
    left out of these.

    Args:
        model: A run folder, whose best checkpoint is calibrated, or a `.keras` file.
        root: A data set in VOC layout.
        split: Name of one of its lists, of images that the net was not trained on.
        per_class: Whether to fit a temperature for each class, for pixels that are labeled as it.
        trust: Whether to load also a model with parts that could run code.
        label_orientation: Whether labels are of upright images, or "stored": of the pixels in the files.

    Raises:
        DataError: If the data set cannot be used, has other classes than the net, or fewer than two images
            that differ.
        OutputError: If the file cannot be written.
        RunError: If there is no net at the path, or its file was replaced meanwhile.
        TrustError: If it has parts that could run code.
    """
    path, root = Path(model), Path(root)
    if str(model) in NETS and not path.exists():
        raise RunError(
            f"{model}: is a published net, whose file stays as it is. Import it into a run of your own with "
            f"{as_started('python -m fcn import')}, and calibrate that."
        )
    file = net_file(path)
    opened = file.stat()
    predictor = Predictor(path, trust=trust)
    check_classes(predictor.path, predictor.classes, root, split)
    examples = read_scored(predictor.path, root, split, label_orientation)
    check_masks(examples)
    if len(examples) < 2:
        raise DataError(
            f"{root}: expected at least 2 images in {split}, half of them to fit to and half to measure on. "
            f"Received: {len(examples)}."
        )
    fitted, measured = divide(examples)
    fit = TemperatureFit(len(predictor.classes.names), len(fitted))
    digests: list[bytes] = []
    for logits, label in _score(predictor, fitted, "fitting", digests):
        fit.add(logits, label)
    values = fit.fit(per_class)
    kinds = [None, Temperatures(values), *filter(None, [predictor.temperatures])]
    seen = frozenset(digests)
    found = _measure(_score(predictor, measured, "measuring", digests, seen), kinds)
    copies = sum(digest in seen for digest in digests[len(fitted) :])
    if copies == len(measured):
        raise DataError(
            f"{root}: expected images in {split} that differ. All images to measure on have the pixels of "
            "those to fit to, under other names. Give a split with different images."
        )
    training = training_of(path, [*fitted, *measured], digests)
    names = tuple(predictor.classes.names)
    warnings = (
        *describe_training(path, training, len(examples)),
        *_describe_copies(copies),
        *_describe_few(len(fitted), len(measured) - copies),
        *_describe_ends(values, names),
    )
    report = CalibrationReport(
        *(file, root, split, names, values, len(fitted), len(measured) - copies, found[0], found[1]),
        warnings,
        found[2] if len(found) > 2 else None,
    )
    if report.helps:
        now = file.stat()
        if (now.st_ino, now.st_mtime_ns) != (opened.st_ino, opened.st_mtime_ns):
            raise RunError(
                f"{file}: was replaced meanwhile, by a training for example, and was left as it is. "
                "Calibrate it when that has ended."
            )
        save_temperatures(file, values, report.as_dict())
    return report


def divide(examples: Sequence[Example]) -> tuple[list[Example], list[Example]]:
    """Returns two halves of a split, by checksums of the names; the first has one more if there is one more.

    A name says nothing of its place in the list, and lists are often sorted by class or day.
    """

    def place(example: Example) -> tuple[int, str]:
        return zlib.crc32(os.fsencode(example.name)), example.name

    ordered = sorted(examples, key=place)
    middle = (len(ordered) + 1) // 2
    return ordered[:middle], ordered[middle:]


def _score(
    predictor: Predictor,
    examples: Sequence[Example],
    doing: str,
    digests: list[bytes],
    skipped: Collection[bytes] = (),
) -> Iterator[tuple[Floats, Pixels]]:
    """Yields logits and label of each example, and adds the digest of its image.

    Args:
        predictor: The net.
        examples: What to score.
        doing: Text of the progress bar.
        digests: The list to which digests are added, in the order of the examples.
        skipped: Digests of images that are not scored.
    """

    def read(example: Example) -> tuple[Pixels, Pixels]:
        return read_example(example._replace(bits=predictor.bits), len(predictor.classes.names))

    for image, label in track(map_ahead(read, examples), doing, len(examples), lines=True):
        digests.append(digest_example(image, label).image)
        if digests[-1] in skipped:
            continue
        yield predictor.predict(image, with_logits=True).scores(), label


def _measure(
    scored: Iterator[tuple[Floats, Pixels]], kinds: Sequence[Temperatures | None]
) -> list[Calibration]:
    """Returns calibration with each of several temperatures; None for the scores as they are."""
    sums: list[CalibrationSums] = []
    for logits, label in scored:
        sums = sums or [CalibrationSums(logits.shape[-1]) for _ in kinds]
        for band in bands(logits):
            for own, temperatures in zip(sums, kinds, strict=True):
                own.add(softmax(logits[band], temperatures), label[band])
    return [own.calibration() for own in sums]


def _describe_copies(count: int) -> list[str]:
    """Returns a sentence if images that were to be measured on were fitted to under other names."""
    if not count:
        return []
    left_out = counted(count, "image to measure on was left out", "images to measure on were left out")
    return [f"{left_out}: the same pixels, under other names, are among those to fit to."]


def _describe_few(fitted: int, measured: int) -> list[str]:
    """Returns a sentence if so few images were used that others may differ.

    Example:
        >>> _describe_few(2, 1)
        ['Fitted on 2 images and measured on 1: others may need other temperatures. Give a split of dozens.']
        >>> _describe_few(50, 50)
        []
    """
    if measured >= FEW_IMAGES:
        return []
    return [
        f"Fitted on {counted(fitted, 'image')} and measured on {measured}: others may need other "
        "temperatures. Give a split of dozens."
    ]


def _describe_ends(values: Sequence[float], names: Sequence[str]) -> list[str]:
    """Returns a sentence if a fit stopped at an end of the range of temperatures."""
    at_end = [not LOWEST * 1.001 < value < HIGHEST * 0.999 for value in values]
    if not any(at_end):
        return []
    of = f" of {', '.join(compress(names, at_end))}" if len(values) > 1 else ""
    return [
        f"The temperature{of} is at the end of the range, {LOWEST:g} to {HIGHEST:g}: the images to fit to "
        "are too few, or the net is always or never right on them. Calibrate on more images that it was "
        "not trained on."
    ]
