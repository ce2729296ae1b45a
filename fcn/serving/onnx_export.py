"""A net in ONNX's form, written layer by layer, with little more memory than its weights take."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from fcn.data.image_io import Pixels
from fcn.errors import BackendError, OutputError, RunError
from fcn.inference.exported import onnx_file
from fcn.serving.onnx_graph import OnnxGraph, import_onnx
from fcn.serving.onnx_layers import add_layer

_LARGEST_WEIGHTS = 2**31 - 2**20
"""Bytes. A file in this form is one message of Protocol Buffers, below 2**31, and says more than numbers."""


def onnx_model(net: keras.Model) -> Any:
    """Returns `onnx.ModelProto` of a functional net from images to logits.

    It takes `images: uint8[B, H, W, 3]` RGB, of any size, and answers `label: uint8[B, H, W]` and `logits:
    float32[B, H, W, C]`.

    Raises:
        BackendError: If `onnx` is not installed, or a file has no room for the weights.
        ValueError: If the net has a layer that nobody wrote down.

    Example:
        >>> from fcn.models.fcn import FCN
        >>> model = onnx_model(FCN(num_classes=2, width=1 / 16))
        >>> [output.name for output in model.graph.output]
        ['label', 'logits']
    """
    weights = 4 * net.count_params()
    if weights > _LARGEST_WEIGHTS:
        raise BackendError(
            f"format=onnx: the weights of {net.name!r} take {weights / 1e9:.1f} GB. Expected at most "
            f"{_LARGEST_WEIGHTS / 1e9:.1f}, which is all that such a file can hold. Leave this format out."
        )
    graph = OnnxGraph(net.name)
    size = ["batch", "height", "width"]
    graph.takes("images", "uint8", [*size, 3])
    graph.answers("label", "uint8", size)
    graph.answers("logits", "float32", [*size, net.output_shape[-1]])

    def call(layer: Any, *args: Any, **_: Any) -> str:
        return add_layer(graph, layer, keras.tree.flatten(args))

    maps = graph.add("Transpose", [graph.cast("images", "float32")], perm=[0, 3, 1, 2])
    # The way `keras.models.clone_model` follows a model.
    scores = net._run_through_graph(maps, operation_fn=lambda layer: layer, call_fn=call)
    graph.add("Transpose", [scores], "logits", perm=[0, 2, 3, 1])
    graph.cast(graph.add("ArgMax", [scores], axis=1, keepdims=0), "uint8", "label")
    return graph.model


def write_onnx(net: keras.Model, version: Path) -> Path:
    """Writes a net as `onnx/model.onnx` into an exported version.

    Args:
        net: A functional net from images to logits.
        version: Folder of the version.

    Returns:
        The file; what it takes and answers is what `onnx_model` says.

    Raises:
        BackendError: If `onnx` is not installed, or a file has no room for the weights.
        OutputError: If the folder cannot be written to or the disk is full.
        ValueError: If the net has a layer that nobody wrote down.
    """
    onnx = import_onnx()
    path = onnx_file(version)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save_model(onnx_model(net), path)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written ({error}). Free space or choose a folder you may write to."
        ) from error
    return path


def onnx_labeler(version: Path) -> Callable[[Pixels], Pixels]:
    """Returns what labels an image with ONNX Runtime, on a CPU.

    Args:
        version: Folder of an exported version that has ONNX's form.

    Returns:
        A function from an image `uint8[H, W, 3]` RGB, of any size, to its label `uint8[H, W]`, class ids.

    Raises:
        BackendError: If `onnxruntime` is not installed.
        RunError: If there is no such file, or it cannot be read.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise BackendError(
            "format=onnx: the package onnxruntime is not installed. Install it: pip install 'fcn[onnx]'."
        ) from error
    path = onnx_file(version)
    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no class in common
        raise RunError(
            f"{path}: cannot be read by ONNX Runtime ({error}). Export the model again with --format onnx."
        ) from error

    def label(image: Pixels) -> Pixels:
        labels: Pixels = session.run(["label"], {"images": image[np.newaxis]})[0][0]
        return labels

    return label
