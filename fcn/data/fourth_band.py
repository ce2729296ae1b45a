"""Fourth bands, such as near infrared, that a file calls transparency: many tools write four bands so."""

from pathlib import Path

import numpy as np
from PIL import Image

from fcn.data.image_header import PILLOW_ERRORS, open_header, reading_header
from fcn.data.image_io import read_file
from fcn.errors import DataError

_WITH_ALPHA = ("RGBA", "LA")
_FORMATS = ("PNG", "TIFF", "WEBP")
# Transparency is mostly all or nothing; soft edges and shadows are a small part of an image.
_MOST_SOFT, _FEWEST_VALUES = 0.5, 32


def seems_to_have_fourth_band(path: Path) -> bool:
    """Returns whether the transparency of an image varies as a picture does.

    Args:
        path: An image that can be decoded. Where it has no alpha, only its header is read.
    """
    try:
        with reading_header(path) as header:
            if header.mode not in _WITH_ALPHA or header.format not in _FORMATS:
                return False
        with open_header(read_file(path), path) as image:
            alpha = np.asarray(image)[..., -1]
    except (DataError, Image.DecompressionBombError, *PILLOW_ERRORS):
        return False
    counts = np.bincount(alpha.ravel(), minlength=256)
    soft = int(counts[1:-1].sum())
    return soft > _MOST_SOFT * alpha.size and int(np.count_nonzero(counts)) >= _FEWEST_VALUES
