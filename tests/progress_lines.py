"""Lines of progress, which a command prints on stderr where there is no terminal: on a slow machine alone."""

import re

_LINE = re.compile(r"^[a-z][\w .]*: [\d,]+( of [\d,]+(, ends about .*)?)?\n", re.MULTILINE)


def without_progress(errors: str) -> str:
    """Returns what a command printed on stderr without these lines."""
    return _LINE.sub("", errors)
