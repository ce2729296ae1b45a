"""Writes and runs a net in the ONNX format, layer by layer, with little more memory than its weights take."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from fcn.data.image_io import Pixels
from fcn.errors import OutputError, RunError
from fcn.exports.formats.onnx_check import check_onnx
from fcn.exports.formats.onnx_graph import OnnxGraph
from fcn.exports.formats.onnx_layers import add_layer
from fcn.inference.engines.exported import check_num_classes, onnx_file
from fcn.system.optional import import_optional


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


def import_onnxruntime() -> Any:
    """Returns the package `onnxruntime`.

    Raises:
        BackendError: If it is not installed.
    """
    return import_optional("onnxruntime", "format=onnx", "onnx")


def onnx_labeler(version: Path) -> Callable[[Pixels], Pixels]:
    """Returns a function that labels an image with ONNX Runtime on a CPU.

    Args:
        version: Folder of an exported version that has ONNX's form.

    Returns:
        A function from an image `uint8[H, W, 3]` RGB, of any size, to its label `uint8[H, W]`, class ids.

    Raises:
        BackendError: If `onnxruntime` is not installed.
        RunError: If there is no such file, it cannot be read, or has another number of classes than the
            version.
        TrustError: If it has operations of extensions, or weights in other files.
    """
    onnxruntime = import_onnxruntime()
    path = onnx_file(version)
    check_onnx(path)
    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no class in common
        raise RunError(
            f"{path}: cannot be read by ONNX Runtime ({error}). Export the model again with --format onnx."
        ) from error
    shapes = {output.name: output.shape for output in session.get_outputs()}
    check_num_classes(version, path, (shapes.get("logits") or [None])[-1])

    def label(image: Pixels) -> Pixels:
        labels: Pixels = session.run(["label"], {"images": image[np.newaxis]})[0][0]
        return labels

    return label
