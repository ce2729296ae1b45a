"""The context module: dilated convolutions of scores, that begin by changing nothing (Yu & Koltun, 2016)."""

from typing import Any

import keras

from fcn.models.geometry import CONTEXT_DILATIONS, CONTEXT_PADDING

CONTEXTS = {"basic": (1, 1, 1, 1, 1, 1, 1), "large": (2, 2, 4, 8, 16, 32, 32)}
"""Channels of the module's 3x3 convolutions, relative to the number of classes (table 1 of the paper)."""

CONTEXT_LAYERS = (
    *("ctx_conv1_1", "ctx_conv1_2", "ctx_conv2_1", "ctx_conv3_1", "ctx_conv4_1", "ctx_conv5_1"),
    "ctx_fc1",
)
"""Names of these convolutions, in order."""
_LIFTS = {"basic": 16.0, "large": 8.0}
"""What is added to scores in front of the first ReLU and taken off behind the last.

ReLUs cut off what is negative, as half of all scores are, and scores that are all zero, as those of a new
net, would never get a gradient. Larger than most scores, small enough to cost them no digits that count,
of which more are lost where many copies of a class are added up.
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


def context_module(scores: Any, num_classes: int, size: str, geometry: str) -> Any:
    """Looks at scores from farther away, at their own stride.

    The first output is the input, wherever scores are well above -16, or -8 where `size` is "large".

    Args:
        scores: `float[B, H, W, num_classes]`.
        num_classes: How many classes there are.
        size: "basic" or "large".
        geometry: "same": each layer pads itself. "reference": as published, which for "large" means all
            zeros in front of the first layer.

    Returns:
        `float[B, H, W, num_classes]`.
    """
    padding = "same"
    if geometry == "reference" and size == "large":
        padding = "valid"
        scores = keras.layers.ZeroPadding2D(CONTEXT_PADDING, name="ctx_pad")(scores)
    for name, multiple, rate in zip(CONTEXT_LAYERS, CONTEXTS[size], CONTEXT_DILATIONS, strict=True):
        lift = _LIFTS[size] / multiple if name == CONTEXT_LAYERS[0] else 0.0
        scores = keras.layers.Conv2D(
            multiple * num_classes,
            3,
            padding=padding,
            dilation_rate=rate,
            kernel_initializer=Identity(num_classes),
            bias_initializer=keras.initializers.Constant(lift),
            name=name,
        )(scores)
        scores = keras.layers.ReLU(name=f"{name}_relu")(scores)
    return keras.layers.Conv2D(
        num_classes,
        1,
        kernel_initializer=Identity(num_classes),
        bias_initializer=keras.initializers.Constant(-_LIFTS[size]),
        name="ctx_final",
    )(scores)
