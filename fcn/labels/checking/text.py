"""Describes a survey on the terminal, and refuses a data set."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from fcn.classes import VOID
from fcn.data.voc import SHOWN
from fcn.errors import DataError
from fcn.labels.checking.finding import Finding
from fcn.pages.percent import percent
from fcn.pages.swatch import css_color
from fcn.system.remedies import as_started
from fcn.system.text import counted

if TYPE_CHECKING:
    from fcn.labels.checking.survey import ClassCount, Survey

# Longer tables are left to `fcn data check`.
_MOST_ROWS = 40
_LONGEST_NAME = 24
_BRIEF_FILES = 3
_MOST_SIZES = 5


def refuse(survey: "Survey") -> None:
    """Refuses a data set that cannot be learned from.

    Raises:
        DataError: If there is anything to refuse; the message names everything that there is.
    """
    lines = [line for finding in survey.refused() for line in describe_finding(finding)]
    if lines:
        raise DataError(*lines)


def describe_finding(finding: Finding, most: int = SHOWN) -> list[str]:
    """Returns the lines about a finding: its sentence, then the first files.

    Args:
        finding: The finding.
        most: How many files to list.
    """
    if len(finding.files) == 1 and finding.kind == "unusable files":
        return [finding.files[0]]
    shown = [f"  {text}" for text in finding.files[:most]]
    more = len(finding.files) - len(shown)
    return [finding.text, *shown, *([f"  ... and {more:,} more files like these"] if more else [])]


def describe_briefly(survey: "Survey") -> list[str]:
    """Returns the lines before a training: the images, each class, and what is suspicious."""
    splits = survey.splits
    lines = [
        f"Data: {counted(len(splits.train_examples), 'image')} to train on, {len(splits.val_examples):,} to "
        f"score on, {counted(len(survey.classes.names), 'class', 'classes')}. Pixels, and images to train "
        "and to score on, of each class:"
    ]
    shown = [one for one in survey.counts if one.id != VOID or one.pixels]
    lines += _rows(shown[:_MOST_ROWS])
    if len(shown) > _MOST_ROWS:
        check = f"{as_started('python -m fcn data check')} {survey.root}"
        lines.append(f"  ... and {len(shown) - _MOST_ROWS} more: {check}")
    for finding in survey.warnings():
        first, *more = describe_finding(finding, _BRIEF_FILES)
        lines += [f"Warning: {first}", *more]
    return lines


def title(survey: "Survey") -> str:
    """Returns the line that names the data set and counts its images."""
    splits = survey.splits
    return (
        f"{survey.root}: {counted(len(splits.train_examples), 'image')} to train on, "
        f"{len(splits.val_examples):,} to score on"
    )


def class_rows(survey: "Survey") -> list[tuple[str, ...]]:
    """Returns the rows of a table of the classes, the titles of its columns first."""
    rows: list[tuple[str, ...]] = [
        ("id", "class", "color", "pixels", "share", survey.splits.train, survey.splits.val)
    ]
    for one in survey.counts:
        if one.id == VOID and not one.pixels:
            continue
        share = percent(one.share) if one.pixels else "absent"
        images = f"{one.train_images:,}", f"{one.val_images:,}"
        rows.append((str(one.id), one.name, css_color(one.color), f"{one.pixels:,}", share, *images))
    return rows


def describe_findings(survey: "Survey") -> list[str]:
    """Returns the lines below that table: sizes, what is suspicious, and whether a training is refused."""
    shown = ", ".join(
        f"{height}x{width} ({count:,})" for (height, width), count in survey.sizes[:_MOST_SIZES]
    )
    others = len(survey.sizes) - _MOST_SIZES
    more = f", and {others} other sizes" if others > 0 else ""
    lines = [f"Sizes, height x width (images): {shown}{more}."] if shown else []
    for kind, findings in (("Warning", survey.warnings()), ("Refused", survey.refused())):
        for finding in findings:
            first, *files = describe_finding(finding)
            lines += [f"{kind}: {first}", *files]
    return lines if survey.refused() else [*lines, "A training accepts this data set."]


def _rows(counts: Sequence["ClassCount"]) -> Iterator[str]:
    names = [
        one.name if len(one.name) <= _LONGEST_NAME else f"{one.name[:_LONGEST_NAME]}..." for one in counts
    ]
    width = max(map(len, names), default=0)
    for one, name in zip(counts, names, strict=True):
        share = percent(one.share) if one.pixels else "absent"
        yield f"  {name:<{width}}  {share:>8}  {one.train_images:>6,}  {one.val_images:>6,}"
