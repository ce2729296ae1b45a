"""Times of OpenVINO's operations, by its own counters."""

import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from fcn.data.image_io import Pixels
from fcn.inference.engines.openvino import OpenVinoEngine, import_openvino
from fcn.inspection.graph import Node
from fcn.inspection.timing.openvino_layers import find_layers
from fcn.inspection.timing.passes import WARM_UP, Operation, Pass
from fcn.inspection.timing.peak import CONVOLUTION, KERNEL_SIZE, SHAPES, Peak, find_peak

_ORIGINAL_NAMES = "originalLayersNames"
"""What OpenVINO calls the names that the operations had before it fused them."""


def measure_passes(engine: OpenVinoEngine, nodes: Sequence[Node], image: Pixels, count: int) -> list[Pass]:
    """Returns passes of an engine over images `uint8[B, H, W, 3]`."""
    return _profile(engine.profiling_request(), image, count, find_layers(engine.model, nodes))


def measure_peak(engine: OpenVinoEngine, count: int) -> Peak:
    """Measures the peak of the machine in the precision of an engine."""
    openvino = import_openvino()
    ops = openvino.opset15
    rng = np.random.default_rng(0)
    measured = {}
    for name, (shape, weights_shape) in SHAPES.items():
        maps = ops.parameter(shape, np.float32)
        weights = ops.constant(rng.uniform(-1, 1, weights_shape).astype(np.float32))
        factors = [maps, weights]
        if engine.precision == "int8":
            # As NNCF writes it: 256 levels for maps, 255 for weights.
            factors = [
                ops.fake_quantize(maps, *_ends(-1, 127 / 128), 256),
                ops.fake_quantize(weights, *_ends(-1, 1), 255),
            ]
        edges = [KERNEL_SIZE // 2] * 2
        product = (
            ops.convolution(*factors, [1, 1], edges, edges, [1, 1])
            if name == CONVOLUTION
            else ops.matmul(*factors, False, False)
        )
        model = openvino.Model([ops.result(product)], [maps], "peak")
        request = engine.profiling_request(model)
        measured[name] = _profile(request, rng.uniform(-1, 1, shape).astype(np.float32), count)
    return find_peak(measured)


def _ends(low: float, high: float) -> list[np.float32]:
    """Returns the range of a quantization, in front of it and behind it."""
    return [np.float32(low), np.float32(high)] * 2


def _profile(
    request: Any, images: npt.NDArray[Any], count: int, layers: Mapping[str, str] = MappingProxyType({})
) -> list[Pass]:
    """Runs a request several times, and returns the time of its operations each time.

    Args:
        request: As `profiling_request` returns it.
        images: Its input.
        count: How many times are measured.
        layers: The layer that an operation computes, by its name.
    """
    names = _original_names(request.get_compiled_model(), layers)
    passes = []
    for number in range(WARM_UP + count):
        start = time.perf_counter()
        request.infer([images], share_inputs=True)
        seconds = time.perf_counter() - start
        if number < WARM_UP:
            continue
        operations = (
            Operation(
                names.get(node.node_name, (node.node_name,)), node.real_time.total_seconds(), node.node_type
            )
            for node in request.profiling_info
        )
        passes.append(Pass(seconds, tuple(one for one in operations if one.seconds)))
    return passes


def _original_names(compiled: Any, layers: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Returns the layers, or else the names in the graph, of what each operation computes."""
    found = {}
    for node in compiled.get_runtime_model().get_ops():
        facts = node.get_rt_info()
        if _ORIGINAL_NAMES in facts:
            originals = str(facts[_ORIGINAL_NAMES].value).split(",")
            found[node.get_friendly_name()] = tuple(layers.get(name, name) for name in originals)
    return found
