"""Counts what a data set holds: pixels and images of each class, sizes, and what cannot be used."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fcn.classes import VOID, Classes, Color
from fcn.data.examination import Examination, Facts
from fcn.data.split_list import Example
from fcn.labels.checking.finding import Finding
from fcn.labels.checking.judgment import judge_bits, judge_examples, judge_problems
from fcn.labels.checking.look import Seen
from fcn.labels.checking.text import class_rows, describe_findings, title
from fcn.system.notebook import html_lines, html_table, text_table
from fcn.system.text import printable


class ClassCount(NamedTuple):
    """How often a class occurs.

    Attributes:
        id: Class id; 255 for void.
        name: Its name.
        color: RGB.
        pixels: Its pixels in all splits.
        share: Of the labeled pixels of all splits, from 0 to 1; of void: of all pixels.
        train_images: Number of training images that show it.
        val_images: Number of validation images that show it.
    """

    id: int
    name: str
    color: Color
    pixels: int
    share: float
    train_images: int
    val_images: int


class Splits(NamedTuple):
    """The examples of a training.

    Attributes:
        train: Name of the training split.
        val: Name of the validation split.
        train_examples: The training split.
        val_examples: The validation split.
    """

    train: str
    val: str
    train_examples: Sequence[Example]
    val_examples: Sequence[Example]

    def examples(self) -> list[Example]:
        """Returns the examples of both, in the order in which they are examined."""
        return [*self.train_examples, *self.val_examples]

    def with_bits(self, bits: int) -> "Splits":
        """Returns the same examples, with images of 16 bits to be read with so many."""
        return self._replace(
            train_examples=[example._replace(bits=bits) for example in self.train_examples],
            val_examples=[example._replace(bits=bits) for example in self.val_examples],
        )


class Survey(NamedTuple):
    """The content of a data set.

    Attributes:
        root: The data set.
        classes: Its classes.
        splits: Its examples.
        examination: What was read.
        counts: Of each class in the order of the ids, then of void.
        sizes: Number of images by (height, width), the most common first.
        findings: What is refused, then what is suspicious.
    """

    root: Path
    classes: Classes
    splits: Splits
    examination: Examination
    counts: tuple[ClassCount, ...]
    sizes: tuple[tuple[tuple[int, int], int], ...]
    findings: tuple[Finding, ...]

    def __str__(self) -> str:
        """Returns the classes as a table, and below it what is refused or suspicious."""
        lines = [title(self), text_table(class_rows(self)), *map(printable, describe_findings(self))]
        return "\n".join([printable(lines[0]), *lines[1:]])

    def _repr_html_(self) -> str:
        """Returns the same for notebooks."""
        return html_lines([title(self)]) + html_table(class_rows(self)) + html_lines(describe_findings(self))

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """Prints the table in IPython, in place of all that is in it."""
        printer.text(str(self))

    def seen(self) -> list[tuple[Example, Seen]]:
        """Returns the examples that were looked at closely, with what was found."""
        facts = zip(self.examination.examples, self.examination.facts, strict=True)
        return [(example, one.seen) for example, one in facts if one and isinstance(one.seen, Seen)]

    def refused(self) -> list[Finding]:
        """Returns what a training would refuse."""
        return [finding for finding in self.findings if finding.is_refused]

    def warnings(self) -> list[Finding]:
        """Returns what is suspicious."""
        return [finding for finding in self.findings if not finding.is_refused]


def survey_examples(
    root: Path,
    classes: Classes,
    splits: Splits,
    examination: Examination,
    list_colors: Sequence[Color] | None = None,
    bits: int | None = None,
) -> Survey:
    """Returns what a data set holds, from one pass over it.

    Args:
        root: The data set.
        classes: Its classes.
        splits: Its examples.
        examination: Result of the pass over `splits.examples()`.
        list_colors: Colors that `labels.txt` gives to the classes; None where it has none.
        bits: `data.bits` of the configuration: how many bits the values of 16-bit images use, or None.
    """
    findings = judge_problems(examination.problems)
    findings += judge_bits(splits.examples(), examination.facts) if bits is None else []
    findings += judge_examples(
        classes.names, splits.train_examples, splits.val_examples, examination.facts, list_colors
    )
    sizes = Counter(facts.size for facts in examination.facts if facts is not None)
    return Survey(
        root,
        classes,
        splits,
        examination,
        _counts(classes, len(splits.train_examples), examination.facts),
        tuple(sizes.most_common()),
        tuple(sorted(findings, key=lambda finding: not finding.is_refused)),
    )


def _counts(classes: Classes, num_train: int, facts: Sequence[Facts | None]) -> tuple[ClassCount, ...]:
    pixels: Counter[int] = Counter()
    images: tuple[Counter[int], Counter[int]] = (Counter(), Counter())
    for index, one in enumerate(facts):
        if one is not None:
            pixels.update(one.pixels)
            images[index >= num_train].update(one.pixels.keys())
    total = sum(pixels.values())
    labeled = total - pixels[VOID]
    palette = classes.full_palette().tolist()
    named = [*enumerate(classes.names), (VOID, "void")]
    return tuple(
        ClassCount(
            index,
            name,
            (*palette[index],),
            pixels[index],
            pixels[index] / max(1, total if index == VOID else labeled),
            images[0][index],
            images[1][index],
        )
        for index, name in named
    )
