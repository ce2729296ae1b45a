"""Exports labels for another tool: a folder that it opens, made whole or not at all."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fcn.classes import BACKGROUND_NAMES, VOID, Classes, ids_to_draw
from fcn.config.sections import LabelOrientation
from fcn.data.image_io import Pixels, read_label, read_size
from fcn.data.label_orientation import turn_label
from fcn.data.orientation import is_sideways, read_orientation
from fcn.errors import DataError
from fcn.labels.exporting.forms import FORMS, Form, Job, Rendered, Writer
from fcn.labels.exporting.labeled import Labeled
from fcn.labels.importing.split_lists import in_order
from fcn.outputs.regions import present_ids
from fcn.system.atomic_folder import atomic_folder, clear_new_folder
from fcn.system.links import link_or_copy
from fcn.system.parallel import map_on_all_cores
from fcn.system.places import path_below
from fcn.system.progress import track

_LONGEST_PART = 200
_CONTROL = re.compile("[\x00-\x1f\ufffe\uffff]")
"""Characters that XML cannot hold."""


class ExportOptions(NamedTuple):
    """Options of an export.

    Attributes:
        form: Name of the form, one of `fcn.labels.choices.EXPORT_FORMATS`.
        background: Whether the background is drawn too.
        run_lengths: Whether COCO gets run lengths and not polygons.
        label_orientation: Whether the labels are of upright images; those of stored pixels are turned.
    """

    form: str
    background: bool = False
    run_lengths: bool = False
    label_orientation: LabelOrientation = "upright"


class Exported(NamedTuple):
    """Result of an export.

    Attributes:
        images: Number of images.
        hard_links: How many of them are hard links.
        pixels: Number of pixels.
        void_pixels: How many of them are void.
        changed_pixels: How many others the form cannot give back.
        notes: Sentences for people.
    """

    images: int
    hard_links: int
    pixels: int
    void_pixels: int
    changed_pixels: int
    notes: list[str]


class _Done(NamedTuple):
    """An image that was rendered."""

    one: Labeled
    path: str
    rendered: Rendered
    void: int
    linked: bool


def export_labels(
    labeled: Sequence[Labeled], classes: Classes, options: ExportOptions, output: Path
) -> Exported:
    """Writes images and labels in another form.

    Args:
        labeled: The images and their labels.
        classes: The classes.
        options: The options.
        output: The folder to write.

    Raises:
        DataError: If a label cannot be used, or a name cannot be written.
        OutputError: If `output` holds something, or cannot be written to.
    """
    clear_new_folder(output)
    form = FORMS[options.form]
    for one in labeled:
        _check_name(one)
    job = Job(
        output.absolute().name,
        classes,
        ids_to_draw(classes.names, options.background),
        tuple(in_order(one.split for one in labeled if one.split is not None)),
        len(labeled),
        options.run_lengths,
    )
    links = pixels = void = changed = 0
    with atomic_folder(output.absolute()) as temporary:
        temporary.mkdir(parents=True, exist_ok=True)
        with form.open(temporary, job) as writer:

            def render(one: Labeled) -> _Done:
                label = _read(one, len(classes.names), options.label_orientation)
                return _render(one, label, writer, temporary)

            for done in track(map_on_all_cores(render, labeled), "writing", len(labeled), lines=True):
                writer.add(done.one, done.path, done.rendered)
                links += done.linked
                pixels += done.rendered.size[0] * done.rendered.size[1]
                void += done.void
                changed += done.rendered.changed
    exported = Exported(len(labeled), links, pixels, void, changed, [])
    return exported._replace(notes=_notes(form, exported, job))


def _render(one: Labeled, label: Pixels, writer: Writer, folder: Path) -> _Done:
    """Renders the label of an image, and puts the image into the folder."""
    path = f"{writer.image_path(one)}{one.image.suffix.lower()}"
    target = path_below(folder, path, str(one.label))
    target.parent.mkdir(parents=True, exist_ok=True)
    linked = link_or_copy(one.image, target)
    void = int(np.count_nonzero(label == VOID))
    return _Done(one, path, writer.render(label), void, linked)


def _read(one: Labeled, num_classes: int, label_orientation: LabelOrientation) -> Pixels:
    """Returns the upright label of an image.

    Raises:
        DataError: If it cannot be used.
    """
    label = read_label(one.label)
    if label_orientation == "stored":
        label = turn_label(label, one.image)
    size = read_size(one.image)
    if label.shape != size:
        remedy = "Label the image again."
        if label.shape == size[::-1] and is_sideways(read_orientation(one.image)):
            remedy = (
                "It fits the upright image. Leave out --label-orientation stored."
                if label_orientation == "stored"
                else "It fits the stored pixels. If all labels are of these: --label-orientation stored."
            )
        raise DataError(
            f"{one.label}: expected the size of {one.image}, {size[0]}x{size[1]} (height x width). "
            f"Received: {label.shape[0]}x{label.shape[1]}. {remedy}"
        )
    wrong = [class_id for class_id in present_ids(label) if num_classes <= class_id < VOID]
    if wrong:
        raise DataError(
            f"{one.label}: expected class ids 0 to {num_classes - 1}, or {VOID} for void. Received: "
            f"{wrong[:10]}. Name every class, with --classes for example."
        )
    return label


def _check_name(one: Labeled) -> None:
    """Refuses names that documents of other tools cannot hold.

    Raises:
        DataError: If a name is not UTF-8, has control characters, or is too long.
    """
    try:
        parts = [len(part.encode()) for part in one.name.split("/")]
    except UnicodeEncodeError:
        parts = []
    if not parts or max(parts) > _LONGEST_PART or _CONTROL.search(one.name):
        raise DataError(
            f"{one.label}: expected a name of UTF-8 without control characters and at most {_LONGEST_PART} "
            "bytes. Rename the image and its label."
        )


def _notes(form: Form, exported: Exported, job: Job) -> list[str]:
    notes = []
    if exported.void_pixels:
        notes.append(f"void ({_share(exported.void_pixels, exported)} of the pixels) {form.void}")
        if (
            not form.keeps_void
            and 0 in job.annotated
            and job.classes.names[0].lower() not in BACKGROUND_NAMES
        ):
            notes.append("to keep the ids of the classes, import it with --void background")
    if exported.changed_pixels:
        notes.append(
            f"{form.title} has no holes: {_share(exported.changed_pixels, exported)} of the pixels are "
            "background in the middle of an object, and become part of it"
        )
    if 0 not in job.annotated:
        notes.append(f"{job.classes.names[0]} is what no shape covers; --background draws it too")
    return notes


def _share(count: int, exported: Exported) -> str:
    return f"{100 * count / exported.pixels:.2g} %"
