"""Reads the weights in an HDF5 file of Keras: `.h5` of old and new, and Keras 3's `.weights.h5`.

HDF5 can compress, link to other files and name sizes that no memory holds. Keras does none of this, so
anything but a plain data set in the file itself is refused.
"""

import json
import math
import mmap
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, Any, Self, TypeVar, cast

import h5py
import numpy as np
import numpy.typing as npt

from fcn.errors import RunError
from fcn.weights.layer import MAX_AXES, MAX_BLOBS, Layer, damaged

T = TypeVar("T")

_MAX_LAYERS = 10_000
_PROGRAM = Path(__file__).with_name("hdf5_text_program.py")
_EXIT_SECONDS = 10


def _check_heaps(path: Path) -> None:
    """Refuses texts of variable length whose chain does not end: the HDF5 library would follow it forever.

    The layout is that of the HDF5 file format, "Global Heap": signature, version 1, three zeros, the size
    of the collection; then objects of 16 bytes and their content, in steps of 8; object 0 is free room.
    """
    size = path.stat().st_size
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        heap = data.find(b"GCOL\1")
        while heap >= 0:
            position, end = heap + 16, heap + int.from_bytes(data[heap + 8 : heap + 16], "little")
            while position + 16 <= min(end, size):
                index = int.from_bytes(data[position : position + 2], "little")
                length = int.from_bytes(data[position + 8 : position + 16], "little")
                step = 16 + (length + 7) // 8 * 8 if index else length
                if step < 16 or position + step > end:
                    raise damaged(path, f"the heap of texts at byte {heap} is broken")
                position += step
            heap = data.find(b"GCOL\1", heap + 1)


class _Attributes:
    """Reads attributes of an HDF5 file, texts of variable length in another process.

    The other process limits its memory (see its program) and starts with the first such text.

    Args:
        path: The file.
        size: Its length in bytes.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size
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
            RunError: If it is not one text or a list of texts, or cannot be read.
        """
        attribute = group.attrs.get_id(name)
        if len(attribute.shape) > 1 or math.prod(attribute.shape) * attribute.dtype.itemsize > self._size:
            raise damaged(self._path, f"the attribute {name!r} is not a list of names")
        if attribute.dtype.hasobject:
            return self._read_in_process(group.name, name)
        values = np.atleast_1d(group.attrs[name])
        return [value.decode() if isinstance(value, bytes) else str(value) for value in values]

    def _read_in_process(self, group: str, name: str) -> list[str]:
        """Returns the texts in an attribute that the other process reads."""
        self._process = process = self._process or subprocess.Popen(
            # -P: the folder of the program holds modules with names that others have too.
            [sys.executable, "-P", str(_PROGRAM), str(self._path.absolute())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        requests, answers = cast(IO[str], process.stdin), cast(IO[str], process.stdout)
        try:
            requests.write(f"{json.dumps([group, name])}\n")
            requests.flush()
            answer = json.loads(answers.readline())
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


def _guarded(path: Path, action: Callable[[], T]) -> T:
    """Returns what `action` returns, and turns every exception of h5py for a damaged file into one error."""
    try:
        return action()
    except RunError:
        raise
    # A damaged file makes h5py raise OSError, KeyError, RuntimeError, TypeError, SystemError and others.
    except Exception as error:
        raise damaged(path, f"its HDF5 structure cannot be read ({error})") from error


def _member(path: Path, group: Any, name: str) -> Any:
    """Returns what lies in a group under a name with slashes, never following a link elsewhere."""
    for part in name.split("/"):
        link = group.get(part, getlink=True) if isinstance(group, h5py.Group) else None
        if not isinstance(link, h5py.HardLink):
            raise damaged(path, f"{name[:80]!r} is not in it")
        group = group[part]
    return group


def _names(attributes: _Attributes, group: Any, attribute: str) -> list[str]:
    """Returns the names in an attribute, which Keras splits into numbered ones where it is long."""
    if attribute in group.attrs:
        parts = [attribute]
    else:
        parts = []
        while f"{attribute}{len(parts)}" in group.attrs and len(parts) < _MAX_LAYERS:
            parts.append(f"{attribute}{len(parts)}")
    return [name for part in parts for name in attributes.texts(group, part)]


def _blob(path: Path, dataset: Any, size: int) -> npt.NDArray[np.float32]:
    """Returns the values of a data set, once they were found to lie in the file."""
    plain = (
        isinstance(dataset, h5py.Dataset)
        and dataset.dtype.kind == "f"
        and dataset.shape is not None
        and len(dataset.shape) <= MAX_AXES
        and not dataset.is_virtual
        and not dataset.external
        and dataset.id.get_create_plist().get_nfilters() == 0
        # Values that were never written take no place in the file, but all of it in memory.
        and dataset.size * dataset.dtype.itemsize <= min(size, dataset.id.get_storage_size())
    )
    if not plain:
        raise damaged(path, f"{dataset.name[:80]!r} is not a plain array of floats inside the file")
    values = np.empty(dataset.shape, np.float32)
    if values.size:
        dataset.read_direct(values)
    return values


def _layer(path: Path, name: str, datasets: list[Any], size: int) -> Layer:
    if len(datasets) > MAX_BLOBS or sum(dataset.size for dataset in datasets) > size:
        raise damaged(path, f"the layer {name[:80]!r} has more weights than fit into the file")
    return Layer(name, "", tuple(_blob(path, dataset, size) for dataset in datasets))


def _legacy(path: Path, root: Any, attributes: _Attributes) -> Iterator[tuple[str, list[Any]]]:
    """Yields the layers that the attribute `layer_names` lists, with their data sets."""
    for name in _guarded(path, lambda: _names(attributes, root, "layer_names")[:_MAX_LAYERS]):

        def datasets(name: str = name) -> list[Any]:
            group = _member(path, root, name)
            return [_member(path, group, weight) for weight in _names(attributes, group, "weight_names")]

        yield name, _guarded(path, datasets)


def _keras3(path: Path, root: Any, attributes: _Attributes) -> Iterator[tuple[str, list[Any]]]:
    """Yields the groups below `layers` that have variables, nets inside a net included."""

    def layers(group: Any) -> list[tuple[str, Any]]:
        if "layers" not in group:
            return []
        found = _member(path, group, "layers")
        return [(name, _member(path, found, name)) for name in found]

    waiting = _guarded(path, lambda: layers(root))[::-1]
    for _ in range(_MAX_LAYERS):
        if not waiting:
            return
        name, group = waiting.pop()

        def datasets(name: str = name, group: Any = group) -> tuple[str, list[Any]]:
            waiting.extend(layers(group)[::-1])
            if "vars" not in group:
                return name, []
            variables = _member(path, group, "vars")
            # The group is called by the layer's class; the name that the user gave is an attribute.
            if "name" in variables.attrs:
                (name,) = attributes.texts(variables, "name")
            return name, [_member(path, variables, str(index)) for index in range(len(variables))]

        yield _guarded(path, datasets)


def is_hdf5(path: Path) -> bool:
    """Returns whether a file has the signature of HDF5."""
    return bool(h5py.is_hdf5(path))


def read_keras(path: Path) -> Iterator[Layer]:
    """Yields the layers of a Keras HDF5 file that have weights, one in memory at a time.

    Args:
        path: Weights in the old layout (`layer_names`), a whole model in it (`model_weights`), or Keras
            3's `.weights.h5`.

    Raises:
        RunError: If it is damaged, or holds none of these.
    """
    size = path.stat().st_size
    _check_heaps(path)
    with _guarded(path, lambda: h5py.File(path, "r")) as file, _Attributes(path, size) as attributes:

        def layers() -> Iterator[tuple[str, list[Any]]]:
            root = _member(path, file, "model_weights") if "model_weights" in file else file
            if "layer_names" in root.attrs or "layer_names0" in root.attrs:
                return _legacy(path, root, attributes)
            return _keras3(path, root, attributes)

        budget = size
        for name, datasets in _guarded(path, layers):
            if datasets:
                layer = _guarded(path, partial(_layer, path, name, datasets, size))
                budget -= sum(blob.size for blob in layer.blobs)
                if budget < 0:
                    raise damaged(path, "its layers name the same weights again and again")
                yield layer
                # Or it would be in memory beside the next one.
                del layer
