"""Parses CVAT's XML for images within bounds: no document type, and counts before memory."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from xml.parsers import expat

from fcn.errors import DataError
from fcn.labels.importing.folders import read_document

_MAX_DEPTH = 32
_MAX_IMAGES = 2_000_000
_MAX_LABELS = 65_536
_MAX_SHAPES = 100_000
_SHOWN = 80

SHAPES = ("polygon", "box", "ellipse", "mask")
"""Shapes with an area."""

OTHERS = ("polyline", "points", "cuboid", "skeleton", "tag")
"""Annotations without an area, which are types of labels too."""


class CvatShape(NamedTuple):
    """A shape of an image.

    Attributes:
        kind: One of `SHAPES`.
        line: Where it is in the file.
        attributes: Those of its element.
    """

    kind: str
    line: int
    attributes: Mapping[str, str]


class CvatImage(NamedTuple):
    """An image and its shapes, in the order of the file.

    Attributes:
        line: Where it is in the file.
        attributes: Those of its element.
        shapes: Its shapes.
    """

    line: int
    attributes: Mapping[str, str]
    shapes: list[CvatShape]


class CvatDocument(NamedTuple):
    """Content of a file.

    Attributes:
        labels: Color of each label that shapes with an area may have, as text; empty where it has none.
        images: The images.
        others: Number of annotations without an area.
        outside: Number of shapes that are marked as outside of their image.
        subset: The subset of the task; empty if it has none, or the file is of a project.
    """

    labels: dict[str, str]
    images: list[CvatImage]
    others: int
    outside: int
    subset: str


class _Parser:
    """Collects images and labels from the events of a parser."""

    def __init__(self, path: Path) -> None:
        self.labels: dict[str, str] = {}
        self.images: list[CvatImage] = []
        self.others = self.outside = 0
        self.subset = ""
        self._path = path
        self._open: list[str] = []
        self._text: list[str] = []
        self._label: dict[str, str] = {}
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text.append
        self._parser.StartDoctypeDeclHandler = self._refuse_type

    def parse(self, text: str) -> None:
        """Parses a whole document."""
        try:
            self._parser.Parse(text, True)
        except (expat.ExpatError, ValueError) as error:
            raise DataError(f"{self._path}: is not XML ({error}). Export it again.") from error

    def _refuse(self, what: str) -> DataError:
        return DataError(f"{self._path}: line {self._parser.CurrentLineNumber}: {what}")

    def _refuse_type(self, *_: object) -> None:
        raise self._refuse("has a document type, which CVAT never writes. Export it again.")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._open and name != "annotations":
            raise self._refuse(f"expected annotations of CVAT. Received: {name[:_SHOWN]!r}.")
        if name == "track":
            raise self._refuse("holds tracks: CVAT for video. Export the task as CVAT for images 1.1.")
        if len(self._open) >= _MAX_DEPTH:
            raise self._refuse(f"is nested deeper than {_MAX_DEPTH} levels. Export it again.")
        parent = self._open[-1] if self._open else ""
        self._open.append(name)
        self._text.clear()
        line = self._parser.CurrentLineNumber
        if name == "image":
            self.images.append(CvatImage(line, attributes, []))
            if len(self.images) > _MAX_IMAGES:
                raise self._refuse(f"expected at most {_MAX_IMAGES:,} images. Export in parts.")
        elif name == "label":
            self._label = {}
        elif parent == "image" and name in SHAPES and attributes.get("outside") == "1":
            self.outside += 1
        elif parent == "image" and name in SHAPES:
            shapes = self.images[-1].shapes
            shapes.append(CvatShape(name, line, attributes))
            if len(shapes) > _MAX_SHAPES:
                raise self._refuse(f"expected at most {_MAX_SHAPES:,} shapes of an image. Divide it.")
        elif parent == "image" and name in OTHERS:
            self.others += 1

    def _end(self, name: str) -> None:
        self._open.pop()
        parent = self._open[-1] if self._open else ""
        if parent == "label" and name in ("name", "color", "type", "parent"):
            self._label[name] = "".join(self._text).strip()
        elif name == "subset" and self._open == ["annotations", "meta", "task"]:
            self.subset = "".join(self._text).strip()
        elif name == "label" and parent == "labels":
            label = self._label.get("name", "")
            if not label:
                raise self._refuse("has a label without a name. Export it again.")
            # One with a parent is a point of a skeleton.
            if "parent" not in self._label and self._label.get("type") not in OTHERS:
                self.labels.setdefault(label, self._label.get("color", ""))
            if len(self.labels) > _MAX_LABELS:
                raise self._refuse(f"expected at most {_MAX_LABELS:,} labels.")
        self._text.clear()


def read_cvat(path: Path) -> CvatDocument:
    """Returns what a file of CVAT holds.

    Raises:
        DataError: If it is damaged, of a video, has a document type, or is too large.
    """
    parser = _Parser(path)
    parser.parse(read_document(path))
    return CvatDocument(parser.labels, parser.images, parser.others, parser.outside, parser.subset)
