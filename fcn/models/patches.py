"""Convolutions with large kernels over small maps, computed as one matrix product each."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import keras

from fcn.models.architecture import SMALLEST_BLOCK

_GATHERED = ContextVar("gathered", default=True)
_TRAINED_BY: ContextVar[Callable[[Any, Any], Any] | None] = ContextVar("_TRAINED_BY", default=None)


@contextmanager
def ordinary_convolutions() -> Iterator[None]:
    """Traces every convolution as an ordinary one, for programs that read graphs.

    Example:
        >>> with ordinary_convolutions():
        ...     Conv2D(4, 7, padding="same")(keras.ops.ones((1, 3, 5, 2))).shape.as_list()
        [1, 3, 5, 4]
    """
    token = _GATHERED.set(False)
    try:
        yield
    finally:
        _GATHERED.reset(token)


@contextmanager
def multiplying_in_training(multiply: Callable[[Any, Any], Any] | None) -> Iterator[None]:
    """Multiplies patches with kernels by another function where a training is traced in this thread.

    Args:
        multiply: Takes `float[..., N]` and `float[N, M]`, and returns their product; None for Keras' own.
    """
    token = _TRAINED_BY.set(multiply)
    try:
        yield
    finally:
        _TRAINED_BY.reset(token)


# Named as Keras' own, because a `.keras` file stores weights under the name of their layer's class: files
# that were written before this class existed, and by other backends, are read alike.
@keras.saving.register_keras_serializable(package="fcn")
class Conv2D(keras.layers.Conv2D):  # type: ignore[misc]
    """A `Conv2D` that on a CPU under TensorFlow gathers its patches and multiplies them with the kernel.

    fc6 has a kernel of 7x7 over a map that is hardly larger, and 4,096 channels. As a fully connected layer
    over patches it takes a third of the time there; results differ only by rounding. Elsewhere it is an
    ordinary convolution. Arguments as in `keras.layers.Conv2D`, with strides and dilation of 1.

    Input: `[B, H, W, C]`. Output: `float[B, H, W, filters]`, with padding "valid" fewer rows and columns.

    Example:
        >>> Conv2D(4, 7, padding="same")(keras.ops.ones((1, 3, 5, 2))).shape.as_list()
        [1, 3, 5, 4]
    """

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Returns the convolution of a map."""
        if (
            not (_GATHERED.get() and tensorflow_on_cpu())
            or self.strides != (1, 1)
            or self.dilation_rate != (1, 1)
            or self.groups != 1
            or self.data_format != "channels_last"
        ):
            return super().call(inputs)
        ops = keras.ops
        rows, columns = self.kernel_size
        if self.padding == "same":
            before = [(size - 1) // 2 for size in self.kernel_size]
            after = [size // 2 for size in self.kernel_size]
            edges = list(zip(before, after, strict=True))
            inputs = ops.pad(inputs, [(0, 0), *edges, (0, 0)])
        # Ends are counted from the last row and column. Sums of sizes that are known only when the net runs
        # would add several operations to a graph for each slice.
        patches = [
            inputs[:, row : row - rows + 1 or None, column : column - columns + 1 or None, :]
            for row in range(rows)
            for column in range(columns)
        ]
        kernel = ops.reshape(self.kernel, (-1, self.filters))
        special = _TRAINED_BY.get()
        multiply = special if special and training and _learns_in_front(self) else ops.matmul
        outputs = multiply(ops.concatenate(patches, axis=-1), kernel)
        if self.use_bias:
            outputs = outputs + self.bias
        return self.activation(outputs) if self.activation is not None else outputs


@keras.saving.register_keras_serializable(package="fcn")
class Conv2DTranspose(keras.layers.Conv2DTranspose):  # type: ignore[misc]
    """A `Conv2DTranspose` that on a CPU under TensorFlow computes whole blocks of its output as one product.

    With a kernel twice as large as its stride, the output consists of blocks of `strides` x `strides`, and
    four neighboring inputs contribute to each. From a stride of 8 on this takes a tenth of the time or less
    in bfloat16, and about the same in float32; results differ only by rounding. Elsewhere, and with other
    kernels, it is an ordinary transposed convolution. Arguments as in `keras.layers.Conv2DTranspose`.

    Input: `[B, H, W, C]`. Output: `float[B, strides * H, strides * W, filters]`; with padding "valid"
    `strides` more rows and columns.

    Example:
        >>> Conv2DTranspose(4, 32, strides=16, padding="same")(keras.ops.ones((1, 3, 5, 2))).shape.as_list()
        [1, 48, 80, 4]
    """

    def call(self, inputs: Any) -> Any:
        """Returns the larger map."""
        stride = self.strides[0]
        if (
            not (_GATHERED.get() and tensorflow_on_cpu())
            or stride < SMALLEST_BLOCK  # where blocks are slower
            or self.strides != (stride, stride)
            or self.kernel_size != (2 * stride, 2 * stride)
            or self.dilation_rate != (1, 1)
            or self.output_padding is not None
            or self.data_format != "channels_last"
        ):
            return super().call(inputs)
        ops = keras.ops
        around = ops.pad(inputs, [(0, 0), (1, 1), (1, 1), (0, 0)])
        # Block i of the rows is reached by input i with the first half of the kernel, and by the input
        # before it with the second.
        halves = (slice(1, None), slice(None, -1))
        reaching = ops.concatenate(
            [around[:, rows, columns] for rows in halves for columns in halves], axis=-1
        )
        kernel = ops.reshape(self.kernel, (2, stride, 2, stride, self.filters, -1))
        kernel = ops.reshape(ops.transpose(kernel, (0, 2, 5, 1, 3, 4)), (-1, stride * stride * self.filters))
        height, width = ops.shape(reaching)[1:3]
        blocks = ops.reshape(ops.matmul(reaching, kernel), (-1, height, width, stride, stride, self.filters))
        outputs = ops.reshape(
            ops.transpose(blocks, (0, 1, 3, 2, 4, 5)), (-1, height * stride, width * stride, self.filters)
        )
        if self.padding == "same":
            edge = stride // 2
            outputs = outputs[:, edge : edge - stride, edge : edge - stride]
        if self.use_bias:
            outputs = outputs + self.bias
        return self.activation(outputs) if self.activation is not None else outputs


def tensorflow_on_cpu() -> bool:
    """Returns whether Keras computes with TensorFlow on a CPU."""
    return keras.backend.backend() == "tensorflow" and not keras.distribution.list_devices("gpu")


def _learns_in_front(layer: keras.layers.Layer) -> bool:
    """Returns whether a layer in front of this one is trained, so that gradients pass through its input.

    A layer outside of a functional model has none in front.
    """
    ahead, seen = [layer], {layer}
    while ahead:
        nodes = ahead.pop()._inbound_nodes
        operations = {tensor._keras_history.operation for node in nodes for tensor in node.input_tensors}
        if any(getattr(operation, "trainable_weights", None) for operation in operations):
            return True
        ahead += operations - seen  # a layer may be applied more than once
        seen |= operations
    return False
