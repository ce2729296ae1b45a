"""The context module: dilated convolutions of scores that start as the identity (Yu & Koltun, 2016)."""

from functools import partial
from typing import Any

import keras

from fcn.models.architecture import CONTEXT_DILATIONS, CONTEXT_PADDING, CONTEXTS

CONTEXT_LAYERS = (
    *("ctx_conv1_1", "ctx_conv1_2", "ctx_conv2_1", "ctx_conv3_1", "ctx_conv4_1", "ctx_conv5_1"),
    "ctx_fc1",
)
"""Names of the module's 3x3 convolutions, in order."""

_BOUND = -16.0
"""Lower bound at which a new module clips scores; hardly any are so low."""

_REFERENCE_LIFTS = {"basic": 16.0, "large": 8.0}
"""First value of the bias that lifts scores above the ReLUs of the published layers, which clip at zero.

It is larger than most scores, and small enough that float32 keeps the digits that count.
"""

_NOISE = 0.002
"""Standard deviation of the noise between the channels of a class, relative to the weights (section 3)."""


@keras.saving.register_keras_serializable(package="fcn")
class Identity(keras.initializers.Initializer):  # type: ignore[misc]
    """An initializer with which a convolution returns its input.

    Each class has the same number of neighboring channels. An output is the sum of its class's inputs,
    divided among the class's outputs (Yu & Koltun, equation 5). Where a class has several outputs, they get
    noise: without it they would stay equal for ever. The noise of a class adds up to zero, so the next
    layer, which adds its channels up, does not see it.

    Args:
        num_classes: How many classes there are.

    Raises:
        ValueError: When called, if the channels in or out are not a multiple of `num_classes`.

    Example:
        >>> kernel = Identity(2)((3, 3, 2, 2))
        >>> kernel[1, 1].numpy().tolist(), float(keras.ops.sum(kernel))
        ([[1.0, 0.0], [0.0, 1.0]], 2.0)
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        """Returns a kernel `[rows, columns, in, out]`."""
        rows, columns, inputs, outputs = shape
        if inputs % self.num_classes or outputs % self.num_classes:
            raise ValueError(
                f"Expected channels in multiples of {self.num_classes} classes. Received: shape={shape}."
            )
        ops = keras.ops
        copies = outputs // self.num_classes
        same = ops.repeat(ops.eye(self.num_classes), inputs // self.num_classes, axis=0)
        center = ops.repeat(same, copies, axis=1) / copies
        around = [(size // 2, size - 1 - size // 2) for size in (rows, columns)]
        kernel = ops.pad(center[None, None], [*around, (0, 0), (0, 0)])
        noise = keras.random.normal((rows, columns, inputs, self.num_classes, copies), 0.0, _NOISE / copies)
        noise = noise - ops.mean(noise, axis=-1, keepdims=True)
        return ops.cast(kernel + ops.reshape(noise, shape), dtype or "float32")

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of this initializer."""
        return {"num_classes": self.num_classes}


@keras.saving.register_keras_serializable(package="fcn")
class LowerBound(keras.layers.Layer):  # type: ignore[misc]
    """A ReLU that clips at another number than zero.

    Zero would clip about half of all scores; and scores that are all zero, as those of a new net, would
    never get a gradient. Nothing is added to lift them, so they keep all digits in bfloat16 too.

    Args:
        bound: The smallest output.

    Example:
        >>> LowerBound(-2)(keras.ops.array([-3.0, -1.0, 1.0])).numpy().tolist()
        [-2.0, -1.0, 1.0]
    """

    def __init__(self, bound: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.bound = bound

    def call(self, maps: Any) -> Any:
        """Returns the maps, clipped."""
        return keras.ops.maximum(maps, self.bound)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of this layer."""
        config: dict[str, Any] = super().get_config()
        return config | {"bound": self.bound}


def context_module(scores: Any, num_classes: int, size: str, geometry: str) -> Any:
    """Makes the layers that see more scores around each score, at the same stride.

    A new module returns its input wherever scores are well above -16. In "reference" geometry it does so only
    in float32, and with a `size` of "large" above -8.

    Args:
        scores: `float[B, H, W, num_classes]`.
        num_classes: How many classes there are.
        size: "basic" or "large".
        geometry: "same": each layer pads its input and clips at -16. "reference": the published layers, which
            clip at zero. Biases lift scores in the first layer and lower them in the last, so new modules
            learn badly at the learning rate of other layers. With "large" all padding is in front.

    Returns:
        `float[B, H, W, num_classes]`.
    """
    padding, reference = "same", geometry == "reference"
    if reference and size == "large":
        padding = "valid"
        scores = keras.layers.ZeroPadding2D(CONTEXT_PADDING, name="ctx_pad")(scores)
    for name, multiple, rate in zip(CONTEXT_LAYERS, CONTEXTS[size], CONTEXT_DILATIONS, strict=True):
        lift = _REFERENCE_LIFTS[size] / multiple if reference and name == CONTEXT_LAYERS[0] else 0.0
        scores = keras.layers.Conv2D(
            multiple * num_classes,
            3,
            padding=padding,
            dilation_rate=rate,
            kernel_initializer=Identity(num_classes),
            bias_initializer=keras.initializers.Constant(lift),
            name=name,
        )(scores)
        # A class's score is divided among its channels, and so is its lower bound.
        cut = keras.layers.ReLU if reference else partial(LowerBound, _BOUND / multiple)
        scores = cut(name=f"{name}_relu")(scores)
    return keras.layers.Conv2D(
        num_classes,
        1,
        kernel_initializer=Identity(num_classes),
        bias_initializer=keras.initializers.Constant(-_REFERENCE_LIFTS[size] if reference else 0.0),
        name="ctx_final",
    )(scores)
