"""A copy of a backbone without padding: its output for a window depends only on that window."""

from typing import Any

import keras

from fcn.errors import RunError
from fcn.models.fully_connected import clone, copy_weights

_CONVOLUTIONS_AND_POOLS = (
    keras.layers.AveragePooling2D,
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv2D,
    keras.layers.MaxPooling2D,
    keras.layers.SeparableConv2D,
)
Size = tuple[int, int]


def map_size(backbone: keras.Model, size: Size) -> Size:
    """Returns (height, width) of a backbone's map for an image of a given size.

    Example:
        >>> layers = [keras.Input((None, None, 3)), keras.layers.MaxPooling2D(4)]
        >>> map_size(keras.Sequential(layers), (32, 41))
        (8, 10)
    """
    shape = backbone.compute_output_shape((1, *size, backbone.inputs[0].shape[-1]))
    return shape[1], shape[2]


def find_stride(backbone: keras.Model, size: Size) -> Size:
    """Returns the distance between neighboring cells of a map in pixels, (down, right).

    Args:
        backbone: From `[B, None, None, C]` to a map.
        size: (height, width) of an image that is large enough for it.

    Raises:
        RunError: If it is not a whole number of pixels.

    Example:
        >>> net = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(2, 3, 2)])
        >>> net.add(keras.layers.MaxPooling2D(2))
        >>> find_stride(net, (32, 32))
        (4, 4)
    """
    # A multiple of every likely stride, so that rounding at the border is the same before and after. Only
    # sizes are computed.
    growth = 2**10 * 3**3 * 5 * 7 * 11
    height, width = size
    rows, columns = map_size(backbone, size)
    down = map_size(backbone, (height + growth, width))[0] - rows
    right = map_size(backbone, (height, width + growth))[1] - columns
    if min(down, right) <= 0 or growth % down or growth % right:
        raise RunError(
            "Expected a map that grows by one cell per whole number of pixels. Received: "
            f"{backbone.name!r}, whose map grows by {(down, right)} cells per {growth} pixels."
        )
    return growth // down, growth // right


def padding_layers(backbone: keras.Model) -> tuple[str, ...]:
    """Returns the names of the layers that pad a map with zeros.

    Example:
        >>> conv = keras.layers.Conv2D(2, 3, padding="same", name="conv")
        >>> padding_layers(keras.Sequential([keras.Input((8, 8, 3)), conv]))
        ('conv',)
    """
    return tuple(layer.name for layer in backbone.layers if _unpadded(layer))


def _unpadded(layer: Any) -> dict[str, Any]:
    """Returns the settings with which a layer does not pad; none for a layer that never does."""
    if isinstance(layer, keras.layers.ZeroPadding2D):
        return {"padding": 0}
    size = getattr(layer, "kernel_size", getattr(layer, "pool_size", (1, 1)))
    pads = isinstance(layer, _CONVOLUTIONS_AND_POOLS) and layer.padding == "same" and max(size) > 1
    return {"padding": "valid"} if pads else {}


class Unpadded:
    """A backbone with the same weights, but without padding.

    Branches without padding lose different amounts at the border, so maps that are joined are cropped around
    their middle to the size of the smallest. The crops depend on the size of the image, so there is a model
    for each size; all share their layers.

    Args:
        backbone: A functional model from `[B, None, None, C]` to a map.
        window: (height, width) of the map for an image of `size`.
        trained_size: (height, width) of an image for which the backbone's map has this size.

    Attributes:
        size: (height, width) of the image for which the copy's map has the size `window`.

    Raises:
        RunError: If no size of an image gives such a map.
    """

    def __init__(self, backbone: keras.Model, window: Size, trained_size: Size) -> None:
        self._backbone = backbone
        self._layers: dict[str, Any] = {}
        strides = find_stride(backbone, trained_size)
        self.size = trained_size
        cells = (0, 0)
        # Without padding a map is smaller, so images grow until every layer has enough input.
        for doubling in range(10):
            self.size = tuple(
                side + stride * 2**doubling for side, stride in zip(trained_size, strides, strict=True)
            )
            try:
                cells = self.at(self.size).output.shape[1:3]
            except ValueError:
                continue
            if min(cells) > 0:
                break
        # One stride more or less is one cell more or less.
        height, width = (
            side + stride * (goal - count)
            for side, stride, goal, count in zip(self.size, strides, window, cells, strict=True)
        )
        self.size = height, width
        fitting = self.at(self.size).output.shape[1:3]
        if fitting != window:
            raise RunError(f"Expected a map of {window} without padding. Received: {fitting}.")

    def at(self, size: Size) -> keras.Model:
        """Returns the backbone without padding for images of one size, (height, width)."""
        source = self._backbone.inputs[0]
        images = keras.Input((*size, source.shape[-1]), dtype=source.dtype)
        model = keras.models.clone_model(
            self._backbone, clone_function=self._clone, call_function=_call, input_tensors=images
        )
        for layer in self._backbone.layers:
            if layer.name in self._layers:
                copy_weights(layer, self._layers[layer.name])
        return model

    def _clone(self, layer: Any) -> Any:
        return self._layers.setdefault(layer.name, clone(layer, **_unpadded(layer)))


def _call(layer: Any, *args: Any, **kwargs: Any) -> Any:
    tensors = [x for x in keras.tree.flatten((args, kwargs)) if isinstance(x, keras.KerasTensor)]
    height, width = (min(tensor.shape[axis] for tensor in tensors) for axis in (1, 2))

    def fit(value: Any) -> Any:
        if not isinstance(value, keras.KerasTensor) or value.shape[1:3] == (height, width):
            return value
        over = value.shape[1] - height, value.shape[2] - width
        edges = [(pixels // 2, pixels - pixels // 2) for pixels in over]
        return keras.layers.Cropping2D(edges, data_format="channels_last")(value)

    args, kwargs = keras.tree.map_structure(fit, (args, kwargs))
    return layer(*args, **kwargs)
