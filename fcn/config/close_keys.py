"""The key that an unknown one may mean."""

import difflib
from collections.abc import Iterable


def close_keys(unknown: str, known: Iterable[str]) -> list[str]:
    """Returns the key that an unknown one may mean, if there is one.

    That is a key with a similar spelling, one that the unknown key abbreviates by its initials, or one that
    contains it as a word.

    Example:
        >>> close_keys("lr", ["learning_rate", "steps"]), close_keys("batch", ["steps", "batch_size"])
        (['learning_rate'], ['batch_size'])
    """
    keys = list(known)
    initials = [key for key in keys if "".join(word[0] for word in key.split("_")) == unknown]
    words = [key for key in keys if unknown in key.split("_")]
    return (difflib.get_close_matches(unknown, keys, n=1) or initials or words)[:1]
