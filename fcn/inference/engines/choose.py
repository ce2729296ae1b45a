"""Chooses an engine by the model, the user's options and the machine."""

import importlib.util
import platform
from functools import partial
from pathlib import Path
from typing import Any

import keras

from fcn.errors import BackendError, RunError
from fcn.inference.engines.engine import ENGINES, FORMAT_ENGINES, PRECISIONS, NetEngine
from fcn.inference.engines.exported import (
    check_num_classes,
    exported_classes,
    exported_net,
    openvino_file,
)
from fcn.inference.engines.litert import LiteRtEngine
from fcn.inference.engines.onnx import OnnxEngine
from fcn.inference.engines.openvino import OpenVinoEngine, import_openvino, num_scores, read_model
from fcn.inference.engines.table import choose, read_table
from fcn.models.fields import NetDescription
from fcn.models.net import SegmentationNet
from fcn.models.patches import tensorflow_on_cpu
from fcn.runs.model_file import exported_version, is_exported, load_model
from fcn.system.bfloat16 import bfloat16_instructions

_BACKENDS = ("tensorflow", "jax", "torch")
_INT8_REMEDY = "Export the run with --format openvino --calibrate FOLDER_OF_IMAGES."


def open_engine(
    model: SegmentationNet | Path | str, name: str = "auto", precision: str = "float32", trust: bool = False
) -> NetEngine:
    """Opens an engine for a net.

    Args:
        model: A net; or the path of a run folder, a `.keras` file or an exported folder.
        name: One of `ENGINES`.
        precision: One of `PRECISIONS`.
        trust: Whether to load also what no model of this package has, and which could run code.

    Raises:
        BackendError: If this process or this machine cannot run the engine or the precision.
        RunError: If there is no model at the path, or it cannot be read.
        TrustError: If it could run code.
        ValueError: If `name` or `precision` is unknown.
    """
    if name not in ENGINES:
        raise ValueError(f"Expected `engine` to be one of {ENGINES}. Received: {name!r}.")
    if precision not in PRECISIONS:
        raise ValueError(f"Expected `precision` to be one of {PRECISIONS}. Received: {precision!r}.")
    backend = keras.backend.backend()
    if name in _BACKENDS and name != backend:
        raise BackendError(
            f"Expected Keras to run on {name} for engine={name}. Received: {backend}, and a running "
            f"process cannot change it. Set KERAS_BACKEND={name} before keras is imported."
        )
    if precision == "int8" and name not in ("auto", "openvino"):
        raise BackendError(
            f"precision=int8: expected engine=openvino, the only one with int8. Received: {name}."
        )
    if not isinstance(model, SegmentationNet) and is_exported(Path(model)):
        return _open_exported(exported_version(Path(model)), name, precision, trust)
    if precision == "int8":
        raise BackendError(f"precision=int8: expected an exported model. {_INT8_REMEDY}")
    if name in FORMAT_ENGINES:
        raise BackendError(
            f"engine={name}: expected an exported model. Export this one with --format {name}, and give the "
            "exported folder."
        )
    if precision == "auto":
        precision = "float32"
    if name == "openvino":
        import_openvino()
        _check_tensorflow("OpenVINO reads a net that was not exported through TensorFlow")
        net = model if isinstance(model, SegmentationNet) else load_model(model, trust)
        from fcn.inference.engines.openvino_graph import convert_layers, convert_net

        description = NetDescription.from_config(net.get_config())
        layers = partial(convert_layers, net)
        return OpenVinoEngine(net.classes, convert_net(net), precision, description, layers)
    net = model if isinstance(model, SegmentationNet) else load_model(model, trust)
    if precision == "bfloat16":
        _check_bfloat16()
        if not tensorflow_on_cpu():
            net = _copy_in_bfloat16(net)
    if backend == "tensorflow":
        from fcn.inference.engines.tensorflow import net_engine

        return net_engine(net, precision)
    from fcn.inference.engines.keras import keras_engine

    return keras_engine(net, precision)


def _open_exported(version: Path, name: str, precision: str, trust: bool) -> NetEngine:
    if choice := choose(read_table(version), name, precision):
        name, precision = choice.engine, choice.precision
    if name in FORMAT_ENGINES:
        return _open_format(version, name, precision, trust)
    if name == "openvino" or precision == "int8":
        return _open_openvino(version, "float32" if precision == "auto" else precision, trust)
    if precision == "auto":
        precision = "float32"
    if importlib.util.find_spec("tensorflow") is None or name in ("jax", "torch"):
        raise RunError(
            f"{version}: an exported model needs TensorFlow. Install it, or give the run folder or the "
            ".keras file that was exported."
        )
    from fcn.inference.engines.tensorflow import exported_engine

    if precision == "bfloat16":
        _check_bfloat16()
        if not tensorflow_on_cpu():
            raise RunError(
                f"{version}: an exported model computes in float32 on a GPU. For bfloat16 give the run "
                "folder or the .keras file that was exported."
            )
    return exported_engine(version, precision, trust)


def _open_format(version: Path, name: str, precision: str, trust: bool) -> NetEngine:
    if precision not in ("auto", "float32"):
        raise BackendError(
            f"precision={precision}: engine={name} computes in float32 only. Leave the option out, or use "
            "engine=openvino."
        )
    if name == "onnx":
        return OnnxEngine(version, trust)
    return LiteRtEngine(version)


def _open_openvino(version: Path, precision: str, trust: bool) -> NetEngine:
    import_openvino()
    graph = openvino_file(version, precision)
    if graph.exists():
        model = read_model(graph, trust)
    elif precision == "int8":
        raise RunError(f"{version}: has no int8 model. {_INT8_REMEDY}")
    else:
        graph = version / "saved_model.pb"
        model = _convert(version, "predict_logits", trust)
    check_num_classes(version, graph, num_scores(model))
    layers = partial(_convert, version, "predict_shrunk_logits", trust)
    return OpenVinoEngine(exported_classes(version), model, precision, exported_net(version), layers)


def _convert(version: Path, signature: str, trust: bool) -> Any:
    _check_tensorflow(f"{version}: has no model for OpenVINO, which then reads it through TensorFlow")
    from fcn.inference.engines.openvino_graph import convert_exported

    return convert_exported(version, signature, trust)


def _check_tensorflow(why: str) -> None:
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise BackendError(
            f"{why}. Expected KERAS_BACKEND=tensorflow. Received: {backend}. Set it, or export the model "
            "with --format openvino on a machine with TensorFlow."
        )


def _check_bfloat16() -> None:
    if tensorflow_on_cpu() and not bfloat16_instructions():
        raise BackendError(
            f"precision=bfloat16: this CPU ({platform.machine()}) has no instructions for it. "
            "Leave the option out: float32 is faster here."
        )


def _copy_in_bfloat16(net: SegmentationNet) -> SegmentationNet:
    """Returns a copy of a net that computes in Keras' mixed precision."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        copy: SegmentationNet = type(net).from_config(net.get_config())
    finally:
        keras.config.set_dtype_policy(policy)
    copy.set_weights(net.get_weights())
    return copy
