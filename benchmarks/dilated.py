"""Times nets with dilated convolutions, dilated by parts (Keras' way) and by kernels (that of our engines).

    python benchmarks/dilated.py

One image, label out. Both graphs of a net share its weights and take turns, so that other load on the machine
affects both. Ratios compare kernels with parts; below 1 kernels are faster. "CPU" is the time of all cores,
which tells more than the clock while other jobs run. "same" is the share of pixels with the label that parts
give in float32, first with parts, then with kernels. Weights are random.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import numpy as np
import tensorflow as tf
from machine import describe_cpu, describe_load
from task import NUM_CLASSES, draw_weights

from fcn.inference.engines import openvino_graph
from fcn.inference.engines.engine import NetEngine
from fcn.inference.engines.openvino import OpenVinoEngine
from fcn.inference.engines.tensorflow import TensorFlowEngine, net_engine
from fcn.models.factory import build_model
from fcn.models.net import SegmentationNet

NETS = ("frontend", "context", "largefov", "fcn8s_largefov")


def score_in_parts(net: Any) -> Callable[[Any], Any]:
    """Returns the function from images to logits as Keras computes it."""

    def score(images: Any) -> Any:
        return net(tf.cast(images, tf.float32), training=False)

    return score


def open_pair(net: SegmentationNet, name: str, precision: str) -> tuple[NetEngine, NetEngine]:
    """Returns two engines of a net, the first with parts, the second with kernels."""
    if name == "tensorflow":
        return TensorFlowEngine(net.classes, score_in_parts(net), precision), net_engine(net, precision)
    with patch.object(openvino_graph, "scoring", score_in_parts):
        in_parts = openvino_graph.convert_net(net)
    by_kernels = openvino_graph.convert_net(net)
    return (
        OpenVinoEngine(net.classes, in_parts, precision, None, lambda: in_parts),
        OpenVinoEngine(net.classes, by_kernels, precision, None, lambda: by_kernels),
    )


def measure(engines: tuple[NetEngine, NetEngine], images: Any, rounds: int, warm_up: int) -> list[list[Any]]:
    """Returns the seconds of each image, on the clock and of all cores, of both engines in turns."""
    seconds: list[list[Any]] = [[], []]
    for number in range(-warm_up, rounds):
        for place in (number % 2, 1 - number % 2):
            clock, cores = time.perf_counter(), time.process_time()
            engines[place].label(images)
            if number >= 0:
                seconds[place].append((time.perf_counter() - clock, time.process_time() - cores))
    return seconds


def main() -> None:
    """Measures all nets with all engines in all precisions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--nets", nargs="+", choices=NETS, default=NETS)
    parser.add_argument("--engines", nargs="+", default=("tensorflow", "openvino"))
    parser.add_argument("--precisions", nargs="+", default=("float32", "bfloat16"))
    parser.add_argument("--size", type=int, nargs=2, default=(384, 512), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--width", type=float, default=1.0, help="channels relative to VGG16 (1)")
    parser.add_argument("--rounds", type=int, default=9, help="images of each graph that count (9)")
    parser.add_argument("--warm-up", type=int, default=1, help="images before them that do not (1)")
    options = parser.parse_args()
    print(describe_cpu(), describe_load(), sep="\n")
    images = np.random.default_rng(1).integers(0, 256, (1, *options.size, 3), np.uint8)
    heads = ("parts", "kernels", "ratio", "fastest", "CPU", "same, parts", "kernels")
    print(f"{'net':16}{'engine':12}{'precision':10}", *(f"{head:>12}" for head in heads), flush=True)
    for name in options.nets:
        net = build_model(name, num_classes=NUM_CLASSES, width=options.width)
        draw_weights(net)
        exact = None
        for engine in options.engines:
            for precision in options.precisions:
                engines = open_pair(net, engine, precision)
                if exact is None:
                    exact = engines[0].label(images).label
                (parts, kernels) = (
                    np.array(one).T for one in measure(engines, images, options.rounds, options.warm_up)
                )
                medians = [statistics.median(one[0]) for one in (parts, kernels)]
                ratios = [
                    medians[1] / medians[0],
                    kernels[0].min() / parts[0].min(),
                    statistics.median(kernels[1]) / statistics.median(parts[1]),
                ]
                same = [np.mean(one.label(images).label == exact) for one in engines]
                print(
                    f"{name:16}{engine:12}{precision:10}",
                    *(f"{one:10.3f} s" for one in medians),
                    *(f"{one:12.2f}" for one in ratios),
                    *(f"{one:12.3%}" for one in same),
                    flush=True,
                )
    print(describe_load())


if __name__ == "__main__":
    main()
