"""Finds which keys of a source are classes, and which are stray colors, as after resizing."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from fcn.errors import DataError
from fcn.labels.importing.counting import Tally
from fcn.labels.importing.source import BACKGROUND_KEY, Source, SourceClass, color_key, key_color

_MAIN_SHARE = 0.002
"""With a tolerance, colors of a smaller share of all pixels are not classes of their own."""
_FEW_COLORS = 64
_SHOWN = 12


def main_keys(source: Source, tally: Tally, named: AbstractSet[int], tolerance: int) -> list[int]:
    """Returns the keys that are classes, not stray colors, among those that occur and are not listed.

    Args:
        source: The source.
        tally: The keys of its labels.
        named: Keys that the user names by a color or number.
        tolerance: Largest difference of a channel at which a color counts as that of a class.

    Raises:
        DataError: If there are too many to be classes.
    """
    occurring = [key for key in tally.pixels if key not in source.classes]
    declared = [key for key in source.classes if key_color(key) is not None]
    colors = [key for key in occurring if key_color(key) is not None and key not in named]
    if declared and colors and not tolerance:
        names = [name_key(source, key).name for key in colors[:_SHOWN]]
        raise DataError(
            f"{_where(tally, colors[0])}: has colors that the list of classes does not name "
            f"({len(colors)} in all: {', '.join(names)}{', ...' if len(colors) > _SHOWN else ''}). Add them "
            f"to the list, name them, as with --map '{names[0]}=NAME', or take colors nearby with "
            "--color-tolerance 10."
        )
    if declared:
        return [key for key in occurring if key in named]
    if tolerance:
        return _common_keys(occurring, tally, tolerance)
    if len(colors) > _FEW_COLORS:
        common = sorted(colors, key=lambda key: -tally.pixels[key])
        shown = ", ".join(
            f"{name_key(source, key).name} {100 * tally.pixels[key] / tally.total:.1f} %"
            for key in common[:6]
        )
        raise DataError(
            f"{_where(tally, common[-1])}: is among masks with {len(colors)} different colors, too many for "
            f"classes (most common: {shown}). Borders are probably blurred, as after resizing: "
            "--color-tolerance 64 takes the nearest common color, and void where none is near."
        )
    return occurring


def name_key(source: Source, key: int) -> SourceClass:
    """Returns the class of a key that occurs and is not declared.

    Raises:
        DataError: If the source names all its keys.
    """
    if source.name_of is None:
        raise DataError(
            f"The labels hold the value {key}, which the source does not name. Export them again."
        )
    found = source.name_of(key)
    return found._replace(name="background") if key in (BACKGROUND_KEY, color_key((0, 0, 0))) else found


def _common_keys(keys: Sequence[int], tally: Tally, tolerance: int) -> list[int]:
    """Returns the keys of colors that are common, and not within the tolerance of a more common one."""
    least = _MAIN_SHARE * tally.total
    found: list[int] = []
    for key in sorted(keys, key=lambda key: (-tally.pixels[key], key)):
        color = key_color(key)
        if tally.pixels[key] < least:
            break
        near = color is not None and any(
            max(abs(one - other) for one, other in zip(color, known, strict=True)) <= tolerance
            for known in filter(None, map(key_color, found))
        )
        if not near:
            found.append(key)
    return found


def _where(tally: Tally, key: int) -> str:
    return next(str(one.item.where) for one in tally.counted if key in one.keys)
