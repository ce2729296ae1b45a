"""The background that forms of shapes imply: the class of the pixels that no shape covers."""

from collections.abc import Collection

from fcn.labels.importing.counting import Tally
from fcn.labels.importing.source import BACKGROUND, BACKGROUND_KEY, Source
from fcn.system.text import counted

_FEW = 0.01
"""A smaller share of background is probably what shapes missed."""


def drop_background(source: Source, tally: Tally, named: Collection[str]) -> tuple[Source, list[str]]:
    """Returns a source without its implied background, if no pixel has it, and sentences for people.

    Where shapes cover everything, it would be an empty class, and move the ids of all others by one.

    Args:
        source: The source.
        tally: The keys of its labels.
        named: What the user names; a background that is named stays.
    """
    numbers = {key if one.number is None else one.number for key, one in source.classes.items() if key}
    is_named = BACKGROUND in named or (str(BACKGROUND_KEY) in named and BACKGROUND_KEY not in numbers)
    if not source.implies_background or is_named or len(source.classes) < 2:
        return source, []
    pixels = tally.pixels[BACKGROUND_KEY]
    if not pixels:
        classes = {key: one for key, one in source.classes.items() if key != BACKGROUND_KEY}
        note = "shapes cover every pixel, so there is no class 'background'; --background background adds it"
        return source._replace(classes=classes), [note]
    if pixels < _FEW * tally.total:
        return source, [
            f"no shape covers {counted(pixels, 'pixel')} ({100 * pixels / tally.total:.2g} %): they became "
            f"the class {BACKGROUND!r}, with the id 0; --void {BACKGROUND} makes them void"
        ]
    return source, []
