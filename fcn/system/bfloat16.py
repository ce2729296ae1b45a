"""Support for bfloat16 in the CPU and in TensorFlow."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}
"""Linux' names of the instructions that multiply bfloat16 numbers."""


def bfloat16_instructions() -> tuple[str, ...]:
    """Returns Linux' names of the CPU's bfloat16 instructions; none where it does not list them."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return ()
    flags = next((line for line in text.splitlines() if line.startswith(("flags", "Features"))), "")
    return tuple(sorted(_BFLOAT16_FLAGS & set(flags.split())))


@contextmanager
def bfloat16_graphs(wanted: bool) -> Iterator[None]:
    """Sets whether TensorFlow rewrites graphs that first run inside for oneDNN's bfloat16 kernels.

    Weights, inputs and outputs of a graph stay float32. Only graphs that this thread calls are concerned:
    `tf.config.optimizer` would set it for the process, and so for engines that compute in other threads.

    Args:
        wanted: Whether to rewrite them.
    """
    # TensorFlow has no public name for the options of one thread.
    from tensorflow.core.protobuf.config_pb2 import ConfigProto
    from tensorflow.core.protobuf.rewriter_config_pb2 import RewriterConfig
    from tensorflow.python.eager.context import FunctionCallOptions, context

    before = context().function_call_options
    config = ConfigProto.FromString(before.config_proto_serialized)
    config.graph_options.rewrite_options.auto_mixed_precision_onednn_bfloat16 = (
        RewriterConfig.ON if wanted else RewriterConfig.OFF
    )
    context().function_call_options = FunctionCallOptions(before.executor_type, config)
    try:
        yield
    finally:
        context().function_call_options = before
