"""Engines that are asked for more memory than there is."""

import numpy as np
import pytest
import tensorflow as tf

from fcn.classes import Classes
from fcn.errors import RunError
from fcn.inference.engine import check_scores
from fcn.inference.engines import open_engine
from fcn.inference.keras_engine import memory_errors
from fcn.inference.multi_scale import MultiScaleEngine, Views
from fcn.inference.tensorflow_engine import TensorFlowEngine
from fcn.inference.tiles import TiledEngine, least_map_bytes

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
    for words in ("RESOURCE_EXHAUSTED: Out of memory", "CUDA out of memory.", "can't allocate memory: you"):
        with pytest.raises(MemoryError, match=words[:10]), memory_errors():
            raise RuntimeError(words)
    with pytest.raises(RuntimeError, match="shapes"), memory_errors():
        raise RuntimeError("shapes differ")


def test_scores_that_alone_take_too_much_are_refused() -> None:
    check_scores(image(10, 25), 4, 4000)
    with pytest.raises(RunError, match=r"scores of 4 classes at 25 x 10 pixels .*--memory.*probabilities"):
        check_scores(image(10, 25), 4, 3999)


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
