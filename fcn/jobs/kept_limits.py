"""The limits that a job keeps for when it is resumed, and that may change: of memory, and of an image's size.

Another limit of memory gives other windows, and where they meet, rounding may decide a tie between two
classes differently; nothing else differs. Another size decides which images fail.
"""

from fcn.jobs.reading import LIMITS, ReadingLimits
from fcn.jobs.store import JobStore

_MEMORY, _MEGAPIXELS = "memory", "max_megapixels"
_PIXELS = 10**6


def read_memory(store: JobStore) -> float | None:
    """Returns the memory limit of a job in GB; None if it has none."""
    kept = store.settings().get(_MEMORY)
    return None if kept is None else float(kept)


def read_limits(store: JobStore) -> ReadingLimits:
    """Returns the limits of an image that is read: the usual ones, with the most pixels that a job keeps."""
    kept = store.settings().get(_MEGAPIXELS)
    return LIMITS if kept is None else with_megapixels(LIMITS, int(kept))


def with_megapixels(limits: ReadingLimits, megapixels: int | None) -> ReadingLimits:
    """Returns limits with another size of the largest image; None for the one that they have.

    Example:
        >>> with_megapixels(LIMITS, 500).pixels
        500000000
    """
    return limits if megapixels is None else limits._replace(pixels=megapixels * _PIXELS)


def keep_limits(store: JobStore, gigabytes: float | None = None, megapixels: int | None = None) -> None:
    """Stores limits for when a job is resumed.

    Args:
        store: Its store.
        gigabytes: The memory limit; None to leave it as it is.
        megapixels: The size of the largest image; None to leave it as it is.
    """
    chosen = {_MEMORY: gigabytes, _MEGAPIXELS: megapixels}
    with store.transaction():
        store.keep_settings({name: str(value) for name, value in chosen.items() if value is not None})
