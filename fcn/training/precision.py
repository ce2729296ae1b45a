"""The precision of a net while it trains, and of its teacher."""

import platform
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import keras

from fcn.models.keras_defaults import keras_defaults
from fcn.models.patches import multiplying_in_training, tensorflow_on_cpu
from fcn.system.bfloat16 import bfloat16_graphs, bfloat16_instructions
from fcn.system.tensorflow_step import multiply_in_training
from fcn.system.text import print_notice


def usable_precision(wanted: str, crop_size: tuple[int, int] | None) -> str:
    """Returns the precision to compute in here, and prints a line where it is not the wanted one.

    On a CPU, TensorFlow needs instructions for bfloat16, and images of one size: with whole images, whose
    sizes vary, a step took three times as long as in float32, because oneDNN prepares its kernels for each
    size, and gradients became NaN now and then (docs/results.md).

    Args:
        wanted: "float32" or "bfloat16".
        crop_size: (height, width) of the images of a step; None for whole images.
    """
    if wanted != "bfloat16" or not tensorflow_on_cpu():
        return wanted
    if not bfloat16_instructions():
        reason = f"this CPU ({platform.machine()}) has no instructions for it"
    elif crop_size is None:
        reason = "on a CPU it is slower where the sizes of images vary (augmentation.crop_size=null)"
    else:
        return wanted
    print_notice(f"train.precision=bfloat16: {reason}; computing in float32.")
    return "float32"


@contextmanager
def computing_in(precision: str) -> Iterator[None]:
    """Makes nets that are built in the block compute in another precision; weights stay float32.

    On a CPU, TensorFlow rewrites its graphs for oneDNN's bfloat16 kernels; elsewhere it is Keras' own mixed
    precision.

    Args:
        precision: "float32" or "bfloat16", as `usable_precision` returned it.
    """
    low, rewrites = precision == "bfloat16", tensorflow_on_cpu()
    with keras_defaults():
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy("mixed_bfloat16" if low and not rewrites else "float32")
        try:
            with (
                bfloat16_graphs(low) if rewrites else nullcontext(),
                multiplying_in_training(multiply_in_training if rewrites else None),
            ):
                yield
        finally:
            keras.config.set_dtype_policy(policy)


@contextmanager
def teaching(crop_size: tuple[int, int] | None) -> Iterator[None]:
    """Makes teachers that are built in the block compute in bfloat16 where a CPU has instructions for it.

    That takes about half the time of float32, and changes the answers of a teacher less than another crop
    does (docs/decisions/0052-teachers.md). Where the net that learns computes in bfloat16, or on other
    devices than TensorFlow's CPU, the teacher has the precision of that net. Weights stay float32.

    Args:
        crop_size: (height, width) of the images of a step; None for whole images, whose sizes vary, and for
            XLA, which has no such kernels on a CPU.
    """
    policy = keras.config.dtype_policy()
    if tensorflow_on_cpu() and crop_size is not None and bfloat16_instructions():
        keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)
