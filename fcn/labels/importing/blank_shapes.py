"""Shapes of labels that cover no pixel of their image: outside of it, or in shares where pixels are meant."""

from pathlib import Path
from threading import Lock

from fcn.system.text import counted


class BlankShapes:
    """Counts shapes without a pixel while labels are drawn, in several threads, once."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._count = 0
        self._first: tuple[str, int, str] | None = None

    def add(self, where: Path, number: int, place: str) -> None:
        """Counts a shape.

        Args:
            where: The file that holds it.
            number: Its place among the shapes of the file.
            place: Its name in the file, for people.
        """
        shape = (str(where), number, place)
        with self._lock:
            self._count += 1
            self._first = shape if self._first is None else min(self._first, shape)

    def describe(self) -> list[str]:
        """Returns a sentence if there are any."""
        if self._first is None:
            return []
        where, _, place = self._first
        return [
            f"{counted(self._count, 'shape covers', 'shapes cover')} no pixel of the image, such as {place} "
            f"in {where}; shapes may lie outside of it, or be given in shares of its size and not in pixels"
        ]
