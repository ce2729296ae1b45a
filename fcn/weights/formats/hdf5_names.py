"""Reads the names in an HDF5 file, which are texts in attributes, within limits of memory and time."""

import json
import math
import mmap
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Self, cast

import h5py
import numpy as np

from fcn.weights.formats.hdf5_text_program import MAX_CHARACTERS
from fcn.weights.layer import damaged

_PROGRAM = Path(__file__).with_name("hdf5_text_program.py")
_EXIT_SECONDS = 10
# Keras names each layer and each weight once.
_MAX_TEXTS = 100_000
_MAX_HEAP_OBJECTS = 1_000_000


def check_heaps(path: Path) -> None:
    """Refuses texts of variable length whose chain does not end or that others overlap.

    The HDF5 library would follow the first forever, and the second again from each of its objects.

    The layout is that of the HDF5 file format, "Global Heap": signature, version 1, three zeros, the size
    of the collection; then objects of 16 bytes and their content, in steps of 8; object 0 is free room.

    Raises:
        RunError: If a collection is broken, all together are larger than the file, or they have countless
            objects.
    """
    room = size = path.stat().st_size
    objects = 0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        heap = data.find(b"GCOL\1")
        while heap >= 0:
            length = int.from_bytes(data[heap + 8 : heap + 16], "little")
            position, end = heap + 16, heap + length
            room -= length
            if room < 0:
                raise damaged(path, "its heaps of texts are larger than the file")
            while position + 16 <= min(end, size):
                index = int.from_bytes(data[position : position + 2], "little")
                length = int.from_bytes(data[position + 8 : position + 16], "little")
                step = 16 + (length + 7) // 8 * 8 if index else length
                if step < 16 or position + step > end:
                    raise damaged(path, f"the heap of texts at byte {heap} is broken")
                position += step
                objects += 1
                if objects > _MAX_HEAP_OBJECTS:
                    raise damaged(path, f"it has more than {_MAX_HEAP_OBJECTS} texts")
            heap = data.find(b"GCOL\1", heap + 1)


class Attributes:
    """Reads attributes of an HDF5 file, texts of variable length in another process.

    The other process limits its memory and time (see its program) and starts with the first such text.

    Args:
        path: The file.
        size: Its length in bytes.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size
        self._texts = _MAX_TEXTS
        self._characters = MAX_CHARACTERS
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process:
            with suppress(OSError), self._process:  # a request that was not read
                self._process.kill()

    def texts(self, group: Any, name: str) -> list[str]:
        """Returns the texts in an attribute.

        Raises:
            RunError: If it is not one text or a list of texts, cannot be read, or there are too many.
        """
        attribute = group.attrs.get_id(name)
        # NumPy's type is not asked for: h5py takes minutes to make one of a type nested a thousand deep.
        kind = attribute.get_type()
        count = math.prod(attribute.shape)
        # An attribute without texts counts too: one group can be searched again and again.
        self._texts -= max(1, count)
        if count == 0:  # an empty list has the type of numbers
            self._check_room()
            return []
        if (
            len(attribute.shape) > 1
            or kind.get_class() != h5py.h5t.STRING
            or count * kind.get_size() > self._size
        ):
            raise damaged(self._path, f"the attribute {name!r} is not a list of names")
        if kind.is_variable_str():
            self._check_room()
            found = self._read_in_process(group.name, name)
            self._characters -= sum(map(len, found))
            self._check_room()
            return found
        self._characters -= count * kind.get_size()
        self._check_room()
        values = np.atleast_1d(group.attrs[name])
        return [value.decode() if isinstance(value, bytes) else str(value) for value in values]

    def _check_room(self) -> None:
        if self._texts < 0 or self._characters < 0:
            raise damaged(
                self._path,
                f"its names are more than {_MAX_TEXTS} or have more than {MAX_CHARACTERS} characters",
            )

    def _read_in_process(self, group: str, name: str) -> list[str]:
        """Returns the texts in an attribute that the other process reads."""
        self._process = process = self._process or subprocess.Popen(
            # -P: the folder of the program holds modules with names that others have too.
            [sys.executable, "-P", str(_PROGRAM), str(self._path.absolute())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
        )
        requests, answers = cast(IO[str], process.stdin), cast(IO[str], process.stdout)
        try:
            requests.write(f"{json.dumps([group, name])}\n")
            requests.flush()
            # JSON writes a character as up to twelve; the program sends no longer answer.
            answer = json.loads(answers.readline(12 * MAX_CHARACTERS))
        except (OSError, ValueError):
            try:
                exit_code = process.wait(timeout=_EXIT_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                exit_code = process.wait()
            answer = {"error": f"the process that reads it ended with exit code {exit_code}"}
        if isinstance(answer, dict):
            raise damaged(self._path, f"the attribute {name!r} cannot be read ({answer['error']})")
        return cast(list[str], answer)
