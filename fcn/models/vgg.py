"""VGG16 (Simonyan & Zisserman, 2015) with its fully connected layers turned into convolutions."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras

from fcn.models import patches
from fcn.models.architecture import (
    FC6_DILATIONS,
    FC6_KERNEL_SIZE,
    FC6_KERNEL_SIZES,
    REFERENCE_PADDING,
    VGG16_BLOCKS,
)
from fcn.models.arguments import NetArguments


@keras.saving.register_keras_serializable(package="fcn")
class ImageNormalization(keras.layers.Layer):  # type: ignore[misc]
    """A layer that normalizes pixels as the first convolution expects them: `(pixels - mean) * scale`.

    Input: `[B, H, W, 3]` RGB, 0 to 255. Output: `float[B, H, W, 3]` in `channel_order`.

    Args:
        channel_order: "rgb" or "bgr": the order the weights expect.
        mean: Mean of each channel, 0 to 255, in that order.
        scale: Factor of each channel, in that order.
    """

    def __init__(
        self,
        channel_order: str,
        mean: Sequence[float],
        scale: Sequence[float],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if channel_order not in ("rgb", "bgr"):
            raise ValueError(f'Expected "rgb" or "bgr". Received: channel_order={channel_order!r}.')
        self.channel_order = channel_order
        self.mean = tuple(mean)
        self.scale = tuple(scale)

    def call(self, images: Any) -> Any:
        """Returns the normalized images."""
        images = keras.ops.cast(images, self.compute_dtype)
        if self.channel_order == "bgr":
            images = keras.ops.flip(images, axis=-1)
        mean = keras.ops.convert_to_tensor(self.mean, images.dtype)
        return (images - mean) * keras.ops.convert_to_tensor(self.scale, images.dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of this layer."""
        config: dict[str, Any] = super().get_config()
        return config | {"channel_order": self.channel_order, "mean": self.mean, "scale": self.scale}


class Features(NamedTuple):
    """The maps of VGG16 that score layers read, `float[B, H / n, W / n, C]`, with sizes rounded up.

    Attributes:
        pool3: n = 8.
        pool4: n = 16.
        fc7: n = 32.
    """

    pool3: Any
    pool4: Any
    fc7: Any


def convolution(
    x: Any,
    filters: int,
    kernel_size: int,
    name: str,
    batch_normalization: bool,
    padding: str = "same",
    dilation_rate: int = 1,
) -> Any:
    """Applies a convolution, batch normalization if asked for, and a ReLU.

    Args:
        x: `float[B, H, W, C]`.
        filters: Channels out.
        kernel_size: Height and width of the kernel.
        name: Name of the convolution; the batch normalization's is `NAME_bn`.
        batch_normalization: Whether to normalize; the convolution then has no bias of its own.
        padding: "same" keeps the size; "valid" takes only places where all of the kernel has inputs.
        dilation_rate: Distance between the taps of the kernel.

    Returns:
        `float[B, H, W, filters]`; with "valid" fewer rows and columns.
    """
    layer = patches.Conv2D if kernel_size == FC6_KERNEL_SIZE else keras.layers.Conv2D
    x = layer(
        filters,
        kernel_size,
        padding=padding,
        dilation_rate=dilation_rate,
        use_bias=not batch_normalization,
        kernel_initializer="he_normal",
        name=name,
    )(x)
    if batch_normalization:
        # Statistics over some tens of steps: short trainings are scored with up-to-date ones.
        x = keras.layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x)


def block_convolutions(
    x: Any,
    block: int,
    arguments: NetArguments,
    paddings: tuple[str, str] = ("same", "same"),
    dilation_rate: int = 1,
) -> Any:
    """Applies the convolutions of one of VGG16's blocks.

    Args:
        x: `float[B, H, W, C]`.
        block: Number of the block, 1 to 5.
        arguments: The arguments of the net.
        paddings: "same" or "valid", of the first convolution and of the others.
        dilation_rate: Distance between the taps of the kernels.
    """
    channels = arguments.layer_channels()
    for index in range(1, VGG16_BLOCKS[block - 1][1] + 1):
        name = f"block{block}_conv{index}"
        padding = paddings[0] if index == 1 else paddings[1]
        normalizes = arguments.batch_normalization
        x = convolution(x, channels[name], 3, name, normalizes, padding, dilation_rate)
    return x


def fully_connected(
    x: Any, arguments: NetArguments, padding: str, kernel_size: int, dilation_rate: int
) -> Any:
    """Applies fc6 and fc7, read as convolutions.

    Args:
        x: `float[B, H, W, C]`, the last block's map.
        arguments: The arguments of the net.
        padding: "same" or "valid".
        kernel_size: Kernel size of fc6; that of fc7 is 1.
        dilation_rate: Dilation of fc6.
    """
    channels = arguments.layer_channels()
    for name, size, rate in (("fc6", kernel_size, dilation_rate), ("fc7", 1, 1)):
        x = convolution(x, channels[name], size, name, arguments.batch_normalization, padding, rate)
        x = keras.layers.Dropout(arguments.dropout, name=f"{name}_dropout")(x)
    return x


def vgg16_features(images: Any, arguments: NetArguments) -> Features:
    """Applies the convolutional VGG16 up to fc7.

    fc6 is the first fully connected layer read as a 7x7 convolution over pool5, fc7 the second as a
    1x1 convolution (Long et al., section 3.1). Pooling rounds odd sizes up, so no pixel is lost.

    Args:
        images: `float[B, H, W, 3]`, normalized.
        arguments: The arguments of the net.
    """
    x, reference = images, arguments.geometry == "reference"
    if reference:
        # All padding is added here and none by the first convolution: OpenVINO's converter merges both, and
        # drops what a convolution with padding "same" would have added.
        x = keras.layers.ZeroPadding2D(REFERENCE_PADDING, name="block1_pad")(x)
    pools = []
    for block in range(1, len(VGG16_BLOCKS) + 1):
        first_padding = "valid" if reference and block == 1 else "same"
        x = block_convolutions(x, block, arguments, (first_padding, "same"))
        x = keras.layers.MaxPooling2D(2, padding="same", name=f"block{block}_pool")(x)
        pools.append(x)
    padding = "valid" if reference else "same"
    size, rate = FC6_KERNEL_SIZES[arguments.fc6], FC6_DILATIONS[arguments.fc6]
    fc7 = fully_connected(x, arguments, padding, size, rate)
    return Features(pool3=pools[2], pool4=pools[3], fc7=fc7)
