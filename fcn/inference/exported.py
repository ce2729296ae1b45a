"""What lies where in an exported model, beside what TensorFlow reads."""

import json
from pathlib import Path

import numpy as np

from fcn.classes import Classes
from fcn.errors import RunError
from fcn.run import exported_versions

CLASSES_ASSET = "classes.json"
"""Name of the file with class names and palette among the assets of an exported model."""

TABLE = "engines.json"
"""Name of the file that says which engines are worth using, best first."""


def exported_version(path: Path) -> Path:
    """Returns the folder of one version: the path itself, or of several versions in it the highest."""
    return path if (path / "saved_model.pb").exists() else exported_versions(path)[-1]


def openvino_file(version: Path, precision: str) -> Path:
    """Returns where a version holds OpenVINO's form of the net, if it does.

    Args:
        version: Folder of the version.
        precision: One of `fcn.inference.engine.PRECISIONS`; bfloat16 is computed from float32.

    Example:
        >>> openvino_file(Path("1"), "bfloat16").as_posix()
        '1/openvino/float32.xml'
    """
    return version / "openvino" / ("int8.xml" if precision == "int8" else "float32.xml")


def exported_classes(version: Path) -> Classes:
    """Returns the classes of a version.

    Raises:
        RunError: If they cannot be read.
    """
    path = version / "assets" / CLASSES_ASSET
    try:
        document = json.loads(path.read_bytes())
        return Classes.with_palette(tuple(document["names"]), np.array(document["palette"], np.uint8))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{path}: cannot be read as the classes of an exported model ({error}). Export it again."
        ) from error
