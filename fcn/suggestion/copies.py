"""Writes chosen images: as a list for other commands, or with the net's labels for a labeling tool."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from fcn.data.image_io import write_label
from fcn.errors import DataError
from fcn.inference.predictor import Predictor
from fcn.jobs.naming import name_of_file
from fcn.jobs.reading import LIMITS, NO_MEMORY, ImageReader, ReadImage, ReadingLimits
from fcn.jobs.sources.links import is_url
from fcn.jobs.sources.remote import read_remote
from fcn.jobs.task import Task
from fcn.labels.exporting.exporter import Exported, ExportOptions, export_labels
from fcn.labels.exporting.labeled import Labeled
from fcn.outputs.annotation_options import DEFAULTS
from fcn.outputs.prelabels import merge_small_regions
from fcn.suggestion.suggest import Suggestion
from fcn.system.atomic_folder import clear_new_folder, temporary_folder
from fcn.system.files import write_bytes
from fcn.system.progress import track

_LONGEST_NAME = 200


def write_list(path: Path, chosen: Sequence[Suggestion]) -> int:
    """Writes the paths of images as a list that `fcn infer -` takes, the first to label first.

    Args:
        path: The file, which is replaced.
        chosen: The images.

    Returns:
        How many are left out, since a line feed in their name would end the line.

    Raises:
        OutputError: If the file cannot be written.
    """
    lines = [os.fsencode(one.found.path) for one in chosen if "\n" not in one.found.path]
    write_bytes(path, b"".join(line + b"\n" for line in lines))
    return len(chosen) - len(lines)


def copy_labeled(
    predictor: Predictor,
    chosen: Sequence[Suggestion],
    output: Path,
    form: str = "labelme",
    limits: ReadingLimits = LIMITS,
) -> Exported:
    """Writes images with the labels that a net gives them, in the form of a labeling tool.

    Small regions get the class beside them, as with `infer --outputs labelme`. An image keeps its folder and
    name, unless another has it too or the tool could not read it. Where the disk has hard links, images are
    links and take no space.

    Args:
        predictor: The net.
        chosen: The images.
        output: The folder to write, whole or not at all; new or empty.
        form: One of `fcn.labels.choices.EXPORT_FORMATS`.
        limits: Limits of an image that is read.

    Raises:
        DataError: If an image cannot be labeled any more.
        OutputError: If `output` holds something, or cannot be written to.
    """
    clear_new_folder(output)
    with temporary_folder(output) as folder, ImageReader(limits, bits=predictor.bits) as reader:
        names = unused_names([one.found.folder for one in chosen], [one.found.place for one in chosen])
        labeled = [
            _label(predictor, one, name, folder / str(number), reader)
            for number, (one, name) in enumerate(
                track(zip(chosen, names, strict=True), "labeling", len(chosen))
            )
        ]
        return export_labels(labeled, predictor.classes, ExportOptions(form), output)


def _label(predictor: Predictor, one: Suggestion, name: str, stem: Path, reader: ImageReader) -> Labeled:
    """Labels an image, and writes its label and, if it is on another machine, itself beside `stem`."""
    found = one.found
    read = reader.read(Task(0, found.place, found.path, ""))
    if not isinstance(read, ReadImage):
        raise DataError(f"{one.path}: {read.error}")
    prediction = predictor.predict_each([read.image])[0]
    if isinstance(prediction, MemoryError):
        raise DataError(f"{one.path}: {NO_MEMORY}")
    if isinstance(prediction, Exception):
        raise prediction
    image = Path(found.place)
    if is_url(found.place):
        image = stem.with_name(f"{stem.name}{PurePosixPath(name_of_file(found.place)).suffix}")
        image.write_bytes(read_remote(found.path))
    height, width = prediction.label.shape
    label, _ = merge_small_regions(prediction.label, DEFAULTS.min_area.pixels((height, width)))
    path = stem.with_suffix(".label.png")
    write_label(path, label, predictor.classes)
    return Labeled(name, image, path)


def unused_names(folders: Sequence[str], places: Sequence[str]) -> list[str]:
    """Returns a name for each image, without suffix: FOLDER/STEM, or another where that is taken.

    Args:
        folders: Folder of each image, relative to the one that was searched.
        places: Path or URL of each.

    Example:
        >>> unused_names(["", "", "x"], ["/a.jpg", "/a.png", "/x/a.jpg"])
        ['a', 'a.png', 'x/a']
    """
    taken: set[str] = set()
    names: list[str] = []
    for number, (folder, place) in enumerate(zip(folders, places, strict=True), start=1):
        file = name_of_file(place)
        for name in _candidates(PurePosixPath(folder.replace(os.sep, "/")), file, number):
            # Some disks do not tell capitals from small letters.
            if name.lower() not in taken:
                break
        taken.add(name.lower())
        names.append(name)
    return names


def _candidates(folder: PurePosixPath, file: str, number: int) -> Iterator[str]:
    """Yields names of an image, the best first; no documents lack them."""
    for name in (PurePosixPath(file).stem, file):
        path = folder / name
        if str(path).isprintable() and all(len(part.encode()) < _LONGEST_NAME for part in path.parts):
            yield path.as_posix()
    while True:
        yield f"image_{number}"
        number += 1
