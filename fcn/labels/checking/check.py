"""Checks a data set as far as it can be read, where a training would stop at the first mistake."""

import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from fcn.classes import VOID, Classes
from fcn.config.sections import LabelOrientation
from fcn.data.class_names import read_list_colors
from fcn.data.examination import blank_images, examine_examples
from fcn.data.image_header import IMAGE_SUFFIXES
from fcn.data.leaks import check_disjoint, find_copies
from fcn.data.split_list import IMAGES, LABELS, SPLITS, Entry, Example, Finder
from fcn.data.voc import check_root, find_examples, read_classes
from fcn.errors import DataError, PlaceError
from fcn.labels.checking.finding import Finding
from fcn.labels.checking.look import look_closely
from fcn.labels.checking.survey import Splits, Survey, survey_examples
from fcn.pages.percent import percent
from fcn.system.remedies import as_started
from fcn.system.text import counted

_UNKNOWN = Classes.named(tuple(f"id {index}" for index in range(VOID)))
_TURNED = "turned by EXIF orientation"


def check_dataset(
    root: Path | str,
    train: str = "train",
    val: str = "val",
    configured: str | None = None,
    label_orientation: LabelOrientation = "upright",
    bits: int | None = None,
) -> Survey:
    """Reads a data set and returns what it holds, with everything that is wrong or suspicious in it.

    Args:
        root: The folder that holds `JPEGImages`.
        train: Name of the training split.
        val: Name of the validation split.
        configured: `data.classes` of the configuration: "voc" or None.
        label_orientation: What the labels are of, as in `read_split`.
        bits: `data.bits` of the configuration: how many bits the values of 16-bit images use, or None.

    Raises:
        DataError: If this is not a data set, or there is not one image with a label.
    """
    root = Path(root)
    check_root(root)
    findings, splits = _find_splits(root, train, val, label_orientation)
    classes, list_colors = _UNKNOWN, None
    try:
        classes = read_classes(root, [*_present(root, (train, val))], configured)
        list_colors = read_list_colors(root)
    except DataError as error:
        findings.append(Finding("class names", True, str(error)))
    if bits is not None:
        splits = splits.with_bits(bits)
    examples = splits.examples()
    if not examples:
        raise DataError(*(line for finding in findings for line in (finding.text, *finding.files[:1])))
    found = examine_examples(examples, len(classes.names), look_closely)
    if classes is _UNKNOWN:
        classes = _only_used(classes, [index for one in found.facts if one for index in one.pixels])
    survey = survey_examples(root, classes, splits, found, list_colors, bits)
    digests = [one and one.digest.image for one in found.facts]
    findings += _find_shared(root, splits, digests, blank_images(found.facts))
    findings += survey.findings
    findings += _find_unread(splits)
    findings += _look_at_images(survey)
    return survey._replace(findings=tuple(sorted(findings, key=lambda finding: not finding.is_refused)))


def _present(root: Path, names: Sequence[str]) -> list[str]:
    return [name for name in names if (root / SPLITS / f"{name}.txt").exists()]


def _find_splits(
    root: Path, train: str, val: str, label_orientation: LabelOrientation
) -> tuple[list[Finding], Splits]:
    """Returns the examples of both splits as far as they are there, and what is wrong with the lists."""
    findings: list[Finding] = []
    found: dict[str, list[Example]] = {}
    for split in (train, val):
        found[split] = []
        try:
            found[split], problems = find_examples(root, split, label_orientation)
        except PlaceError as error:
            findings.append(Finding("lists", True, str(error)))
        except DataError as error:
            findings.append(Finding("lists", True, str(error)))
        else:
            if problems:
                text = f"{root / SPLITS / f'{split}.txt'}: " + counted(
                    len(problems), "line has no image or no label:", "lines have no image or no label:"
                )
                findings.append(Finding("missing files", True, text, tuple(problems)))
    if not _present(root, (train, val)):
        found[train] = _all_examples(root, label_orientation)
        if found[train]:
            one = "image with a label was read as if it were"
            many = "images with a label were read as if they were"
            text = f"Instead, {counted(len(found[train]), one, many)} to train on."
            if LABELS not in (folders := {example.label_path.parent.name for example in found[train]}):
                text += (
                    f" Their labels lie in {min(folders)}; a training reads {LABELS}, so rename that folder."
                )
            findings.append(Finding("no lists", False, text))
    return findings, Splits(train, val, found[train], found[val])


def _all_examples(root: Path, label_orientation: LabelOrientation) -> list[Example]:
    finder, examples = Finder(root, label_orientation), []
    folders = [path.name for path in sorted(root.glob(f"{LABELS}*")) if path.is_dir()]
    for path in sorted((root / IMAGES).iterdir()):
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            continue
        for folder in folders:
            try:
                examples.append(finder.find(Entry(path.stem, folder), root / IMAGES))
            except DataError:
                continue
            break
    return [*dict.fromkeys(examples)]  # one of files that differ in their suffix


def _only_used(classes: Classes, ids: Sequence[int]) -> Classes:
    count = 1 + max((index for index in ids if index != VOID), default=0)
    return Classes(classes.names[:count], classes.palette[:count])


def _find_shared(
    root: Path, splits: Splits, digests: Sequence[bytes | None], blank: set[bytes]
) -> list[Finding]:
    findings = []
    try:
        check_disjoint(splits.train_examples, splits.val_examples, root)
    except DataError as error:
        names = {example.name for example in splits.train_examples}
        shared = tuple(example.name for example in splits.val_examples if example.name in names)
        findings.append(Finding("in both splits", True, str(error), shared))
    pairs = find_copies(splits.train_examples, splits.val_examples, digests, blank)
    files = tuple(
        f"{one.image_path} and {other.image_path}" for one, other in pairs if one.name != other.name
    )
    if files:
        text = (
            f"{len(files)} validation images have the same pixels as a training image of another name. Take "
            "one of each out of its list."
        )
        findings.append(Finding("copies", True, text, files))
    return findings


def _find_unread(splits: Splits) -> list[Finding]:
    """Returns a warning if files lie beside those that are read whose names differ in the case of the suffix.

    The name that fits exactly is read, and nothing shows that it is the one that is meant.
    """
    examples = splits.examples()
    used = dict.fromkeys(path for one in examples for path in (one.image_path, one.label_path))
    beside: dict[tuple[Path, str, str], list[str]] = defaultdict(list)
    for folder in dict.fromkeys(path.parent for path in used):
        try:
            names = sorted(os.listdir(folder))
        except OSError:  # it may be opened, not listed
            continue
        for name in names:
            stem, suffix = os.path.splitext(name)
            beside[folder, stem, suffix.lower()].append(name)
    files = tuple(
        f"{path} is read, {name} is not"
        for path in used
        for name in beside[path.parent, path.stem, path.suffix.lower()]
        if path.with_name(name) not in used
    )
    if not files:
        return []
    text = (
        f"{len(files):,} {'file differs' if len(files) == 1 else 'files differ'} from an image or label that "
        "is read only in the case of the suffix. Keep the one that is right, and remove the other."
    )
    return [Finding("same names", False, text, files)]


def _look_at_images(survey: Survey) -> list[Finding]:
    findings = []
    seen = survey.seen()
    with_position = tuple(str(example.image_path) for example, one in seen if one.has_position)
    if with_position:
        text = (
            f"{len(with_position)} of {counted(len(seen), 'image')} "
            f"{'holds' if len(with_position) == 1 else 'hold'} the position of the camera (GPS), which can "
            "tell where somebody lives. A copy without it, with the same pixels: "
            f"{as_started('python -m fcn')} data import {survey.root} --output NEWROOT --strip-metadata"
        )
        findings.append(Finding("positions", False, text, with_position))
    turned = tuple(str(example.image_path) for example, one in seen if one.orientation != 1)
    if turned:
        text = (
            f"{len(turned)} of {counted(len(seen), 'image')} ({percent(len(turned) / len(seen), 1)}) "
            f"{'is' if len(turned) == 1 else 'are'} {_TURNED}. "
            "Look at some overlays: labels and images must have the same side up."
        )
        findings.append(Finding("orientation", False, text, turned))
    forms = Counter(one.form for _, one in seen)
    if len({form.rpartition(", ")[2] for form in forms}) > 1:
        shown = "; ".join(f"{count:,} {form}" for form, count in forms.most_common())
        findings.append(Finding("bit depths", False, f"Images have different bit depths: {shown}."))
    return findings
