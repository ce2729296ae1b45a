"""Memory that a model takes once it is loaded, as far as its files tell before that."""

from pathlib import Path
from typing import NamedTuple

from fcn.errors import FcnError
from fcn.inference.engines.exported import exported_classes, exported_net
from fcn.inference.tiling.memory import largest_net, smallest_window_bytes
from fcn.runs.folder import exported_version, is_exported, model_file

_WEIGHTS = ("variables/variables.data-*", "openvino/*.bin", "onnx/*.onnx", "litert/*.tflite")
"""Files with the weights of an exported version, of which an engine reads one."""

# An engine puts weights into an order of its own. Measured for 135 MB of them, after some images: 168 to 215
# MB with TensorFlow, 175 MB with OpenVINO, which also maps the file; such pages are taken back when needed.
_IN_MEMORY = 1.5


class Footprint(NamedTuple):
    """Memory that a model takes.

    Attributes:
        weight_bytes: For its weights.
        map_bytes: For the maps of the smallest window of its net; 0 if its files do not tell.
    """

    weight_bytes: int
    map_bytes: int


def footprint(model: Path) -> Footprint:
    """Returns the memory that a model takes.

    Args:
        model: A run folder, a `.keras` file, a version, or a folder of versions.

    Raises:
        RunError: If it cannot be read.
    """
    if not is_exported(model):
        return Footprint(_weights([model_file(model)]), 0)
    version = exported_version(model)
    files = [file for pattern in _WEIGHTS for file in version.glob(pattern)]
    try:
        net = exported_net(version) or largest_net(len(exported_classes(version).names))
    except FcnError:
        return Footprint(_weights(files), 0)  # loading it says what is wrong
    return Footprint(_weights(files), smallest_window_bytes(net))


def _weights(files: list[Path]) -> int:
    return int(_IN_MEMORY * max((file.stat().st_size for file in files), default=0))
