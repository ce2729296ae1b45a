"""Saves and loads models."""

import json
import shutil
import zipfile
import zlib
from pathlib import Path
from typing import Any

import keras

from fcn.classes import ClassNamesError
from fcn.errors import RunError
from fcn.models import factory as factory  # registers the classes in files with Keras
from fcn.models.net import SegmentationNet
from fcn.runs.folder import RunFolder as RunFolder
from fcn.runs.folder import exported_version as exported_version
from fcn.runs.folder import exported_versions as exported_versions
from fcn.runs.folder import is_exported as is_exported
from fcn.runs.folder import model_file as model_file
from fcn.runs.folder import net_file as net_file
from fcn.runs.keras_check import check_keras_file
from fcn.runs.named_net import resolve_model
from fcn.system.files import durable_path, temporary_beside

_STATE = "training.json"
_AVERAGE = "average.weights.h5"
# The state of a training is a few kilobytes.
_MAX_STATE = 16 << 20


def save_checkpoint(
    model: keras.Model, path: Path, state: dict[str, Any], average: keras.Model | None = None
) -> None:
    """Writes a model with its optimizer, and what else a training needs to resume, as one `.keras` file.

    Args:
        model: The model to save.
        path: A file that ends in `.keras`.
        state: JSON values; `load_state` returns them. Keras ignores them.
        average: A net whose weights `load_average` puts back. Keras ignores them.

    Raises:
        OutputError: If the place cannot be written to or the disk is full.
    """
    with durable_path(path) as temporary:
        model.save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(_STATE, json.dumps(state))
            if average is not None:
                with temporary_beside(path, ".weights.h5") as weights:
                    average.save_weights(weights)
                    archive.write(weights, _AVERAGE)


def load_average(model: keras.Model, path: Path) -> None:
    """Loads the weights of the `average` of `save_checkpoint` into a net.

    Raises:
        RunError: If the file is not a checkpoint, or has none.
    """
    try:
        with zipfile.ZipFile(path) as archive, temporary_beside(path, ".weights.h5") as weights:
            # It is stored as it is, so it is not larger than the checkpoint.
            weights.write_bytes(_read_entry(archive, _AVERAGE, path.stat().st_size))
            model.load_weights(weights)
    except Exception as error:  # Keras raises whatever its parsers raise on a damaged file
        raise RunError(
            f"{path}: holds no averaged weights that fit ({error}). Delete it to start over."
        ) from error


def _read_entry(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """Returns a file of an archive.

    Raises:
        ValueError: If it claims more than `limit` bytes. No more than a file claims is unpacked.
    """
    size = archive.getinfo(name).file_size
    if size > limit:
        raise ValueError(f"its {name} has {size} bytes, expected at most {limit}")
    return archive.read(name)


def save_model(model: keras.Model, path: Path) -> None:
    """Writes a model as one `.keras` file.

    Raises:
        OutputError: If the place cannot be written to or the disk is full.
    """
    with durable_path(path) as temporary:
        model.save(temporary)


def copy_checkpoint(source: Path, target: Path) -> None:
    """Copies a checkpoint, in one piece.

    Raises:
        OutputError: If the place cannot be written to or the disk is full.
    """
    with durable_path(target) as temporary:
        shutil.copyfile(source, temporary)


def load_state(path: Path) -> dict[str, Any]:
    """Returns the `state` of `save_checkpoint`.

    Raises:
        RunError: If the file is not a checkpoint.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            state: dict[str, Any] = json.loads(_read_entry(archive, _STATE, _MAX_STATE))
    # Of unpacking; RuntimeError also of JSON that is nested a thousand deep.
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, KeyError, RuntimeError, ValueError) as error:
        raise RunError(
            f"{path}: is damaged or not a checkpoint of a training ({error}). Delete it to start over."
        ) from error
    return state


def load_keras(path: Path, trust: bool = False) -> keras.Model:
    """Loads any Keras model from a `.keras` or `.h5` file.

    Args:
        path: The file.
        trust: Whether to load also what could run code: Lambda layers, and classes from elsewhere.

    Raises:
        RunError: If there is none, or it cannot be read.
        TrustError: If it could run code.
    """
    if not path.is_file():
        raise RunError(f"{path}: no such file. Expected a Keras model, .keras or .h5.")
    try:
        if not trust:
            check_keras_file(path)
        return keras.models.load_model(path, compile=False, safe_mode=not trust)
    except RunError:
        raise
    except ClassNamesError as error:
        raise RunError(
            f"{path}: {error} Correct the names where the net is built, and save it again."
        ) from error
    except Exception as error:  # Keras raises whatever its parsers raise on a damaged file.
        summary = str(error).partition("\n")[0]
        raise RunError(
            f"{path}: cannot be read as a Keras model ({type(error).__name__}: {summary}). Expected a whole "
            "model as model.save writes it, not its weights alone, of Keras' layers and this package's; "
            "it may also be incomplete."
        ) from error


def load_model(path: Path | str, trust: bool = False) -> SegmentationNet:
    """Loads a trained net.

    Args:
        path: A run folder or a `.keras` file; or the name of a published net, which is downloaded when it is
            first used (`fcn.weights.catalog.NETS`).
        trust: Whether to load also what could run code, as `load_keras` does.

    Raises:
        DownloadError: If a published net cannot be downloaded.
        RunError: If there is none, or it cannot be read.
        TrustError: If it could run code.
    """
    file = net_file(resolve_model(path))
    model = load_keras(file, trust)
    if not isinstance(model, SegmentationNet):
        raise RunError(f"{file}: expected a net made by this package. Received: {type(model).__name__}.")
    return model
