"""Checks the classes that a file of a Keras model names, before Keras makes any object of it.

A `.keras` or `.h5` file describes its model in JSON: each layer, initializer or function is an entry with the
name of a class and of its module. Keras finds and calls these; its safe mode refuses some that hold code.
Here each has to be one of Keras' layers, operations, initializers and the like, or one of this package's, and
none that holds code or reads files.
"""

import inspect
import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import keras

from fcn.errors import RunError
from fcn.system.files import read_at_most
from fcn.system.trust import untrusted

MOST_JSON_BYTES = 8 << 20
"""The largest description of a model that is read. Those of Keras' nets of 1,000 layers take 2 MB."""

_BASES: tuple[type, ...] = (
    keras.Operation,  # of which layers and models are a kind
    keras.Initializer,
    keras.constraints.Constraint,
    keras.regularizers.Regularizer,
    keras.optimizers.Optimizer,
    keras.optimizers.schedules.LearningRateSchedule,
    keras.losses.Loss,
    keras.metrics.Metric,
    keras.dtype_policies.DTypePolicy,
    keras.dtype_policies.DTypePolicyMap,
    keras.quantizers.Quantizer,
    keras.random.SeedGenerator,
)
"""Keras' classes that a model is made of."""

_WITH_CODE: tuple[type, ...] = (
    keras.layers.Lambda,
    keras.layers.JaxLayer,
    keras.layers.TorchModuleWrapper,
    keras.layers.TFSMLayer,
)
"""Layers that run Python code, or a graph, from the file or from another file."""

_CODE_NAMES = frozenset(cls.__name__ for cls in (*_WITH_CODE, keras.layers.FlaxLayer))

_PLACES = (
    *("keras", "keras.layers", "keras.models", "keras.initializers", "keras.constraints"),
    *("keras.regularizers", "keras.optimizers", "keras.optimizers.schedules", "keras.losses"),
    *("keras.metrics", "keras.dtype_policies", "keras.src.models.functional"),
    *("keras.src.ops.core", "keras.src.ops.math", "keras.src.ops.nn", "keras.src.ops.numpy"),
)
"""Modules in which classes are looked up that are named without a module, as older files do."""

_FUNCTION_PLACES = (
    *("keras.activations", "keras.constraints", "keras.initializers", "keras.losses", "keras.metrics"),
    "keras.regularizers",
)
_NOT_MATHEMATICS = ("get", "serialize", "deserialize")

_VALUES = frozenset(
    ("__tuple__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__", "__keras_tensor__")
) | {"TensorShape"}
"""Names in Keras' JSON that mark plain values."""


def check_keras_file(path: Path) -> None:
    """Refuses a file of a Keras model that names anything but layers and their parts.

    Only the description is read, in the way Keras reads it. A file in which Keras finds none is left to it.

    Args:
        path: A `.keras` or `.h5` file.

    Raises:
        RunError: If the description is too large or nested too deeply.
        TrustError: If it names something else.
        Exception: Any, if the file is damaged.
    """
    text: bytes | str | None
    # Keras chooses by the name too.
    if path.name.endswith(".keras"):
        text = _read_archive(path)
    elif path.name.endswith((".h5", ".hdf5")):
        text = _read_hdf5(path)
    else:
        return
    if text is None:
        return
    try:
        document = json.loads(text)
    except RecursionError as error:
        raise RunError(f"{path}: its JSON is nested too deeply.") from error
    if path.name.endswith(".keras") and isinstance(document, dict):
        document.pop("compile_config", None)  # losses and optimizers, which are not loaded
    for entry in _entries(document):
        _check_entry(entry, path)


def _read_archive(path: Path) -> bytes | None:
    with zipfile.ZipFile(path) as archive:
        if "config.json" not in archive.namelist():
            return None
        with archive.open("config.json") as member:
            return read_at_most(member, MOST_JSON_BYTES, _too_large(path))


def _read_hdf5(path: Path) -> bytes | str | None:
    with h5py.File(path, "r") as file:
        if "model_config" not in file.attrs:
            return None
        attribute = file.attrs.get_id("model_config")
        if attribute.shape != () or attribute.dtype.itemsize > MOST_JSON_BYTES:
            raise RunError(f"{path}: expected a description of a model of one text, at most 8 MB.")
        text = file.attrs["model_config"]
    text = text if isinstance(text, (bytes, str)) else bytes(text)
    if len(text) > MOST_JSON_BYTES:
        raise _too_large(path)
    return text


def _too_large(path: Path) -> RunError:
    return RunError(f"{path}: describes its model in more than {MOST_JSON_BYTES >> 20} MB of JSON.")


def _entries(document: Any) -> Iterator[dict[str, Any]]:
    """Yields every dictionary of a JSON document, at any depth."""
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def _check_entry(entry: dict[str, Any], path: Path) -> None:
    if isinstance(entry.get("vocabulary"), str):
        raise untrusted(path, "a layer that reads the file", entry["vocabulary"])
    if "class_name" not in entry:
        return
    name, module = entry["class_name"], entry.get("module")
    registered = entry.get("registered_name") or name
    if not all(isinstance(one, str) for one in (name, module or "", registered)):
        raise untrusted(path, "an entry with the class", name)
    if name == "function":
        function = entry.get("config")
        if not _is_function(function, module):
            raise untrusted(path, "the function", f"{module}.{function}")
        return
    if name in _VALUES:
        return
    if name in _CODE_NAMES or not (_is_ours(registered) or _is_of_keras(name, module, registered)):
        raise untrusted(path, "the layer" if module is None else f"the layer of {module!a}", name)


def _is_ours(registered: str) -> bool:
    """Returns whether a name under which classes are registered with Keras is that of one in this package."""
    found = keras.saving.get_registered_object(registered)
    return inspect.isclass(found) and found.__module__.startswith("fcn.")


def _is_of_keras(name: str, module: str | None, registered: str) -> bool:
    """Returns whether a class is one of Keras' that models are made of, wherever Keras may look it up."""
    # A class that another part of this program registered would be taken first.
    if any(keras.saving.get_registered_object(one) is not None for one in (name, registered)):
        return False
    if module is not None:
        found = [_find(module, name)] if module == "keras" or module.startswith("keras.") else [None]
    else:
        found = [one for one in (_find(place, name) for place in _PLACES) if one is not None]
    return bool(found) and all(
        inspect.isclass(one)
        and issubclass(one, _BASES)
        and not issubclass(one, _WITH_CODE)
        and one.__module__.startswith("keras.")
        for one in found
    )


def _is_function(name: Any, module: str | None) -> bool:
    """Returns whether a function is one of Keras' mathematical ones."""
    if not isinstance(name, str) or name in _NOT_MATHEMATICS:
        return False
    if module in (None, "builtins"):
        places: tuple[str, ...] = _FUNCTION_PLACES
    elif module in _FUNCTION_PLACES or module == "keras.ops" or str(module).startswith("keras.ops."):
        places = (str(module),)
    else:
        return False
    return keras.saving.get_registered_object(name) is None and any(
        inspect.isfunction(_find(place, name)) for place in places
    )


def _find(module: str, name: str) -> Any:
    """Returns what a module that is loaded already has under a name; None if there is none."""
    return vars(sys.modules[module]).get(name) if module in sys.modules else None
