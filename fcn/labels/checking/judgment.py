"""Judges a data set as a whole: what a training refuses, and what is suspicious."""

from collections import Counter
from collections.abc import Sequence

from fcn.classes import VOID, VOID_NAMES, Color
from fcn.data.depth import describe_rarely_used, describe_unused
from fcn.data.examination import Facts, Problem, blank_images, describe_masks
from fcn.data.label_loss import describe_lossy
from fcn.data.split_list import Example
from fcn.labels.checking.copies import contradictions, equal_labels, near_copies
from fcn.labels.checking.finding import Finding
from fcn.labels.checking.palettes import judge_listed_colors, judge_palettes
from fcn.pages.percent import percent
from fcn.system.text import counted

_MUCH_VOID = 0.5


def judge_problems(problems: Sequence[Problem]) -> list[Finding]:
    """Returns what is to say about the files that cannot be used.

    Args:
        problems: Of the examination.
    """
    findings = []
    unusable = [one for one in problems if one.kind == "image or label"]
    if unusable:
        text = f"{counted(len(unusable), 'image or label', 'images or labels')} cannot be used:"
        if any("Received: colors" in one.text for one in unusable):
            text = (
                f"{text[:-1]}. Colors become ids with --fix NEWROOT --palettes colors, if labels.txt gives "
                "the color of each class (name:r,g,b:: a line)."
            )
        findings.append(Finding("unusable files", True, text, tuple(one.text for one in unusable)))
    sizes = [one for one in problems if one.kind == "size"]
    if sizes:
        differences = Counter(one.difference for one in sizes if one.difference)
        shown = ", ".join(
            f"{_describe_difference(*difference)}: {count:,}"
            for difference, count in differences.most_common(3)
        )
        more = ", ..." if len(differences) > 3 else ""
        text = (
            f"{counted(len(sizes), 'label differs', 'labels differ')} in size from the image "
            f"({shown}{more}). Export the labels again at the size of the images; if images were cut or "
            "padded after they were labeled, do the same to the labels. They are not stretched here: "
            "borders would move."
        )
        findings.append(Finding("sizes differ", True, text, tuple(one.text for one in sizes)))
    turned = [one for one in problems if one.kind == "orientation"]
    if turned:
        text = (
            f"{counted(len(turned), 'label does not fit its image', 'labels do not fit their images')}, "
            "which EXIF orientation turns: turn them, or set data.label_orientation if all labels are like "
            "these."
        )
        findings.append(Finding("orientations differ", True, text, tuple(one.text for one in turned)))
    return findings


def _describe_difference(rows: int, columns: int) -> str:
    parts = [
        f"{counted(abs(count), what)} {'more' if count > 0 else 'fewer'}"
        for count, what in ((rows, "row"), (columns, "column"))
        if count
    ]
    return " and ".join(parts)


def judge_bits(examples: Sequence[Example], facts: Sequence[Facts | None]) -> list[Finding]:
    """Returns whether images of 16 bits use few of them, so that a training has to know how many are meant.

    Args:
        examples: What was read, with 16 bits.
        facts: Of each example.
    """
    deep = tuple(
        str(example.image_path) for example, one in zip(examples, facts, strict=True) if one and one.bits
    )
    if text := describe_unused([one and one.bits for one in facts]):
        return [Finding("unused bits", True, text, deep)]
    if text := describe_rarely_used([one and one.common_bits for one in facts]):
        return [Finding("rarely used bits", False, text, deep)]
    return []


def judge_examples(
    names: Sequence[str],
    train: Sequence[Example],
    val: Sequence[Example],
    facts: Sequence[Facts | None],
    list_colors: Sequence[Color] | None,
) -> list[Finding]:
    """Returns what is refused or suspicious about the labels and images that can be read.

    Args:
        names: Of the classes.
        train: The training split.
        val: The validation split.
        facts: Of the examples of both, in this order.
        list_colors: Colors that `labels.txt` gives to the classes; None where it has none.
    """
    known = [(one, found) for one, found in zip([*train, *val], facts, strict=True) if found is not None]
    if not known:
        return []
    masks = _judge_masks(known)
    findings = (
        masks
        if any(finding.is_refused for finding in masks)
        else [
            *masks,
            *_judge_content(names, facts[: len(train)], facts[len(train) :]),
        ]
    )
    findings += judge_palettes(known, list_colors)
    findings += judge_listed_colors(names, list_colors)
    findings += _judge_void(names, known)
    findings += _judge_loss(known)
    findings += _judge_bands(known)
    findings += _judge_blank(train, val, facts)
    findings += near_copies(train, val, facts)
    findings += contradictions([*train, *val], facts)
    findings += equal_labels(known)
    return findings


def _judge_masks(known: Sequence[tuple[Example, Facts]]) -> list[Finding]:
    """Returns whether labels look like black-and-white masks: all of them, or some."""
    alike = [str(example.label_path) for example, facts in known if {*facts.pixels} == {0, VOID}]
    ids = {index for _, facts in known for index in facts.pixels}
    if ids == {0, VOID}:
        path = next(example.label_path for example, facts in known if VOID in facts.pixels)
        return [Finding("black-and-white masks", True, describe_masks(path, len(known)), tuple(alike))]
    if not alike:
        return []
    text = (
        f"{len(alike)} of {counted(len(known), 'label')} {'holds' if len(alike) == 1 else 'hold'} only 0 and "
        f"{VOID} (void). If {VOID} marks an object there, write its class id instead; if it marks pixels "
        "without data, nothing is wrong."
    )
    return [Finding("only 0 and void", False, text, tuple(alike))]


def _judge_loss(known: Sequence[tuple[Example, Facts]]) -> list[Finding]:
    """Returns whether labels seem to have been stored with loss. Single ones may be right in spite of it."""
    lossy = tuple(str(example.label_path) for example, facts in known if facts.is_lossy)
    return [Finding("stored with loss", False, describe_lossy(len(lossy)), lossy)] if lossy else []


def _judge_bands(known: Sequence[tuple[Example, Facts]]) -> list[Finding]:
    """Returns whether images seem to have a fourth band, which is dropped."""
    files = tuple(str(example.image_path) for example, facts in known if facts.has_fourth_band)
    if not files:
        return []
    text = (
        f"{counted(len(files), 'image has', 'images have')} transparency that varies as a picture does, as "
        "if it were a band of its own, such as near infrared. It is dropped: nets here see red, green and "
        "blue. One that uses more bands would need a first layer with as many channels."
    )
    return [Finding("a fourth band", False, text, files)]


def _judge_content(
    names: Sequence[str], train: Sequence[Facts | None], val: Sequence[Facts | None]
) -> list[Finding]:
    """Returns whether there is something to learn and something to score."""
    findings = []
    present = {}
    for split, found in (("training", train), ("validation", val)):
        pixels = Counter[int]()
        for one in found:
            pixels.update(one.pixels if one is not None else {})
        present[split] = {index for index in pixels if index != VOID}
        if pixels and not present[split]:
            use = "learn" if split == "training" else "score"
            text = (
                f"All {pixels[VOID]:,} pixels of the {split} split are void ({VOID}), so there is nothing to "
                f"{use}. Write class ids into its labels."
            )
            findings.append(Finding("all void", True, text))
    if findings or not (present["training"] and present["validation"]):
        return findings
    if len(present["training"]) == 1:
        (only,) = present["training"]
        count = sum(one is not None for one in train)
        text = (
            f"The {counted(count, 'label')} of the training split {'holds' if count == 1 else 'hold'} one "
            f"class only, {names[only]!r} (id {only}), so there is nothing to learn. Add images that show "
            "another class, or correct the labels."
        )
        return [Finding("one class", True, text)]
    used = present["training"] | present["validation"]
    for kind, classes, text, remedy in (
        (
            "never trained",
            present["validation"] - present["training"],
            "in the validation split but in no training label: never learned, with an IoU of 0",
            "",
        ),
        (
            "never scored",
            present["training"] - present["validation"],
            "in the training split but in no validation label: never scored",
            " Add images that show them to the list of data.val_split; the best checkpoint is chosen over "
            "the classes that are in both splits.",
        ),
        ("absent", {*range(len(names))} - used, "in no label at all, but in the list of classes", ""),
    ):
        if classes:
            shown = ", ".join(f"{names[index]} ({index})" for index in sorted(classes))
            text = f"{counted(len(classes), 'class is', 'classes are')} {text}: {shown}.{remedy}"
            findings.append(Finding(kind, False, text))
    if len(present["validation"]) == 1:
        (only,) = present["validation"]
        text = f"The validation labels hold one class only, {names[only]!r}: scores will mean little."
        findings.append(Finding("one class is scored", False, text))
    return findings


def _judge_void(names: Sequence[str], known: Sequence[tuple[Example, Facts]]) -> list[Finding]:
    findings = []
    total = sum(sum(facts.pixels.values()) for _, facts in known)
    void = sum(facts.pixels.get(VOID, 0) for _, facts in known)
    if void > _MUCH_VOID * total:
        text = f"{percent(void / total, 1)} of all pixels are void ({VOID}), which is never learned."
        findings.append(Finding("much void", False, text))
    called_void = [name for name in names if name.lower() in VOID_NAMES]
    if called_void:
        text = (
            f"A class is called {called_void[0]!r} (id {[*names].index(called_void[0])}) and is learned like "
            f"any other. If its pixels are to be left out, write {VOID} there."
        )
        findings.append(Finding("a class called void", False, text))
    return findings


def _judge_blank(
    train: Sequence[Example], val: Sequence[Example], facts: Sequence[Facts | None]
) -> list[Finding]:
    """Returns whether both splits hold the same images of one color, which are not copies of a photo."""
    shared = blank_images(facts[: len(train)]) & blank_images(facts[len(train) :])
    if not shared:
        return []
    files = [
        str(example.image_path)
        for example, one in zip([*train, *val], facts, strict=True)
        if one is not None and one.digest.image in shared
    ]
    text = (
        f"{len(files)} images of one color each are the same in the training and the validation split. They "
        "are not refused as copies, but teach nothing."
    )
    return [Finding("blank images", False, text, tuple(files))]
