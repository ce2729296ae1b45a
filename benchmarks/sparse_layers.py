"""Times each convolution of an FCN-8s on OpenVINO: as it is, with zeros among its weights, and by Winograd.

    python benchmarks/sparse_layers.py

One image, two threads, random weights. Every layer is a graph of its own. All graphs take turns, so that
other load on the machine affects all; the time of a layer is that of its operation by OpenVINO's counters.

dense      float32 and int8, with the kernel that OpenVINO chose
half       two of every four weights are 0, over the channels that a kernel reads; with OpenVINO's option for
           such weights, which by its source acts on fully connected layers in int8 with AMX alone
tenth      nine of ten blocks of 16x16 weights are 0; with the same option
winograd   float32: the 16 products of matrices of F(2x2, 3x3), without the transforms of maps, which come on
           top. OpenVINO has no such kernel on x86, so this is the least that one would take

Ratios are times relative to dense ones of the same layer and precision: below 1 is faster.
"""

import argparse
import math
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from machine import describe_cpu, describe_load

from fcn.inference.engines.openvino import import_openvino
from fcn.models.architecture import CONVOLUTION_CHANNELS, FC6_KERNEL_SIZE, VGG16_BLOCKS, scaled

SPARSE_OPTION = "CPU_SPARSE_WEIGHTS_DECOMPRESSION_RATE"
"""Share of zeros from which OpenVINO keeps the others alone; 1, its default, is never."""
SPARSE_RATE = "0.4"
GROUP, BLOCK = 4, 16
COMPUTING = ("Convolution", "FullyConnected", "MatMul")
"""How the types of the operations that are timed begin."""
PAUSE_SECONDS = 0.02
TILE, PRODUCTS = 2, 16
"""Of F(2x2, 3x3): rows and columns of a tile of the output, and products for each (Lavin & Gray, "Fast
algorithms for convolutional neural networks", CVPR 2016)."""

Floats = npt.NDArray[np.float32]


class Layer(NamedTuple):
    """A convolution with padding "same", or the fully connected layer fc7.

    Attributes:
        name: Its name, and that of others with the same shapes.
        size: (height, width) of its map.
        channels: Channels that it reads and that it makes.
        kernel: Rows and columns of its kernel; 0 for a product of matrices.
    """

    name: str
    size: tuple[int, int]
    channels: tuple[int, int]
    kernel: int

    @property
    def gflop(self) -> float:
        """Billions of operations, two for each multiply-add."""
        products = math.prod(self.size) * math.prod(self.channels) * max(1, self.kernel**2)
        return 2 * products / 1e9


class Case(NamedTuple):
    """A graph of one operation that is timed.

    Attributes:
        layer: What it computes.
        precision: "float32" or "int8".
        kind: "dense", "half", "tenth" or "winograd".
        request: OpenVINO's request.
        inputs: What it reads.
    """

    layer: Layer
    precision: str
    kind: str
    request: Any
    inputs: tuple[Floats, ...]


def find_layers(size: tuple[int, int], width: float, fc_channels: int) -> list[Layer]:
    """Returns the convolutions of an FCN-8s below its scores, each shape once, and fc7 as a matrix product.

    Args:
        size: (height, width) of the image.
        width: Channels relative to VGG16's.
        fc_channels: Channels of fc6 and fc7.
    """
    layers: dict[tuple[object, ...], Layer] = {}
    channels, (height, width_of_map) = 3, size
    for block, (_, count) in enumerate(VGG16_BLOCKS, start=1):
        for index in range(1, count + 1):
            name = f"block{block}_conv{index}"
            made = scaled(CONVOLUTION_CHANNELS[name], width)
            one = Layer(name, (height, width_of_map), (channels, made), 3)
            layers.setdefault(one[1:], one)
            channels = made
        height, width_of_map = -(-height // 2), -(-width_of_map // 2)
    fc6 = Layer("fc6", (height, width_of_map), (channels, fc_channels), FC6_KERNEL_SIZE)
    fc7 = Layer("fc7", (height, width_of_map), (fc_channels, fc_channels), 1)
    return [*layers.values(), fc6, fc7, fc7._replace(name="fc7 as matrices", kernel=0)]


def draw_weights(layer: Layer, kind: str) -> Floats:
    """Returns random weights, `float32[out, in, rows, columns]`, or `float32[out, in]` of a matrix."""
    rng = np.random.default_rng(0)
    read, made = layer.channels
    shape = (made, read, layer.kernel, layer.kernel) if layer.kernel else (made, read)
    weights: Floats = rng.uniform(-1, 1, shape).astype(np.float32)
    if kind == "half":
        ranks = rng.random((made, -(-read // GROUP), GROUP)).argsort(axis=-1)
        weights[ranks.reshape(made, -1)[:, :read] >= GROUP // 2] = 0
    elif kind == "tenth":
        rows, columns = -(-made // BLOCK), -(-read // BLOCK)
        kept = rng.permutation(rows * columns).reshape(rows, columns) < max(1, rows * columns // 10)
        kept = kept.repeat(BLOCK, axis=0).repeat(BLOCK, axis=1)[:made, :read]
        weights *= kept.reshape(kept.shape + (1,) * (weights.ndim - 2))
    return weights


def build_model(layer: Layer, precision: str, kind: str) -> Any:
    """Returns `openvino.Model` of one operation, on a random map of 0 to 1."""
    openvino = import_openvino()
    ops = openvino.opset15
    read, made = layer.channels
    if kind == "winograd":
        tiles = -(-layer.size[0] // TILE) * -(-layer.size[1] // TILE)
        rng = np.random.default_rng(0)
        # A fully connected layer each: OpenVINO arranges their weights once, as those of convolutions.
        maps = [ops.parameter((tiles, read), np.float32) for _ in range(PRODUCTS)]
        kernels = [rng.uniform(-1, 1, (made, read)).astype(np.float32) for _ in maps]
        products = [
            ops.matmul(each, ops.constant(kernel), False, True)
            for each, kernel in zip(maps, kernels, strict=True)
        ]
        return openvino.Model([ops.result(product) for product in products], maps, layer.name)
    weights = ops.constant(draw_weights(layer, kind))
    shape = (1, read, *layer.size) if layer.kernel else (layer.size[0] * layer.size[1], read)
    maps = ops.parameter(shape, np.float32)
    factors = [maps, weights]
    if precision == "int8":  # as NNCF writes it: 256 levels for maps, 255 for weights
        factors = [
            ops.fake_quantize(maps, *_ends(0, 1), 256),
            ops.fake_quantize(weights, *_ends(-1, 1), 255),
        ]
    edges = [layer.kernel // 2] * 2
    product = (
        ops.convolution(*factors, [1, 1], edges, edges, [1, 1])
        if layer.kernel
        else ops.matmul(*factors, False, True)
    )
    return openvino.Model([ops.result(product)], [maps], layer.name)


def _ends(low: float, high: float) -> list[np.float32]:
    return [np.float32(low), np.float32(high)] * 2


def compile_case(layer: Layer, precision: str, kind: str, threads: int) -> Case:
    """Returns a graph that is ready to run."""
    hints = {
        "PERF_COUNT": "YES",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "f32",  # or a machine with bfloat16 would compute in that
    }
    if kind in ("half", "tenth"):
        hints[SPARSE_OPTION] = SPARSE_RATE
    model = build_model(layer, precision, kind)
    request = import_openvino().Core().compile_model(model, "CPU", hints).create_infer_request()
    rng = np.random.default_rng(1)
    inputs = tuple(rng.random(tuple(each.get_shape()), np.float32) for each in model.inputs)
    return Case(layer, precision, kind, request, inputs)


def list_cases(layers: Sequence[Layer], threads: int) -> list[Case]:
    """Returns all graphs of all layers."""
    cases = []
    for layer in layers:
        kinds = ("dense", "half", "tenth", *(("winograd",) if layer.kernel == 3 else ()))
        cases += [compile_case(layer, "float32", kind, threads) for kind in kinds]
        cases += [compile_case(layer, "int8", kind, threads) for kind in ("dense", "half", "tenth")]
    return cases


def run_once(case: Case) -> tuple[float, str]:
    """Returns the seconds of what a graph computes, without the casts around it, and the kernel that did."""
    case.request.infer([*case.inputs], share_inputs=True)
    computing = [one for one in case.request.profiling_info if one.node_type.startswith(COMPUTING)]
    return sum(one.real_time.total_seconds() for one in computing), computing[0].exec_type


def measure(cases: Sequence[Case], warm_up: int, rounds: int) -> tuple[list[list[float]], list[str]]:
    """Returns the seconds of each graph in each round, and its kernel; each round begins with another one."""
    seconds: list[list[float]] = [[] for _ in cases]
    kernels = [""] * len(cases)
    for number in range(-warm_up, rounds):
        for place in range(len(cases)):
            index = (number + place) % len(cases)
            time.sleep(PAUSE_SECONDS)
            taken, kernels[index] = run_once(cases[index])
            if number >= 0:
                seconds[index].append(taken)
        said = f"round {number + 1} of {rounds}" if number >= 0 else "warm-up"
        print(f"  {said}", file=sys.stderr, flush=True)
    return seconds, kernels


def report(cases: Sequence[Case], seconds: Sequence[Sequence[float]], kernels: Sequence[str]) -> None:
    """Prints a row for each graph."""
    medians = [statistics.median(one) for one in seconds]
    dense = {
        (case.layer, case.precision): median
        for case, median in zip(cases, medians, strict=True)
        if case.kind == "dense"
    }
    columns = f"{'median':>10}{'of dense':>10}{'GFLOP/s':>9}  kernel"
    print(f"\n{'layer':16}{'GFLOP':>7} {'precision':10}{'weights':9}{columns}")
    for case, median, kernel in zip(cases, medians, kernels, strict=True):
        layer, ratio = case.layer, median / dense[case.layer, case.precision]
        print(
            f"{layer.name:16}{layer.gflop:7.2f} {case.precision:10}{case.kind:9}{1000 * median:7.2f} ms"
            f"{ratio:10.2f}{layer.gflop / median:9.0f}  {kernel}"
        )


def main() -> None:
    """Times all layers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size", type=int, nargs=2, default=(384, 512), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--width", type=float, default=1.0, help="channels relative to VGG16 (1)")
    parser.add_argument("--fc-channels", type=int, default=512, help="channels of fc6 and fc7 (512)")
    parser.add_argument("--threads", type=int, default=2, help="threads of OpenVINO (2)")
    parser.add_argument("--rounds", type=int, default=9, help="rounds that count (9)")
    parser.add_argument("--warm-up", type=int, default=2, help="rounds before them that do not (2)")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("expected at least one round")
    layers = find_layers(tuple(options.size), options.width, options.fc_channels)
    print(describe_cpu())
    print(f"OpenVINO {import_openvino().__version__}, {options.threads} threads")
    print(describe_load(), flush=True)
    cases = list_cases(layers, options.threads)
    report(cases, *measure(cases, options.warm_up, options.rounds))
    print(f"\n{describe_load()}")


if __name__ == "__main__":
    main()
