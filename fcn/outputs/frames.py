"""Writes the labels of the frames of a video: a PNG for each, and files with a line or an entry for each."""

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from fcn.classes import Classes
from fcn.outputs.annotation_options import AnnotationOptions
from fcn.outputs.areas import areas_file
from fcn.outputs.coco_document import Categories, coco_file
from fcn.outputs.prediction import Prediction
from fcn.outputs.record import Record
from fcn.outputs.render import SUFFIXES, render
from fcn.system.atomic_folder import atomic_folder
from fcn.system.files import remove, write_bytes

FRAME_KINDS = ("ids", "rle", "polygons", "areas")
"""The kinds of outputs that are also written of each frame of a video; others are of images alone."""

_COCO_KINDS = ("rle", "polygons")
FrameWriter = Callable[[int, Prediction], None]


@dataclass
class WrittenFrames:
    """What is written of the frames of a video.

    Attributes:
        paths: The files and the folder that will be there.
        left_out: How many regions are too small for an annotation, so far.
    """

    paths: tuple[Path, ...] = ()
    left_out: int = 0


def frame_name(stem: str, index: int) -> str:
    """Returns the name of a frame in the files about it: that of its label.

    Args:
        stem: Name of the folder of labels.
        index: Number of the frame in the video, from 0.

    Example:
        >>> frame_name("a.frames", 12)
        'a.frames/000012.png'
    """
    return f"{stem}/{index:06d}.png"


@contextmanager
def frame_files(
    kinds: Collection[str],
    classes: Classes,
    options: AnnotationOptions,
    folder: Path,
    areas: Path,
    coco: Path,
) -> Iterator[tuple[FrameWriter | None, WrittenFrames]]:
    """Opens the files about the frames of a video; they appear when the block succeeds.

    "ids" becomes a folder of gray PNGs of class ids, "areas" a table and "rle" and "polygons" annotations of
    COCO, in which frames have the names of their PNGs. Memory does not grow with the number of frames.

    Args:
        kinds: Some of `OUTPUTS`; those that are not in `FRAME_KINDS` are ignored.
        classes: The names of the class ids.
        options: Options of annotations.
        folder: The folder of PNGs; one that is there is replaced.
        areas: The table.
        coco: The file of annotations.

    Yields:
        A function that takes the number of each frame and its prediction, in order; None if `kinds` ask for
        nothing of frames. And which of the three will be there, and what they leave out.

    Raises:
        OutputError: If something cannot be written or the disk is full.
    """
    wanted = [kind for kind in FRAME_KINDS if kind in kinds]
    if not wanted:
        yield None, WrittenFrames()
        return
    with ExitStack() as stack:
        paths: list[Path] = []
        adders: list[Callable[[str, Record, int], None]] = []
        labels: Path | None = None
        if "ids" in wanted:
            remove(folder)
            labels = stack.enter_context(atomic_folder(folder))
            labels.mkdir()
            paths.append(folder)
        if "areas" in wanted:
            add_areas = stack.enter_context(areas_file(areas, classes))
            adders.append(lambda name, record, _: add_areas(name, record))
            paths.append(areas)
        if {*_COCO_KINDS} & {*wanted}:
            adders.append(stack.enter_context(coco_file(coco, Categories.of(classes, options.background))))
            paths.append(coco)

        def add(index: int, prediction: Prediction) -> None:
            rendered = render(wanted, prediction, options)
            name = frame_name(folder.name, index)
            if labels is not None:
                write_bytes(labels / Path(name).name, rendered.files[SUFFIXES["ids"]])
            for add_record in adders:
                add_record(name, rendered.record, index + 1)
            written.left_out += rendered.record.get("left_out", 0)

        written = WrittenFrames(tuple(paths))
        yield add, written
