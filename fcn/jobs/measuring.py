"""Reads the sizes of the images that a job is to label."""

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TypeVar

from fcn.data.image_forms import START_BYTES, is_risky
from fcn.data.image_io import read_size
from fcn.errors import DataError
from fcn.jobs.sources.links import is_url
from fcn.jobs.store import JobStore
from fcn.system.parallel import map_ahead
from fcn.system.progress import track

T = TypeVar("T")

_CHUNK = 1000


def measure(store: JobStore) -> None:
    """Reads the sizes of images to label from their headers; videos have none."""
    connection = store.connection
    wanted = "kind = 'image' AND verdict IN ('new', 'changed')"
    (total,) = connection.execute(f"SELECT count(*) FROM temp.found WHERE {wanted}").fetchone()
    last = b""

    def waiting() -> Iterator[bytes]:
        nonlocal last
        while rows := connection.execute(
            f"SELECT place FROM temp.found WHERE place > ? AND {wanted} ORDER BY place LIMIT ?",
            (last, _CHUNK),
        ).fetchall():
            last = rows[-1]["place"]
            yield from (row["place"] for row in rows)

    sizes = map_ahead(_read_size, waiting(), workers=4, ahead=64)
    for chunk in chunks(track(sizes, "reading sizes", total, lines=True)):
        connection.execute("BEGIN")
        connection.executemany("UPDATE temp.found SET height = ?, width = ? WHERE place = ?", chunk)
        connection.execute("COMMIT")


def _read_size(place: bytes) -> tuple[int | None, int | None, bytes]:
    """Returns (height, width, place); None if the header has no size: decoding will give the reason."""
    path = os.fsdecode(place)
    try:
        if is_url(path) or _is_risky(path):
            return None, None, place
        return (*read_size(Path(path)), place)
    except (DataError, OSError):
        return None, None, place


def _is_risky(path: str) -> bool:
    with open(path, "rb") as file:
        return is_risky(file.read(START_BYTES))


def chunks(items: Iterable[T]) -> Iterator[list[T]]:
    """Yields items in lists of a thousand."""
    remaining = iter(items)
    while chunk := list(islice(remaining, _CHUNK)):
        yield chunk
