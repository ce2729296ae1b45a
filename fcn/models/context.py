"""The context module: dilated convolutions of scores, that begin by changing nothing (Yu & Koltun, 2016)."""

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
"""Below this a new module cuts scores off; hardly any are so low."""
_REFERENCE_LIFTS = {"basic": 16.0, "large": 8.0}
"""What published layers, which cut off at zero, begin with in front of the first ReLU and behind the last.

Larger than most scores, small enough to cost them no digits of float32 that count.
"""
_NOISE = 0.002
"""Standard deviation of the noise that tells copies of a class apart, relative to the weights (section 3)."""


@keras.saving.register_keras_serializable(package="fcn")
class Identity(keras.initializers.Initializer):  # type: ignore[misc]
    """Starts a convolution so that it passes on what it gets.

    Channels belong to classes, an equal number of neighbors to each. An output is the sum of its class's
    inputs, divided among the class's outputs (Yu & Koltun, equation 5). Where a class has several, they get
    noise, without which they would stay the same for ever; their noises add up to zero, so that the next
    layer, which adds them up, sees none.

    Args:
        num_classes: How many classes there are.

    Raises:
        ValueError: When called, if the channels in or out are no multiple of `num_classes`.

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
        """Returns the arguments that make this initializer again."""
        return {"num_classes": self.num_classes}


@keras.saving.register_keras_serializable(package="fcn")
class LowerBound(keras.layers.Layer):  # type: ignore[misc]
    """A ReLU that cuts off below another number than zero.

    Zero would cut off about half of all scores; and scores that are all zero, as those of a new net, would
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
        """Returns what is larger, element by element."""
        return keras.ops.maximum(maps, self.bound)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make this layer again."""
        config: dict[str, Any] = super().get_config()
        return config | {"bound": self.bound}


def context_module(scores: Any, num_classes: int, size: str, geometry: str) -> Any:
    """Looks at scores from farther away, at their own stride.

    The first output is the input, wherever scores are well above -16; in "reference" geometry above -8 where
    `size` is "large", and in float32 alone.

    Args:
        scores: `float[B, H, W, num_classes]`.
        num_classes: How many classes there are.
        size: "basic" or "large".
        geometry: "same": each layer pads itself and cuts off at -16. "reference": the layers as published,
            which cut off at zero: scores are lifted in front of the first and lowered behind the last, which
            makes new ones learn badly at the rates of other layers; for "large" all zeros of the padding
            in front of the first.

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
        # A class's score is divided among its channels, and so is where it is cut off.
        cut = keras.layers.ReLU if reference else partial(LowerBound, _BOUND / multiple)
        scores = cut(name=f"{name}_relu")(scores)
    return keras.layers.Conv2D(
        num_classes,
        1,
        kernel_initializer=Identity(num_classes),
        bias_initializer=keras.initializers.Constant(-_REFERENCE_LIFTS[size] if reference else 0.0),
        name="ctx_final",
    )(scores)
