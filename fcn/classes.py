"""The meaning of the numbers in a label: void, class names and their colors.

NumPy is imported where it is used: reading a configuration and `fcn --help` do without it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

VOID = 255
"""Label value of pixels that belong to no class; they are never trained on and never scored."""

UNLABELED = 254
"""Label value of pixels of an image that have no class, in the batches of a training with a teacher, which is
asked about them too. `VOID` then means what is outside of the image, or was cut out of it."""

VOID_NAMES = frozenset(
    {"void", "ignore", "__ignore__", "unlabeled", "unlabelled", "ignored", "dontcare", "don't care"}
)
"""Names that people give to void, in lower case."""

BACKGROUND_NAMES = frozenset({"background", "_background_"})
"""Names that people give to the background, in lower case."""

Color = tuple[int, int, int]
"""(red, green, blue), 0 to 255."""

MAX_CLASSES = VOID
"""Class ids are 8-bit and 255 is void, so a net has at most the classes 0 to 254."""

MAX_NAME_CHARACTERS = 200
"""Longest name of a class: it is shown in tables, legends, headers and pages."""

MAX_CLASSES_FILE_BYTES = 2**20
"""Largest file with the names of classes: four bytes for each character, and room for colors."""

CONTROL_CHARACTERS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Controls of terminals (C0, DEL, C1), marks that turn the direction of text, separators of lines, and lone
surrogates, which are undecodable bytes of file names. No name of a class has any; shown text has escapes."""

_COUNTED_AT_ONCE = 2**20

VOC_CLASS_NAMES = (
    "background",
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
)
"""The classes of Pascal VOC in the order of their ids, spelled as in its development kit."""


def voc_palette() -> npt.NDArray[np.uint8]:
    """Returns Pascal VOC's colors for all 256 label values.

    Bit `k` of the red, green and blue channel is bit `3j`, `3j + 1` and `3j + 2` of the label value,
    with `j` = 7 - `k`: neighboring ids get distant colors. Source: `VOClabelcolormap` of the VOC
    development kit.

    Returns:
        `uint8[256, 3]`, RGB. Row 0 is black, row 255 (void) a pale yellow.

    Example:
        >>> voc_palette()[[0, 15, 255]].tolist()
        [[0, 0, 0], [192, 128, 128], [224, 224, 192]]
    """
    import numpy as np

    values = np.arange(256)
    palette = np.zeros((256, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            palette[:, channel] |= ((values >> (3 * bit + channel) & 1) << (7 - bit)).astype(np.uint8)
    return palette


def count_ids(label: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Returns how many pixels of a label have each of the 256 values, `int64[256]`.

    A part at a time: NumPy makes 8 bytes of each pixel to count it.

    Args:
        label: `uint8[H, W]`, class ids, 255 = void.

    Example:
        >>> import numpy as np
        >>> count_ids(np.array([[0, 1, 1, 255]], np.uint8))[[0, 1, 255]].tolist()
        [1, 2, 1]
    """
    import numpy as np

    pixels = label.reshape(-1)
    counts = np.zeros(256, np.int64)
    for start in range(0, pixels.size, _COUNTED_AT_ONCE):
        counts += np.bincount(pixels[start : start + _COUNTED_AT_ONCE], minlength=256)
    return counts


def ids_to_draw(names: Sequence[str], background: bool) -> tuple[int, ...]:
    """Returns the class ids to draw: all, but not class 0 if it is called background and is not asked for.

    Example:
        >>> ids_to_draw(["background", "cat"], False), ids_to_draw(["sky", "cat"], False)
        ((1,), (0, 1))
    """
    return tuple(range(0 if background or names[0].lower() not in BACKGROUND_NAMES else 1, len(names)))


class ClassNamesError(ValueError):
    """Names that cannot be those of classes."""


def check_class_names(names: object) -> tuple[str, ...]:
    r"""Returns the names of classes as a tuple; checks their number, type, length and characters.

    Args:
        names: Names as they were read, in the order of the ids.

    Raises:
        ClassNamesError: If they cannot be names of classes; the message does not name the file.

    Example:
        >>> check_class_names(["sky", "sea"])
        ('sky', 'sea')
        >>> check_class_names(["sky", "s\x1b[31mea"])
        Traceback (most recent call last):
            ...
        fcn.classes.ClassNamesError: expected names without control characters. Received: 's\x1b[31mea'.
    """
    if not isinstance(names, Collection) or isinstance(names, (str, bytes, Mapping)):
        raise ClassNamesError(f"expected a list of class names. Received: {type(names).__name__}.")
    if not 1 <= len(names) <= MAX_CLASSES:
        raise ClassNamesError(f"expected 1 to {MAX_CLASSES} class names. Received: {len(names)}.")
    checked = []
    for class_id, name in enumerate(names):
        if not isinstance(name, str):
            kind = type(name).__name__
            raise ClassNamesError(f"expected text as the name of class {class_id}. Received: {kind}.")
        if not 1 <= len(name) <= MAX_NAME_CHARACTERS:
            raise ClassNamesError(
                f"expected 1 to {MAX_NAME_CHARACTERS} characters in the name of class {class_id}. "
                f"Received: {len(name)}."
            )
        if CONTROL_CHARACTERS.search(name):
            raise ClassNamesError(f"expected names without control characters. Received: {name!r}.")
        checked.append(name)
    return tuple(checked)


class Classes(NamedTuple):
    """The classes a net tells apart; travels with every data set and every saved model.

    Attributes:
        names: One name for each class id, in the order of the ids.
        palette: `(red, green, blue)` for each class id, 0 to 255.
    """

    names: tuple[str, ...]
    palette: tuple[Color, ...]

    @classmethod
    def named(cls, names: tuple[str, ...]) -> Classes:
        """Returns classes with these names and Pascal VOC's colors.

        Example:
            >>> Classes.named(("background", "cat")).palette
            ((0, 0, 0), (128, 0, 0))
        """
        return cls.with_palette(names, voc_palette())

    @classmethod
    def with_palette(cls, names: tuple[str, ...], palette: npt.NDArray[np.uint8]) -> Classes:
        """Returns classes with these names and the first rows of `palette`, `uint8[N, 3]` RGB."""
        import numpy as np

        rows = np.asarray(palette)[: len(names)].tolist()
        return cls(tuple(names), tuple((red, green, blue) for red, green, blue in rows))

    def full_palette(self) -> npt.NDArray[np.uint8]:
        """Returns `uint8[256, 3]` RGB: these colors, VOC's for every other value, void among them."""
        palette = voc_palette()
        palette[: len(self.palette)] = self.palette
        return palette
