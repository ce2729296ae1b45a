"""Trainings without graphs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import keras
import tensorflow as tf

from fcn.inference.engines.tensorflow import TensorFlowEngine


@contextmanager
def eager_training() -> Iterator[None]:
    """Makes every training within the block take its steps, and label its images, one operation at a time.

    For a few steps and images of a thin net, tracing graphs takes longer than all of them. A training traces
    one for its steps, and two for each net that it scores and shows.
    """
    compile_model = keras.Model.compile

    def compile_eagerly(model: keras.Model, **options: Any) -> None:
        compile_model(model, **options | {"run_eagerly": True, "jit_compile": False})

    def label_eagerly(engine: TensorFlowEngine, function: Any, images: Any) -> Any:
        return function.python_function(tf.convert_to_tensor(images))

    with (
        patch.object(keras.Model, "compile", compile_eagerly),
        patch.object(TensorFlowEngine, "_run", label_eagerly),
    ):
        yield
