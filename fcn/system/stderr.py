"""Holding back what native code writes to stderr, which Python cannot redirect."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from fcn.system.text import printable


@contextmanager
def stderr_held_back() -> Iterator[None]:
    """Keeps what native code writes to stderr, and shows it only if the block fails."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(kept, _without_controls(held.read()))
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _without_controls(text: bytes) -> bytes:
    """Returns lines with what would control a terminal escaped; native code may quote what is in a file."""
    lines = text.decode(errors="backslashreplace").replace("\r\n", "\n").split("\n")
    return "\n".join(map(printable, lines)).encode()
