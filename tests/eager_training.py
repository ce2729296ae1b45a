"""Trainings without graphs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import pytest


@contextmanager
def eager_training() -> Iterator[None]:
    """Makes Keras take the steps of every training within the block one operation at a time.

    For a few steps of a thin net, tracing a graph takes longer than all of them.
    """
    compile_model = keras.Model.compile

    def compile_eagerly(model: keras.Model, **options: Any) -> None:
        compile_model(model, **options | {"run_eagerly": True, "jit_compile": False})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.Model, "compile", compile_eagerly)
        yield
