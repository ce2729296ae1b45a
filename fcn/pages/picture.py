"""Pictures inside a page."""

import base64
from typing import NamedTuple


class Picture(NamedTuple):
    """A picture that a page holds, so that it opens offline.

    Attributes:
        caption: Text below it.
        description: What it shows, for those who do not see it.
        source: Its content, as a URL that names no file.
        kind: "jpeg" or "png".
        height: In pixels.
        width: In pixels.
        notes: Further lines of the caption.
    """

    caption: str
    description: str
    source: str
    kind: str
    height: int
    width: int
    notes: tuple[str, ...] = ()


def embed(
    caption: str,
    description: str,
    kind: str,
    content: bytes,
    size: tuple[int, ...],
    notes: tuple[str, ...] = (),
) -> Picture:
    """Returns a picture for a page.

    Args:
        caption: Text below it; empty for none.
        description: What it shows, for those who do not see it.
        kind: "jpeg" or "png".
        content: Of the file.
        size: (height, width) in pixels; what follows is ignored, so that an array's shape fits.
        notes: Further lines of the caption.

    Example:
        >>> embed("label", "Label of x.jpg", "png", b"...", (20, 30, 3)).source
        'data:image/png;base64,Li4u'
    """
    source = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    return Picture(caption, description, source, kind, size[0], size[1], notes)
