"""Words of a command line as people type them into a shell."""

from __future__ import annotations  # for Python 3.9: see `fcn.cli.start`

import shlex
import subprocess
import sys
from collections.abc import Iterable


def join_words(words: Iterable[object], platform: str = sys.platform) -> str:
    r"""Returns words as a command line.

    Args:
        words: The words.
        platform: As `sys.platform`; on Windows neither cmd.exe nor programs know single quotes, and a
            backslash needs none.

    Example:
        >>> print(join_words(["a.png", "my file"], "linux"))
        a.png 'my file'
        >>> print(join_words([r"C:\data\a.png", "my file"], "win32"))
        C:\data\a.png "my file"
    """
    texts = [str(word) for word in words]
    return subprocess.list2cmdline(texts) if platform == "win32" else shlex.join(texts)


def quoted(word: object) -> str:
    """Returns one word of a command line."""
    return join_words([word])
