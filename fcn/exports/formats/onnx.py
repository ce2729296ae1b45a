"""Writes a net in the ONNX format, layer by layer, with little more memory than its weights take."""

from pathlib import Path
from typing import Any

import keras

from fcn.errors import OutputError
from fcn.exports.formats.onnx_graph import OnnxGraph
from fcn.exports.formats.onnx_layers import add_layer
from fcn.inference.engines.exported import onnx_file


def write_onnx(net: keras.Model, version: Path) -> Path:
    """Writes a net as `onnx/model.onnx` into an exported version.

    It takes `images: uint8[B, H, W, 3]` RGB, of any size, and answers `label: uint8[B, H, W]` and `logits:
    float32[B, H, W, C]`.

    Args:
        net: A functional net from images to logits.
        version: Folder of the version.

    Returns:
        The file.

    Raises:
        BackendError: If `onnx` is not installed, or a file has no room for the weights.
        OutputError: If the folder cannot be written to or the disk is full.
        ValueError: If the net has a layer that is not supported here.

    Example:
        >>> import tempfile
        >>> from fcn.models.fcn import FCN
        >>> write_onnx(FCN(num_classes=2, width=1 / 16), Path(tempfile.mkdtemp())).name
        'model.onnx'
    """
    graph = OnnxGraph(net.name)
    size = ["batch", "height", "width"]
    graph.add_input("images", "uint8", [*size, 3])
    graph.add_output("label", "uint8", size)
    graph.add_output("logits", "float32", [*size, net.output_shape[-1]])

    def call(layer: Any, *args: Any, **_: Any) -> str:
        return add_layer(graph, layer, keras.tree.flatten(args))

    maps = graph.add("Transpose", [graph.cast("images", "float32")], perm=[0, 3, 1, 2])
    # The way `keras.models.clone_model` follows a model.
    scores = net._run_through_graph(maps, operation_fn=lambda layer: layer, call_fn=call)
    graph.add("Transpose", [scores], "logits", perm=[0, 2, 3, 1])
    graph.cast(graph.add("ArgMax", [scores], axis=1, keepdims=0), "uint8", "label")
    path = onnx_file(version)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        graph.write(path)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written ({error}). Free space or choose a folder you may write to."
        ) from error
    return path
