"""The effective receptive field: how much each pixel changes one element of a net's output, from gradients.

It is smaller than the theoretical field: most of the gradient comes from its middle (Luo et al.,
"Understanding the effective receptive field in deep convolutional neural networks", 2016).
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt

from fcn.errors import RunError

Array = npt.NDArray[np.float32]


class EffectiveField(NamedTuple):
    """The effective receptive field of one element of a map.

    Attributes:
        shares: `float32[H, W]` (or `[L]`): share of each pixel in the gradient; the sum is 1.
        element: The element of the map, (row, column); () for an output without places.
        center: The pixel at the center of the squares below, (row, column).
        half: Side of the smallest square that holds half of the gradient, in pixels.
        most: Side of the smallest square that holds 95% of it.
    """

    shares: Array
    element: tuple[int, ...]
    center: tuple[int, ...]
    half: int
    most: int


def measure_effective_field(model: keras.Model, image: Array, seed: int = 0) -> EffectiveField | None:
    """Measures the effective field of the element in the middle of a model's output.

    The channels of the element are added up with random signs, so that no class hides another. Every Keras
    backend can do this: a summand that starts at zero is added to the image, and one step of plain gradient
    descent turns it into the gradient.

    Args:
        model: A Keras model from one image to one map. An output without the image's axes, such as a
            classifier's, belongs to the middle of the image.
        image: `float32[H, W, C]`, as the model takes it.
        seed: Random seed of the signs.

    Returns:
        The field; None if no gradient reaches the image: where all scores are still zero, where the output
        are class ids, or where the model takes whole numbers.

    Raises:
        RunError: If the model has several outputs, or its backend cannot compute the gradient.

    Example:
        >>> net = keras.Sequential([keras.Input((9, 9, 1)), keras.layers.Conv2D(1, 3, padding="same")])
        >>> found = measure_effective_field(net, np.ones((9, 9, 1), np.float32))
        >>> found.element, found.most, int(np.count_nonzero(found.shares))
        ((4, 4), 3, 9)
    """
    answers = keras.tree.flatten(model.compute_output_spec(keras.KerasTensor((1, *image.shape))))
    if len(answers) != 1:
        raise RunError(f"{model.name}: expected a model with one output. Received: {len(answers)} outputs.")
    shape = tuple(answers[0].shape[1:])
    probe = _Probe(model, image.shape)
    with _frozen(model):
        # In a graph: eagerly TensorFlow also computes the gradients of the weights, and some crash it.
        probe.compile(optimizer=keras.optimizers.SGD(1.0), loss=_weighted_sum, jit_compile=False)
        element = tuple(size // 2 for size in shape[:-1])
        wanted = np.zeros((1, *shape), np.float32)
        wanted[(0, *element)] = np.random.default_rng(seed).choice([-1.0, 1.0], shape[-1:])
        try:
            probe.train_on_batch(image[np.newaxis], wanted)
        except Exception as error:  # backends raise errors of any class
            # Keras puts the backend's message in bold below the name of a layer.
            lines = re.sub(r"\x1b\[[0-9]*m", "", str(error)).splitlines()
            reason = " ".join([line.strip() for line in lines if line.strip()][:2]) or type(error).__name__
            raise RunError(f"{model.name}: its effective field cannot be measured ({reason}).") from error
    gradient = np.abs(keras.ops.convert_to_numpy(probe.summand)).sum(axis=-1, dtype=np.float64)[0]
    total = gradient.sum()
    if not total > 0 or not np.isfinite(total):
        return None
    shares = gradient / total
    # An output without the image's axes belongs to the whole image.
    places = shape[:-1] if len(shape) == image.ndim else (1,) * (image.ndim - 1)
    found = element if len(shape) == image.ndim else (0,) * (image.ndim - 1)
    sizes = zip(found, image.shape[:-1], places, strict=True)
    # The pixel in the middle of those that the element covers.
    center = tuple(int((place + 0.5) * pixels / count) for place, pixels, count in sizes)
    half, most = (smallest_square(shares, center, share) for share in (0.5, 0.95))
    return EffectiveField(shares.astype(np.float32), element, center, half, most)


def smallest_square(shares: npt.NDArray[Any], center: tuple[int, ...], share: float) -> int:
    """Returns the side of the smallest square around a pixel that holds at least a given share.

    Args:
        shares: `float[H, W]`, at least 0, with the sum 1.
        center: The pixel.
        share: The share that it must hold, at most 1.

    Returns:
        An odd number of pixels; the square may reach beyond the border.

    Example:
        >>> smallest_square(np.full((3, 3), 1 / 9), (1, 1), 0.5)
        3
    """
    places = np.indices(shares.shape)
    middle = np.array(center).reshape(-1, *[1] * shares.ndim)
    distance = np.abs(places - middle).max(axis=0)
    held = np.cumsum(np.bincount(distance.ravel(), shares.ravel()))
    # Shares add up to 1 only up to rounding.
    return 2 * int(np.searchsorted(held, share - 1e-9)) + 1


def randomize_zero_kernels(model: keras.Model, seed: int = 0) -> tuple[str, ...]:
    """Gives random weights to the kernels that are zero everywhere, as score layers start.

    Args:
        model: The model, which is changed.
        seed: Random seed of the weights.

    Returns:
        The names of the layers.
    """
    changed = []
    for layer in model.layers:
        kernel = getattr(layer, "kernel", None)
        if kernel is None or np.any(keras.ops.convert_to_numpy(kernel)):
            continue
        kernel.assign(keras.initializers.GlorotUniform(seed=seed)(kernel.shape))
        changed.append(layer.name)
    return tuple(changed)


class _Probe(keras.Model):  # type: ignore[misc]
    """A model that adds variables, zero at first, to an image and runs another model on it in inference mode.

    A functional model would run the other model in training mode.

    Args:
        model: The model.
        shape: (height, width, channels) of the image.
    """

    def __init__(self, model: keras.Model, shape: tuple[int, ...]) -> None:
        # Keras would derive a name with a leading underscore, which TensorFlow does not accept.
        super().__init__(name="probe")
        self.model = model
        self.summand = self.add_weight(shape=(1, *shape), initializer="zeros", name="summand")

    def call(self, images: Any) -> Any:
        """Returns the output of the model."""
        # A gradient of zero, for outputs and inputs without one: whole numbers.
        self.add_loss(0.0 * keras.ops.sum(self.summand))
        (answer,) = keras.tree.flatten(self.model(images + self.summand, training=False))
        return keras.ops.cast(answer, "float32")


def _weighted_sum(weights: Any, answer: Any) -> Any:
    return keras.ops.sum(weights * answer)


@contextmanager
def _frozen(model: keras.Model) -> Iterator[None]:
    """Freezes all weights of a model for a while."""
    layers = [model, *model._flatten_layers(include_self=False)]
    before = [layer.trainable for layer in layers]
    model.trainable = False
    try:
        yield
    finally:
        for layer, trainable in zip(layers, before, strict=True):
            layer.trainable = trainable
