"""How much each pixel of an image moves one element of a net's answer, measured from gradients.

What an element can see and what it looks at are two things: most of the gradient comes from the middle of
the theoretical field (Luo et al., "Understanding the effective receptive field in deep convolutional neural
networks", 2016).
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
    """What one element of a map looks at.

    Attributes:
        shares: `float32[H, W]` (or `[L]`): share of each pixel in the gradient; the sum is 1.
        element: Which element of the map it is, (row, column); () of an answer without places.
        center: Pixel around which the squares below lie, (row, column).
        half: Side of the smallest square around it that holds half of the gradient, in pixels.
        most: Side of the one that holds 95% of it.
    """

    shares: Array
    element: tuple[int, ...]
    center: tuple[int, ...]
    half: int
    most: int


def measure_effective_field(model: keras.Model, image: Array, seed: int = 0) -> EffectiveField | None:
    """Measures what the element in the middle of a model's answer looks at.

    The channels of the element are added up with random signs, so that no class hides another. Any Keras
    backend computes it: the image gets a summand that starts at zero, and one step of plain gradient descent
    turns it into the gradient.

    Args:
        model: A Keras model from one image to one map. Where that has not the image's axes, as a classifier's
            answer, its element belongs to the middle of the image.
        image: `float32[H, W, C]`, as the model takes it.
        seed: Where the signs come from.

    Returns:
        The field; None if no gradient reaches the image, as of scores that still are zero everywhere,
        of class ids, or where the model takes whole numbers.

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
        # In a graph: outside, TensorFlow also computes the gradients of the weights, and dies of some.
        probe.compile(optimizer=keras.optimizers.SGD(1.0), loss=_weighted_sum, jit_compile=False)
        element = tuple(size // 2 for size in shape[:-1])
        wanted = np.zeros((1, *shape), np.float32)
        wanted[(0, *element)] = np.random.default_rng(seed).choice([-1.0, 1.0], shape[-1:])
        try:
            probe.train_on_batch(image[np.newaxis], wanted)
        except Exception as error:  # Backends raise whatever they like, of a layer's name too.
            # Keras says in bold, below the name of a layer, what its backend said.
            said = re.sub(r"\x1b\[[0-9]*m", "", str(error)).splitlines()
            reason = " ".join([line.strip() for line in said if line.strip()][:2]) or type(error).__name__
            raise RunError(f"{model.name}: its effective field cannot be measured ({reason}).") from error
    gradient = np.abs(keras.ops.convert_to_numpy(probe.summand)).sum(axis=-1, dtype=np.float64)[0]
    total = gradient.sum()
    if not total > 0 or not np.isfinite(total):
        return None
    shares = gradient / total
    # Without an axis for each of the image's, the answer is one of the whole image.
    places = shape[:-1] if len(shape) == image.ndim else (1,) * (image.ndim - 1)
    found = element if len(shape) == image.ndim else (0,) * (image.ndim - 1)
    sizes = zip(found, image.shape[:-1], places, strict=True)
    # The pixel in the middle of those that the element stands for.
    center = tuple(int((place + 0.5) * pixels / count) for place, pixels, count in sizes)
    half, most = (smallest_square(shares, center, share) for share in (0.5, 0.95))
    return EffectiveField(shares.astype(np.float32), element, center, half, most)


def smallest_square(shares: npt.NDArray[Any], center: tuple[int, ...], share: float) -> int:
    """Returns the side of the smallest square around a pixel that holds at least a share of everything.

    Args:
        shares: `float[H, W]`, at least 0, with the sum 1.
        center: The pixel.
        share: How much it has to hold, at most 1.

    Returns:
        An odd number of pixels; the square may reach over the border.

    Example:
        >>> smallest_square(np.full((3, 3), 1 / 9), (1, 1), 0.5)
        3
    """
    places = np.indices(shares.shape)
    middle = np.array(center).reshape(-1, *[1] * shares.ndim)
    distance = np.abs(places - middle).max(axis=0)
    held = np.cumsum(np.bincount(distance.ravel(), shares.ravel()))
    # Sums of shares come to 1 but for their rounding.
    return 2 * int(np.searchsorted(held, share - 1e-9)) + 1


def awaken(model: keras.Model, seed: int = 0) -> tuple[str, ...]:
    """Gives random weights to the kernels that are zero everywhere, as score layers start.

    Args:
        model: Is changed.
        seed: Where the weights come from.

    Returns:
        The names of the layers.
    """
    awakened = []
    for layer in model.layers:
        kernel = getattr(layer, "kernel", None)
        if kernel is None or np.any(keras.ops.convert_to_numpy(kernel)):
            continue
        kernel.assign(keras.initializers.GlorotUniform(seed=seed)(kernel.shape))
        awakened.append(layer.name)
    return tuple(awakened)


class _Probe(keras.Model):  # type: ignore[misc]
    """Adds variables that start at zero to an image, and has a model answer as it does outside training.

    A functional model would pass on that it is trained.

    Args:
        model: The model.
        shape: (height, width, channels) of the image.
    """

    def __init__(self, model: keras.Model, shape: tuple[int, ...]) -> None:
        # TensorFlow takes no name with an underscore in front, as Keras would make of the class.
        super().__init__(name="probe")
        self.model = model
        self.summand = self.add_weight(shape=(1, *shape), initializer="zeros", name="summand")

    def call(self, images: Any) -> Any:
        """Returns the answer."""
        # A gradient of nothing, for answers and inputs that have none: whole numbers.
        self.add_loss(0.0 * keras.ops.sum(self.summand))
        (answer,) = keras.tree.flatten(self.model(images + self.summand, training=False))
        return keras.ops.cast(answer, "float32")


def _weighted_sum(weights: Any, answer: Any) -> Any:
    return keras.ops.sum(weights * answer)


@contextmanager
def _frozen(model: keras.Model) -> Iterator[None]:
    """Keeps training from changing any weight of a model."""
    layers = [model, *model._flatten_layers(include_self=False)]
    before = [layer.trainable for layer in layers]
    model.trainable = False
    try:
        yield
    finally:
        for layer, trainable in zip(layers, before, strict=True):
            layer.trainable = trainable
