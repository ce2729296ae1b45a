"""Imports labels of another tool: a data set in VOC layout, made whole or not at all."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fcn.classes import VOID
from fcn.config.sections import LabelOrientation
from fcn.data.class_list import format_class_list
from fcn.data.class_names import CLASS_LIST
from fcn.data.image_header import open_header
from fcn.data.image_io import encode_label, read_file
from fcn.data.metadata import check_strippable, strip_metadata
from fcn.data.split_list import IMAGES, LABELS, SPLITS
from fcn.errors import DataError
from fcn.labels.importing.choice import Choice, ClassOptions, choose_classes, to_class_ids
from fcn.labels.importing.counting import Counted, Tally, count_keys, read_fitting_keys
from fcn.labels.importing.doubts import describe_choice
from fcn.labels.importing.joining import in_one_form, join_sources
from fcn.labels.importing.place import Place, find_places
from fcn.labels.importing.recognition import READERS, reads, recognize
from fcn.labels.importing.source import Item, Source
from fcn.labels.importing.splitting import TEST, TRAIN, VAL, Division, check_groups, check_shares, divide
from fcn.system.atomic_folder import atomic_folder
from fcn.system.files import write_json, write_text
from fcn.system.links import link_or_copy
from fcn.system.parallel import map_on_all_cores
from fcn.system.places import is_encodable
from fcn.system.progress import track
from fcn.system.text import counted
from fcn.version import __version__

RECORD = "import.json"
"""Says where a data set comes from."""

DEFAULT_DIVISION = Division(val=0.2)
# By the names that Pillow has for all formats that `open_header` accepts.
_SUFFIX_OF_FORMAT = {
    **{"JPEG": ".jpg", "PNG": ".png", "BMP": ".bmp", "WEBP": ".webp", "TIFF": ".tif"},
    **{"GIF": ".gif", "AVIF": ".avif", "HEIF": ".heic", "JPEG2000": ".jp2", "PPM": ".pnm"},
}


class ImportOptions(NamedTuple):
    """Options of an import.

    Attributes:
        form: Name of the form; None to recognize it.
        classes: Options of the user about classes.
        division: How to divide; None for the splits of the source, or else `DEFAULT_DIVISION`.
        fit: What to do with masks of another size than their image, one of `fcn.labels.choices.FITS`.
        strip_metadata: Whether images are written without metadata, as `fcn.data.metadata` does.
        label_orientation: Whether the labels are of upright images; those of stored pixels are turned.
    """

    form: str | None = None
    classes: ClassOptions = ClassOptions()
    division: Division | None = None
    fit: str = "refuse"
    strip_metadata: bool = False
    label_orientation: LabelOrientation = "upright"


class Plan(NamedTuple):
    """Plan of what an import will write.

    Attributes:
        sources: Folders, files and archives, as the user named them.
        form: Name of the form.
        tally: The keys of all labels.
        choice: The classes.
        names: New name of each counted item.
        splits: Split of each.
        notes: Sentences for people.
        options: The options.
    """

    sources: tuple[Path, ...]
    form: str
    tally: Tally
    choice: Choice
    names: list[str]
    splits: list[str]
    notes: list[str]
    options: ImportOptions


def plan_import(sources: Sequence[Path], options: ImportOptions) -> Plan:
    """Reads all labels, and returns what an import would write.

    Args:
        sources: Folders, or files of labels.
        options: How to import.

    Raises:
        BackendError: If a pattern for groups cannot be matched in a process of its own.
        ConfigError: If an option does not fit.
        DataError: If the labels cannot be used.
    """
    division = options.division
    if division is not None:
        check_shares(division)
    pattern = None if division is None else division.group_by
    if pattern is not None:
        check_groups(pattern)
    form, source = _read_places(find_places(sources), options.form)
    if pattern is not None:
        check_groups(pattern, _possible_names(source.items))
    tally = count_keys(source.items, options.fit, options.label_orientation)
    choice = choose_classes(source, tally, options.classes)
    if options.strip_metadata:
        check_strippable([one.item.image for one in tally.counted])
    # They are counted while labels are read, which is done here and again when they are written.
    blanks = [note for one in source.blanks for note in one.describe()]
    notes = [*source.notes, *blanks, *choice.notes, *describe_choice(choice, tally)]
    if tally.skipped:
        notes.append(
            f"{counted(len(tally.skipped), 'image was', 'images were')} left out, such as {tally.skipped[0]}"
        )
    if choice.stray_pixels:
        void = sum(tally.pixels[key] for key, class_id in choice.stray.items() if class_id == VOID)
        notes.append(
            f"{counted(choice.stray_pixels, 'pixel')} of {counted(len(choice.stray), 'other color')} "
            f"({100 * choice.stray_pixels / tally.total:.2f} %) became the nearest class, {void:,} of them "
            "void"
        )
    names = _short_names([one.item for one in tally.counted])
    splits, split_note = _divide(tally.counted, choice, names, options.division)
    notes += [split_note] if split_note else []
    return Plan(tuple(sources), form, tally, choice, names, splits, notes, options)


def write_import(plan: Plan, root: Path) -> dict[str, Any]:
    """Writes the data set of a plan; returns the content of `import.json`.

    Raises:
        DataError: If a file changed since it was read.
        OutputError: If `root` holds something, or cannot be written to.
    """
    with atomic_folder(root.absolute()) as temporary:
        for folder in (IMAGES, LABELS, SPLITS):
            (temporary / folder).mkdir(parents=True)
        tasks = list(zip(plan.tally.counted, plan.names, strict=True))

        place_image = _place_stripped if plan.options.strip_metadata else _place_image

        def write(task: tuple[Counted, str]) -> bool:
            one, name = task
            keys = read_fitting_keys(one.item, plan.options.fit, plan.options.label_orientation)
            label = to_class_ids(keys, plan.choice)
            (temporary / LABELS / f"{name}.png").write_bytes(encode_label(label, plan.choice.classes))
            return place_image(one.item, temporary / IMAGES, name)

        count = sum(track(map_on_all_cores(write, tasks), "writing", len(tasks), lines=True))
        for split in dict.fromkeys((TRAIN, VAL, *plan.splits)):
            listed = [name for name, its in zip(plan.names, plan.splits, strict=True) if its == split]
            write_text(temporary / SPLITS / f"{split}.txt", "".join(f"{name}\n" for name in sorted(listed)))
        write_text(temporary / CLASS_LIST, format_class_list(plan.choice.classes.names))
        is_stripped = plan.options.strip_metadata
        counts = {"hard_links": 0, "stripped_images": count} if is_stripped else {"hard_links": count}
        record = describe(plan) | counts
        write_json(temporary / RECORD, record)
    return record


def describe(plan: Plan) -> dict[str, Any]:
    """Returns what machines may want to know about an import."""
    return {
        "version": __version__,
        "sources": [str(path.absolute()) for path in plan.sources],
        "form": plan.form,
        "options": {
            **plan.options.classes._asdict(),
            "division": None if plan.options.division is None else plan.options.division._asdict(),
            "fit": plan.options.fit,
            "strip_metadata": plan.options.strip_metadata,
            "label_orientation": plan.options.label_orientation,
        },
        "images": dict(Counter(plan.splits)),
        "classes": [
            {
                "source": row.name,
                "color": row.color,
                "class": None if row.class_id == VOID else plan.choice.classes.names[row.class_id],
                "pixels": plan.tally.pixels[row.key],
                "images": plan.tally.images[row.key],
            }
            for row in plan.choice.rows
        ],
        "notes": plan.notes,
    }


def _read_places(places: Sequence[Place], form: str | None) -> tuple[str, Source]:
    forms = [form or recognize(*place) for place in places]
    if len(set(forms)) > 1:
        listed = ", ".join(f"{place.folder} ({name})" for place, name in zip(places, forms, strict=True))
        raise DataError(f"Expected one form of labels. Received: {listed}. {in_one_form()}")
    sources = [_read_place(place, name) for place, name in zip(places, forms, strict=True)]
    joined = join_sources(sources, [place.folder for place in places])
    if not joined.items:
        raise DataError(f"{places[0].folder}: holds no labeled image.")
    return forms[0], joined


def _read_place(place: Place, form: str) -> Source:
    if not place.files:
        return READERS[form].read(place.folder)
    if not reads(form, place.files):
        raise DataError(f"{place.files[0]}: expected a folder or an archive for --format {form}.")
    return READERS[form].read(place.folder, place.files)


def _possible_names(items: Sequence[Item]) -> list[str]:
    """Returns the names that `_short_names` can give, whichever items are left."""
    names = [item.name for item in items]
    return [name.rpartition("/")[2] for name in names] + [name.replace("/", "__") for name in names]


def _short_names(items: Sequence[Item]) -> list[str]:
    """Returns names of files without folders: the last part of each name if all differ, or else all parts."""
    last = [item.name.rpartition("/")[2] for item in items]
    names = (
        last
        if len({_spelling(name) for name in last}) == len(last)
        else [item.name.replace("/", "__") for item in items]
    )
    twice = [name for name, count in Counter(map(_spelling, names)).items() if count > 1]
    if twice:
        same = [item for item, name in zip(items, names, strict=True) if _spelling(name) == twice[0]]
        raise DataError(
            f"{same[0].where}: expected one image of this name. {same[1].where} has it too. Leave out the "
            "labels that are wrong, or rename one image."
        )
    for item, name in zip(items, names, strict=True):
        if not name or name.startswith(".") or not is_encodable(name) or any(ord(c) < 32 for c in name):
            raise DataError(
                f"{item.where}: expected a name that a list can hold. Received: {name!r}. Rename it."
            )
    return names


def _spelling(name: str) -> str:
    """Returns what names have in common that are one name in a list, or on another system."""
    return unicodedata.normalize("NFC", name).casefold().strip()


def _divide(
    items: Sequence[Counted], choice: Choice, names: Sequence[str], division: Division | None
) -> tuple[list[str], str | None]:
    """Returns the split of each item, and a sentence about where it comes from."""
    given = [one.item.split for one in items]
    if division is None and VAL in given and TRAIN in given:
        left = given.count(None)
        words = (
            "image is in no split of the source and became a training image",
            "images are in no split of the source and became training images",
        )
        return [split or TRAIN for split in given], counted(left, *words) if left else None
    chosen = division or DEFAULT_DIVISION
    ids = {row.key: row.class_id for row in choice.rows} | choice.stray
    classes = [frozenset(ids.get(key, VOID) for key in one.keys) - {VOID} for one in items]
    splits = divide(names, classes, chosen)
    why = "the source has no training and validation split" if division is None else "you asked for it"
    held = f", {splits.count(TEST)} to test" if TEST in splits else ""
    return splits, (
        f"{counted(splits.count(TRAIN), 'image')} to train, {splits.count(VAL)} to validate{held}, divided "
        f"by chance (seed {chosen.seed}) since {why}"
    )


def _place_image(item: Item, folder: Path, name: str) -> bool:
    """Puts an image into a folder; returns whether it is a hard link."""
    path = folder / f"{name}{_suffix(item)}"
    if isinstance(item.image, bytes):
        path.write_bytes(item.image)
        return False
    return link_or_copy(item.image, path)


def _place_stripped(item: Item, folder: Path, name: str) -> bool:
    """Puts an image into a folder without metadata; returns whether it had any."""
    data = item.image if isinstance(item.image, bytes) else read_file(item.image)
    where = item.where if isinstance(item.image, bytes) else item.image
    stripped = strip_metadata(data, where)
    (folder / f"{name}{_suffix(item)}").write_bytes(stripped)
    return stripped != data


def _suffix(item: Item) -> str:
    if isinstance(item.image, bytes):
        return _SUFFIX_OF_FORMAT[str(open_header(item.image, item.where).format)]
    return item.image.suffix.lower()
