"""Masks that hold 0 and 255 alone: black and white, so that white is a class and not void."""

from fcn.labels.importing.counting import Tally
from fcn.labels.importing.main_keys import name_key
from fcn.labels.importing.source import BACKGROUND_KEY, Source

WHITE = 255


def is_black_and_white(source: Source, tally: Tally) -> bool:
    """Returns whether masks of ids hold 0 and 255 alone, of which tools mean black and white."""
    return WHITE in source.void_keys and {WHITE} <= tally.pixels.keys() <= {BACKGROUND_KEY, WHITE}


def name_white(source: Source, tally: Tally) -> Source:
    """Returns a source in which the second of two listed classes is 255, if its masks are black and white."""
    if not is_black_and_white(source, tally) or source.classes.keys() != {BACKGROUND_KEY, 1}:
        return source
    white = source.classes[1]._replace(color=name_key(source, WHITE).color)
    return source._replace(classes={BACKGROUND_KEY: source.classes[BACKGROUND_KEY], WHITE: white})
