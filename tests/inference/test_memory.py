"""Engines that are asked for more memory than there is."""

import os
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from process_memory import starved_program

from fcn.classes import Classes
from fcn.errors import RunError
from fcn.inference.engines.choose import open_engine
from fcn.inference.engines.engine import check_scores, memory_errors
from fcn.inference.engines.openvino import _Program
from fcn.inference.engines.tensorflow import TensorFlowEngine
from fcn.inference.tiling.memory import least_map_bytes
from fcn.inference.tiling.tiles import TiledEngine
from fcn.inference.views import MultiScaleEngine, Views

pytestmark = pytest.mark.slow

CLASSES = Classes.named(("sky", "sea"))


def image(height: int, width: int) -> np.ndarray:
    return np.zeros((1, height, width, 3), np.uint8)


def test_tensorflow_says_that_memory_does_not_suffice() -> None:
    def terabytes(images: tf.Tensor) -> tf.Tensor:
        return tf.zeros([tf.shape(images)[0] * 2**20, 2**10, 2**10, 2])

    engine = TensorFlowEngine(CLASSES, terabytes, "float32")
    for compute in (engine.label, engine.logits):
        with pytest.raises(MemoryError, match="OOM"):
            compute(image(8, 8))


def test_other_backends_say_so_and_other_errors_stay() -> None:
    for words in (
        "RESOURCE_EXHAUSTED: Out of memory",
        "CUDA out of memory.",
        "can't allocate memory: you",
        *(
            "std::bad_alloc",
            "Failed to allocate 36 bytes of memory",
            "node 'a' can't alloc",
            "Could not allocate",
            "XNNPack delegate failed to reshape runtimeNode number 136 (TfLiteXNNPackDelegate) failed to",
        ),
    ):
        with pytest.raises(MemoryError, match=words[:10]), memory_errors():
            raise RuntimeError(words)
    with pytest.raises(RuntimeError, match="shapes"), memory_errors():
        raise RuntimeError("shapes differ")


def test_scores_that_alone_take_too_much_are_refused() -> None:
    check_scores(image(10, 25), 4, 4000)
    with pytest.raises(RunError, match=r"scores of 4 classes at 25 x 10 pixels .*--memory.*probabilities"):
        check_scores(image(10, 25), 4, 3999)


def test_views_take_more_than_their_sum(thin_net) -> None:
    engine = open_engine(thin_net(32, width=1 / 64, fc_channels=4))
    scores = 4 * 20 * 30 * len(engine.classes.names)
    for views, copies in ((Views(True, (1.0,)), 4), (Views(False, (0.5, 2.0)), 9)):
        assert MultiScaleEngine(engine, views, scores * copies).label(image(20, 30)).label.shape == (
            1,
            20,
            30,
        )
        with pytest.raises(RunError, match="--scales"):
            MultiScaleEngine(engine, views, scores * copies - 1).label(image(20, 30))


def test_engines_refuse_them_and_still_label(thin_net) -> None:
    engine = open_engine(thin_net(32, width=1 / 64, fc_channels=4))
    least = least_map_bytes(engine)
    tiled = TiledEngine(engine, least, score_bytes=least)
    # Long enough that the scores are more than the maps of a window.
    long = image(16, 1 + least // (4 * 16 * len(engine.classes.names)))
    with pytest.raises(RunError, match="leave out probabilities"):
        tiled.logits(long)
    shrunk = MultiScaleEngine(tiled, Views(False, (0.1,)), least)
    with pytest.raises(RunError, match="and --scales"):
        shrunk.label(long)
    assert shrunk.label(image(20, 30)).label.shape == (1, 20, 30)


class Request:
    """A request that infers until memory runs out; after that it always fails."""

    def __init__(self, fails: Callable[[int], None]) -> None:
        self.output_tensors = [SimpleNamespace(data=np.zeros((1, 1, 1), np.uint8))]
        self.fails, self.spoiled = fails, False

    def infer(self, inputs: list[np.ndarray], share_inputs: bool) -> None:
        (images,) = inputs
        self.spoiled = self.spoiled or images.size > 1000
        if self.spoiled:
            self.fails(images.size)
        else:
            self.output_tensors[0].data = images[..., 0]


def says(size: int) -> None:
    raise RuntimeError(f"Exception from cpu_memory.cpp:257:\nFailed to allocate {size} bytes of memory\n")


@pytest.mark.parametrize("fails", [says, lambda size: None])
def test_openvino_is_of_use_again_after_an_image_that_was_too_large(fails: Callable[[int], None]) -> None:
    program = _Program(lambda: Request(fails))
    assert program.run(image(8, 8))[0].shape == (1, 8, 8)
    with pytest.raises(MemoryError, match="allocate"):
        program.run(image(80, 80))
    assert program.run(image(8, 9))[0].shape == (1, 8, 9)


OPENING = """
from fcn.models.fcn import FCN
engine = open_engine(FCN(num_classes=3, width=1 / 16, fc_channels=8), "openvino")
"""


def test_openvino_that_runs_out_of_memory_goes_on() -> None:
    pytest.importorskip("openvino")
    done = subprocess.run(
        [sys.executable, "-c", starved_program(OPENING)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ,
    )
    assert done.stdout == "too large\n(1, 64, 64)\n", done.stderr
