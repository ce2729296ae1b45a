"""The refusal of parts of models that could run code, and bounded reading of what describes a model.

What a model may hold is checked before a library loads it: of Keras in `fcn/runs/keras_check.py`, of
TensorFlow, OpenVINO and ONNX in `fcn/inference/engines/`.
"""

from pathlib import Path

from fcn.errors import RunError, TrustError
from fcn.system.files import read_at_most

_SHOWN = 80


def untrusted(path: Path, part: str, name: object) -> TrustError:
    """Returns the error for a model that is loaded only with `--trust`. All such messages are written here.

    Args:
        path: The model.
        part: What it holds: "the operation", "the layer".
        name: The name of that part, from the file.

    Example:
        >>> str(untrusted(Path("1"), "the operation", "WriteFile")).partition(",")[0]
        "1: holds the operation 'WriteFile'"
    """
    shown = ascii(name)
    shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
    return TrustError(
        f"{path}: holds {part} {shown}, which none of this package's own models needs and which could run "
        "code or use files on this machine. Nothing was loaded. Use it only if you trust the people who made "
        "it: add --trust, or in Python trust=True."
    )


def read_bounded(path: Path, most_bytes: int) -> bytes:
    """Returns the content of a file that is read whole before it is checked.

    Args:
        path: The file.
        most_bytes: The largest size, well above that of any file of this package.

    Raises:
        OSError: If it cannot be read.
        RunError: If it is larger.
    """
    too_large = RunError(
        f"{path}: is larger than the {most_bytes >> 20} MB in which this package describes a model. Use "
        "it only if you trust the people who made it: add --trust, or in Python trust=True."
    )
    with path.open("rb") as file:
        return read_at_most(file, most_bytes, too_large)
