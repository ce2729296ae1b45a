"""Labels with ONNX Runtime on a CPU: the ONNX form of an exported model."""

from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from fcn.data.image_io import Pixels
from fcn.data.pillow_decoding import MOST_BITS
from fcn.errors import RunError
from fcn.inference.engines.engine import Floats, Labeled, memory_errors
from fcn.inference.engines.exported import (
    check_num_classes,
    exported_classes,
    exported_net,
    not_in_windows,
    onnx_file,
)
from fcn.inference.engines.onnx_check import read_checked_onnx
from fcn.outputs.probabilities import label_confidence
from fcn.outputs.temperature import Temperatures
from fcn.system.optional import import_optional
from fcn.system.parallel import wanted_threads

SHRUNK, SHRUNK_LOGITS = "shrink/maps", "shrunk_logits/maps"
"""Names of what the layers of a net with an `input_scale` read and compute in its file, `[B, C, h, w]`."""


def import_onnxruntime() -> Any:
    """Returns the package `onnxruntime`.

    Raises:
        BackendError: If it is not installed.
    """
    return import_optional("onnxruntime", "engine=onnx", "onnx")


class OnnxEngine:
    """An engine with one program for all image sizes, in float32.

    Its threads are as many as cores, or `OMP_NUM_THREADS`.

    Args:
        version: Folder of an exported version that has the ONNX form.
        trust: Whether to load also operations of extensions, and weights in other files.

    Attributes:
        classes: The names and colors of the classes.
        bits: How many bits the values of image files of 16 bits use.
        net: The description of the net; None for an export of an old version without one.

    Raises:
        BackendError: If `onnxruntime` is not installed.
        RunError: If the file is missing, cannot be read, or has a different number of classes than the
            version.
        TrustError: If it has operations of extensions, or weights in other files.
    """

    name = "onnx"
    precision = "float32"

    def __init__(self, version: Path, trust: bool = False) -> None:
        self._path = onnx_file(version)
        import_onnxruntime()  # outside of the block below, which blames the file
        # Weights in other files are looked for beside the path.
        source = self._path if trust else read_checked_onnx(self._path)
        self._trust = trust
        try:
            self._session = open_session(source)
        except Exception as error:  # its exceptions have no class in common
            raise RunError(
                f"{self._path}: cannot be read by ONNX Runtime ({error}). Export the model again with "
                "--format onnx."
            ) from error
        shapes = {output.name: output.shape for output in self._session.get_outputs()}
        check_num_classes(version, self._path, (shapes.get("logits") or [None])[-1])
        self.classes = exported_classes(version)
        self.net = exported_net(version)
        self.bits = MOST_BITS if self.net is None else self.net.bits
        self._temperatures = Temperatures.of(None if self.net is None else self.net.temperatures)
        # Only such a net has layers of their own. They are taken out of what was checked and is labeled with,
        # even if the file is replaced or removed before the first large image.
        self._source = source if self.net is not None and self.net.input_scale != 1 else None
        self._layers: Any = None
        self._lock = Lock()

    def label(self, images: Pixels) -> Labeled:
        """Labels images `uint8[B, H, W, 3]`, RGB."""
        label, logits = _run(self._session, ["label", "logits"], images)
        return Labeled(label, label_confidence(logits, self._temperatures))

    def logits(self, images: Pixels) -> Floats:
        """Returns `float32[B, H, W, C]` for images `uint8[B, H, W, 3]`, RGB."""
        logits: Floats = _run(self._session, ["logits"], images)[0]
        return logits

    def shrunk_logits(self, images: Floats) -> Floats:
        """Returns `float32[B, h, w, C]` for images `float32[B, h, w, 3]` at the size of the layers' input.

        Raises:
            BackendError: If the package `onnx`, which takes these layers out of the file, is not installed.
            ImageTooLargeError: If the file does not name them as those of this package do.
        """
        with self._lock:
            if self._layers is None:  # rarely used, and it needs another copy of the weights
                if self._source is None:
                    raise not_in_windows(self._path, *images.shape[1:3])
                layers = _extract_layers(self._source, self._path, *images.shape[1:3])
                self._layers, self._source = open_session(layers), None
        logits: Floats = _run(self._layers, ["logits"], images)[0]
        return logits

    def profiling_session(self, profile: Path) -> Any:
        """Returns another session of the model, which writes the time of each operation when it is told to.

        Args:
            profile: How the paths of its files begin.
        """
        return open_session(self._path if self._trust else read_checked_onnx(self._path), profile)


def open_session(model: Path | bytes, profile: Path | None = None) -> Any:
    """Opens a session that computes a model on a CPU.

    Args:
        model: The file, or its content.
        profile: How the paths of files begin into which it writes the time of each operation; None for none.
    """
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors are raised, and would be printed too
    options.intra_op_num_threads = wanted_threads() or 0
    # Both keep memory for sizes of images that may never come again.
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False
    if profile is not None:
        options.enable_profiling, options.profile_file_prefix = True, str(profile)
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _run(session: Any, outputs: list[str], images: Pixels | Floats) -> list[Any]:
    with memory_errors(Exception):
        found: list[Any] = session.run(outputs, {"images": np.ascontiguousarray(images)})
    return found


def _extract_layers(source: Path | bytes, path: Path, height: int, width: int) -> bytes:
    """Returns the model without its first and last resizing, from images `float32[B, h, w, 3]`.

    Args:
        source: The file, or its content.
        path: The file, for the error.
        height: Rows of the image that needs it, for the error.
        width: Its columns.
    """
    onnx = import_optional("onnx", "engine=onnx", "onnx")
    model = onnx.load(source) if isinstance(source, Path) else onnx.load_from_string(source)
    graph = model.graph
    makers = {output: node for node in graph.node for output in node.output}
    if not {SHRUNK, SHRUNK_LOGITS} <= makers.keys():
        raise not_in_windows(path, height, width)
    needed, waiting = set(), [SHRUNK_LOGITS]
    while waiting:
        name = waiting.pop()
        if name not in needed and name != SHRUNK:
            needed.add(name)
            waiting += makers[name].input if name in makers else ()
    make_node = onnx.helper.make_node
    kept = [node for node in graph.node if not needed.isdisjoint(node.output)]
    nodes = [
        make_node("Transpose", ["images"], [SHRUNK], perm=[0, 3, 1, 2]),
        *kept,
        make_node("Transpose", [SHRUNK_LOGITS], ["logits"], perm=[0, 2, 3, 1]),
    ]
    weights = [tensor for tensor in graph.initializer if tensor.name in needed]
    float32 = onnx.TensorProto.FLOAT
    ends = [onnx.helper.make_tensor_value_info(name, float32, [None] * 4) for name in ("images", "logits")]
    layers = onnx.helper.make_graph(nodes, graph.name, ends[:1], ends[1:], weights)
    content: bytes = onnx.helper.make_model(
        layers, opset_imports=model.opset_import, ir_version=model.ir_version
    ).SerializeToString()
    return content
