"""Times of ONNX Runtime's operations, by its own profiler."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from fcn.data.image_io import Pixels
from fcn.inference.engines.onnx import OnnxEngine, open_session
from fcn.inspection.timing.passes import WARM_UP, Operation, Pass
from fcn.inspection.timing.peak import CONVOLUTION, KERNEL_SIZE, SHAPES, Peak, find_peak
from fcn.system.optional import import_optional

_SUFFIX = "_kernel_time"
"""What ONNX Runtime adds to the name of an operation whose computation it times."""
_PASS = "model_run"
"""Name of the event of a whole pass, which follows those of its operations."""
_MICROSECOND = 1e-6
_OPSET, _IR_VERSION = 17, 8


def measure_passes(engine: OnnxEngine, image: Pixels, count: int) -> list[Pass]:
    """Returns passes of an engine over images `uint8[B, H, W, 3]`."""
    with TemporaryDirectory() as folder:
        return _profile(engine.profiling_session(Path(folder) / "profile"), image, count)


def measure_peak(count: int) -> Peak:
    """Measures the peak of the machine in float32, the only precision of this engine."""
    rng = np.random.default_rng(0)
    measured = {}
    for name, (shape, weights_shape) in SHAPES.items():
        model = _one_operation(name, shape, rng.standard_normal(weights_shape, np.float32))
        maps = rng.standard_normal(shape, np.float32)
        with TemporaryDirectory() as folder:
            measured[name] = _profile(open_session(model, Path(folder) / "profile"), maps, count)
    return find_peak(measured)


def _one_operation(name: str, shape: tuple[int, ...], weights: npt.NDArray[np.float32]) -> bytes:
    """Returns a model that multiplies `images` with weights."""
    onnx = import_optional("onnx", "--time with engine=onnx", "onnx")
    helper, float32 = onnx.helper, onnx.TensorProto.FLOAT
    inputs, edges = ["images", "weights"], [KERNEL_SIZE // 2] * 4
    node = (
        helper.make_node("Conv", inputs, ["product"], pads=edges)
        if name == CONVOLUTION
        else helper.make_node("MatMul", inputs, ["product"])
    )
    graph = helper.make_graph(
        [node],
        "peak",
        [helper.make_tensor_value_info("images", float32, shape)],
        [helper.make_tensor_value_info("product", float32, shape)],
        [onnx.numpy_helper.from_array(weights, "weights")],
    )
    opset = helper.make_opsetid("", _OPSET)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=_IR_VERSION)
    content: bytes = model.SerializeToString()
    return content


def _profile(session: Any, images: npt.NDArray[Any], count: int) -> list[Pass]:
    names = [output.name for output in session.get_outputs()]
    seconds = []
    for _ in range(WARM_UP + count):
        start = time.perf_counter()
        session.run(names, {"images": images})
        seconds.append(time.perf_counter() - start)
    events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    return _read_passes(events, seconds)[WARM_UP:]


def _read_passes(events: Sequence[Mapping[str, Any]], seconds: Sequence[float]) -> list[Pass]:
    """Returns the passes in a profile, each with the operations before its end.

    Args:
        events: What the profiler wrote, in order.
        seconds: How long each pass took.
    """
    passes: list[Pass] = []
    operations: list[Operation] = []
    for event in events:
        name = event["name"]
        if event["cat"] == "Node" and name.endswith(_SUFFIX):
            kind = event["args"]["op_name"]
            operations.append(Operation((name.removesuffix(_SUFFIX),), event["dur"] * _MICROSECOND, kind))
        elif name == _PASS:
            passes.append(Pass(seconds[len(passes)], tuple(operations)))
            operations = []
    return passes
