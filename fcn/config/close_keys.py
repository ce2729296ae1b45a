"""The key that an unknown one may mean."""

import difflib
from collections.abc import Iterable


def close_keys(unknown: str, known: Iterable[str]) -> list[str]:
    """Returns the key that an unknown one may mean, if there is one.

    It is spelled almost alike, is what its initials stand for, or has it as one of its words.

    Example:
        >>> close_keys("lr", ["learning_rate", "steps"]), close_keys("batch", ["steps", "batch_size"])
        (['learning_rate'], ['batch_size'])
    """
    keys = list(known)
    initials = [key for key in keys if "".join(word[0] for word in key.split("_")) == unknown]
    words = [key for key in keys if unknown in key.split("_")]
    return (difflib.get_close_matches(unknown, keys, n=1) or initials or words)[:1]
