"""Times of TensorFlow's operations on a CPU, by its own profiler."""

import re
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import tensorflow as tf

from fcn.data.image_io import Pixels
from fcn.inference.engines.engine import NetEngine
from fcn.inspection.timing.passes import WARM_UP, Operation, Pass
from fcn.inspection.timing.peak import (
    CHANNELS,
    CONVOLUTION,
    KERNEL_SIZE,
    MATRIX_PRODUCT,
    ROWS,
    SIDE,
    Peak,
    find_peak,
)
from fcn.system.bfloat16 import bfloat16_graphs

_PASS = "fcn_pass"
"""Name of the events of whole passes in a trace."""
_OPERATION = re.compile(r"(?P<name>[^: ]+):(?P<kind>(?!\w*PartitionedCall)\w+)")
"""Names of the events of operations: that in the graph, and the kind. Calls contain other operations."""
_PICOSECOND, _PICOSECONDS_IN_NANOSECOND = 1e-12, 1000


def measure_passes(engine: NetEngine, image: Pixels, count: int) -> list[Pass]:
    """Returns passes of an engine over images `uint8[B, H, W, 3]`."""
    return _profile(lambda: engine.label(image), count)


def measure_peak(engine: NetEngine, count: int) -> Peak:
    """Measures the peak of the machine in the precision of an engine."""
    rng = np.random.default_rng(0)

    def constant(*shape: int) -> tf.Tensor:
        return tf.constant(rng.standard_normal(shape, np.float32))

    maps, kernel = constant(1, SIDE, SIDE, CHANNELS), constant(KERNEL_SIZE, KERNEL_SIZE, CHANNELS, CHANNELS)
    one, other = constant(ROWS, ROWS), constant(ROWS, ROWS)
    products: dict[str, Callable[[], Any]] = {
        CONVOLUTION: lambda: tf.nn.conv2d(maps, kernel, 1, "SAME"),
        MATRIX_PRODUCT: lambda: tf.matmul(one, other),
    }
    measured = {}
    for name, product in products.items():
        graph = tf.function(product, autograph=False)
        with bfloat16_graphs(engine.precision == "bfloat16"):
            measured[name] = _profile(graph, count)
    return find_peak(measured)


def _profile(run: Callable[[], Any], count: int) -> list[Pass]:
    """Runs a graph several times, and returns the time of its operations each time."""
    from tensorflow.tsl.profiler.protobuf.xplane_pb2 import XSpace

    for _ in range(WARM_UP):
        run()
    seconds = []
    with TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        try:
            for _ in range(count):
                with tf.profiler.experimental.Trace(_PASS):
                    start = time.perf_counter()
                    run()
                    seconds.append(time.perf_counter() - start)
        finally:
            tf.profiler.experimental.stop()
        (trace,) = Path(folder).rglob("*.xplane.pb")
        space = XSpace.FromString(trace.read_bytes())
    return _read_passes(space, seconds)


def _read_passes(space: Any, seconds: Sequence[float]) -> list[Pass]:
    """Returns the passes in a trace, each with the operations that began in it.

    Args:
        space: What the profiler wrote.
        seconds: How long each pass took.
    """
    starts, operations = [], []
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                name = plane.event_metadata[event.metadata_id].name
                begin = line.timestamp_ns * _PICOSECONDS_IN_NANOSECOND + event.offset_ps
                if name == _PASS:
                    starts.append(begin)
                elif found := _OPERATION.fullmatch(name):
                    seconds_taken = event.duration_ps * _PICOSECOND
                    operations.append((begin, Operation((found["name"],), seconds_taken, found["kind"])))
    starts.sort()
    by_pass: list[list[Operation]] = [[] for _ in starts]
    for begin, operation in operations:
        if number := bisect_right(starts, begin):
            by_pass[number - 1].append(operation)
    return [Pass(*found) for found in zip(seconds, map(tuple, by_pass), strict=True)]
