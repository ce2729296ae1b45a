"""Names that commands take for options; they are here since what they choose takes long to import."""

from typing import Literal, get_args

FITS = ("refuse", "skip", "pad", "resize")
"""Ways to treat a mask that has another size than its image."""

EXPORT_FORMATS = ("coco", "labelme", "cvat", "yolo")
"""Forms that labels are exported in."""

LABEL_ORIENTATIONS = ("upright", "stored")
"""What labels may be of: images as people see them, or pixels as they are stored."""

Palettes = Literal["keep", "ids", "colors"]
PALETTES: tuple[Palettes, ...] = get_args(Palettes)
"""Ways to mend the palettes of labels."""
