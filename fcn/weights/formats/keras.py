"""Reads the weights in an HDF5 file of Keras: `.h5` of old and new, and Keras 3's `.weights.h5`.

HDF5 can compress, link to other files and name sizes that no memory holds. Keras does none of this, so
anything but a plain data set in the file itself is refused.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np
import numpy.typing as npt

from fcn.errors import RunError
from fcn.weights.formats.hdf5_names import Attributes, check_heaps
from fcn.weights.layer import MAX_AXES, MAX_BLOBS, Layer, damaged

T = TypeVar("T")

_MAX_LAYERS = 10_000
# A name of Keras has some four parts, nets inside of nets are few.
_MAX_PARTS = 32
_MAX_NESTED_NETS = 32
# Links can lead back to a group that they come from, and one group can have a thousand names. A link takes
# some 0.1 ms; the time counts too, since in a crafted group it takes more. A large net has 20,000 links.
_MAX_LINKS = 100_000
_MAX_SECONDS = 60


def _guarded(path: Path, action: Callable[[], T]) -> T:
    """Returns what `action` returns, and turns every exception of h5py for a damaged file into one error."""
    try:
        return action()
    except RunError:
        raise
    # A damaged file makes h5py raise OSError, KeyError, RuntimeError, TypeError, SystemError and others.
    except Exception as error:
        raise damaged(path, f"its HDF5 structure cannot be read ({error})") from error


class _Hierarchy:
    """The groups, data sets and attributes of an HDF5 file, looked up by name within limits.

    Args:
        path: The file.
        attributes: Reads its attributes.
    """

    def __init__(self, path: Path, attributes: Attributes) -> None:
        self._path = path
        self._attributes = attributes
        self._links = 0
        self._seconds = 0.0

    @contextmanager
    def _limited(self) -> Iterator[None]:
        started = time.thread_time()
        yield
        self._seconds += time.thread_time() - started
        if self._links > _MAX_LINKS or self._seconds > _MAX_SECONDS:
            raise damaged(
                self._path,
                f"it has more than {_MAX_LINKS} links between its groups, or takes more than "
                f"{_MAX_SECONDS} s to search",
            )

    def member(self, group: Any, name: str) -> Any:
        """Returns what lies in a group under a name with slashes, never following a link elsewhere."""
        parts = name.split("/", _MAX_PARTS)
        if len(parts) > _MAX_PARTS:
            raise damaged(self._path, f"the name {name[:80]!r} has more than {_MAX_PARTS} parts")
        with self._limited():
            for part in parts:
                self._links += 1
                link = group.get(part, getlink=True) if isinstance(group, h5py.Group) else None
                if not isinstance(link, h5py.HardLink):
                    raise damaged(self._path, f"{name[:80]!r} is not in it")
                group = group[part]
        return group

    def group(self, group: Any, name: str) -> Any:
        """Returns a group in a group; a data set would be searched value by value."""
        found = self.member(group, name)
        if not isinstance(found, h5py.Group):
            raise damaged(self._path, f"{name[:80]!r} is not a group")
        return found

    def names(self, group: Any, attribute: str) -> list[str]:
        """Returns the names in an attribute, which Keras splits into numbered ones where it is long."""
        with self._limited():
            if attribute in group.attrs:
                return self._attributes.texts(group, attribute)
            names: list[str] = []
            for index in range(_MAX_LAYERS):
                if f"{attribute}{index}" not in group.attrs:
                    break
                part = self._attributes.texts(group, f"{attribute}{index}")
                if not part:
                    raise damaged(self._path, f"the attribute {attribute}{index} holds no names")
                names += part
            return names


def _blob(path: Path, dataset: Any, size: int) -> npt.NDArray[np.float32]:
    """Returns the values of a data set, once they were found to lie in the file."""
    plain = (
        isinstance(dataset, h5py.Dataset)
        # Asked before NumPy's type: h5py takes minutes to make that of a type nested a thousand deep.
        and dataset.id.get_type().get_class() == h5py.h5t.FLOAT
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


def _check_count(path: Path, name: str, count: int) -> None:
    if count > MAX_BLOBS:
        raise damaged(path, f"the layer {name[:80]!r} has more than {MAX_BLOBS} weights")


def _layer(path: Path, net: str, name: str, datasets: list[Any], size: int) -> Layer:
    if sum(dataset.size for dataset in datasets) > size:
        raise damaged(path, f"the layer {name[:80]!r} has more weights than fit into the file")
    return Layer(name, "", tuple(_blob(path, dataset, size) for dataset in datasets), net)


def _legacy(path: Path, root: Any, hierarchy: _Hierarchy) -> Iterator[tuple[str, str, list[Any]]]:
    """Yields the layers that the attribute `layer_names` lists, with their data sets."""
    names = _guarded(path, lambda: hierarchy.names(root, "layer_names"))
    if len(names) > _MAX_LAYERS:
        raise _too_many_layers(path)
    for name in names:

        def datasets(name: str = name) -> list[Any]:
            group = hierarchy.group(root, name)
            weights = hierarchy.names(group, "weight_names")
            _check_count(path, name, len(weights))
            return [hierarchy.member(group, weight) for weight in weights]

        yield "", name, _guarded(path, datasets)


def _keras3(path: Path, root: Any, hierarchy: _Hierarchy) -> Iterator[tuple[str, str, list[Any]]]:
    """Yields the groups below `layers` that have variables, nets inside a net included, with their nets."""

    def layers(net: str, group: Any, depth: int) -> list[tuple[str, str, Any, int]]:
        if "layers" not in group:
            return []
        if depth > _MAX_NESTED_NETS:
            raise damaged(path, f"it has nets inside of nets, more than {_MAX_NESTED_NETS} deep")
        found = hierarchy.group(group, "layers")
        if len(found) > _MAX_LAYERS:
            raise _too_many_layers(path)
        return [(net, name, hierarchy.group(found, name), depth + 1) for name in found]

    waiting = _guarded(path, lambda: layers("", root, 0))[::-1]
    count = 0
    while waiting:
        net, name, group, depth = waiting.pop()
        count += 1
        if count + len(waiting) > _MAX_LAYERS:
            raise _too_many_layers(path)

        def datasets(name: str = name, group: Any = group, depth: int = depth) -> tuple[str, list[Any]]:
            waiting.extend(layers(name, group, depth)[::-1])
            if "vars" not in group:
                return name, []
            variables = hierarchy.group(group, "vars")
            _check_count(path, name, len(variables))
            # The group is called by the layer's class; the name that the user gave is an attribute.
            if "name" in variables.attrs:
                (name,) = hierarchy.names(variables, "name")
            return name, [hierarchy.member(variables, str(index)) for index in range(len(variables))]

        yield net, *_guarded(path, datasets)


def _too_many_layers(path: Path) -> RunError:
    return damaged(path, f"it has more than {_MAX_LAYERS} layers")


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
    check_heaps(path)
    with _guarded(path, lambda: h5py.File(path, "r")) as file, Attributes(path, size) as attributes:
        hierarchy = _Hierarchy(path, attributes)

        def layers() -> Iterator[tuple[str, str, list[Any]]]:
            root = hierarchy.group(file, "model_weights") if "model_weights" in file else file
            if "layer_names" in root.attrs or "layer_names0" in root.attrs:
                return _legacy(path, root, hierarchy)
            return _keras3(path, root, hierarchy)

        budget = size
        for net, name, datasets in _guarded(path, layers):
            if datasets:
                layer = _guarded(path, partial(_layer, path, net, name, datasets, size))
                budget -= sum(blob.size for blob in layer.blobs)
                if budget < 0:
                    raise damaged(path, "its layers name the same weights again and again")
                yield layer
                # Or it would be in memory beside the next one.
                del layer
