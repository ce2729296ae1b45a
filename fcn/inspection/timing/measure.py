"""Measures how long each layer of a net takes on an engine."""

import statistics
from collections.abc import Sequence

import numpy as np

from fcn.errors import BackendError
from fcn.inference.engines.engine import NetEngine
from fcn.inference.engines.onnx import OnnxEngine
from fcn.inference.engines.openvino import OpenVinoEngine
from fcn.inspection.graph import Node
from fcn.inspection.timing import onnx, openvino
from fcn.inspection.timing.times import Times, find_layer_times, other_seconds
from fcn.models.patches import tensorflow_on_cpu

TIMED_ENGINES = ("tensorflow", "openvino", "onnx")
"""Names of the engines whose operations can be timed."""

PASSES = 7
"""Number of passes that are measured; medians are not moved by other programs in fewer than half of them."""


def check_timed(engine: str) -> None:
    """Refuses an engine whose operations cannot be timed.

    Args:
        engine: Its name.

    Raises:
        BackendError: If it is another engine, or TensorFlow computes on a GPU.
    """
    if engine not in TIMED_ENGINES:
        raise BackendError(
            f"--time: expected an engine among {', '.join(TIMED_ENGINES)}, which tell the time of each "
            f"operation. Received: {engine}. Choose one with --engine."
        )
    if engine == "tensorflow" and not tensorflow_on_cpu():
        raise BackendError(
            "--time: TensorFlow computes on a GPU here, and times are measured on a CPU. Hide the GPU with "
            "CUDA_VISIBLE_DEVICES=-1."
        )


def measure_times(nodes: Sequence[Node], engine: NetEngine, passes: int = PASSES) -> Times:
    """Labels an image of noise several times, and returns how long each layer took.

    Args:
        nodes: The layers of the net for an image of one size, as `read_graph` returns them.
        engine: What computes this net.
        passes: How many times the image is labeled, after two times for warming up.

    Raises:
        BackendError: If the operations of this engine cannot be timed.
    """
    check_timed(engine.name)
    image = np.random.default_rng(0).integers(0, 256, nodes[0].output_shape, np.uint8)
    if isinstance(engine, OpenVinoEngine):
        found = openvino.measure_passes(engine, nodes, image, passes)
        peak = openvino.measure_peak(engine, passes)
    elif isinstance(engine, OnnxEngine):
        found = onnx.measure_passes(engine, image, passes)
        peak = onnx.measure_peak(passes)
    else:
        from fcn.inspection.timing import tensorflow

        found = tensorflow.measure_passes(engine, image, passes)
        peak = tensorflow.measure_peak(engine, passes)
    return Times(
        engine=engine.name,
        precision=engine.precision,
        passes=passes,
        seconds=statistics.median(one.seconds for one in found),
        other_seconds=other_seconds(nodes, found),
        peak_gflops=peak.gflops,
        peak_of=peak.product,
        layers=find_layer_times(nodes, found),
    )
