"""The weights of classes that two nets share, where their other classes differ."""

from collections.abc import Mapping, Sequence

import keras
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]


def common_classes(source: Sequence[str], target: Sequence[str]) -> dict[int, int]:
    """Returns the id in `source` of each class of `target` that both have, by its id in `target`.

    Example:
        >>> common_classes(["background", "cat", "dog"], ["background", "dog", "cow"])
        {0: 0, 1: 2}
    """
    ids = {name: index for index, name in enumerate(source)}
    return {index: ids[name] for index, name in enumerate(target) if name in ids}


def keep_classes(source: keras.layers.Layer, target: keras.layers.Layer, shared: Mapping[int, int]) -> bool:
    """Copies the weights of some classes from one layer of scores, or of their upsampling, to another.

    The other classes keep the weights that `target` has.

    Args:
        source: A layer of the other net.
        target: The layer of the same name.
        shared: What `common_classes` returned.

    Returns:
        Whether they were copied; layers of a context module, which mix classes, are left as they are.
    """
    if type(source) is not type(target) or target.name.startswith("ctx_"):
        return False
    axes = (-2, -1) if isinstance(target, keras.layers.Conv2DTranspose) else (-1,)
    pairs = [
        (np.array(new), np.asarray(old), axes if new.ndim > 1 else (-1,))
        for new, old in zip(target.get_weights(), source.get_weights(), strict=False)
    ]
    if len(source.weights) != len(pairs) or not all(_fits(*pair) for pair in pairs):
        return False
    target.set_weights([_copied(new, old, axes, shared) for new, old, axes in pairs])
    return True


def _fits(new: Floats, old: Floats, axes: tuple[int, ...]) -> bool:
    """Returns whether two arrays have the same shape but for the axes of the classes."""
    if new.ndim != old.ndim:
        return False
    return np.delete(new.shape, axes).tolist() == np.delete(old.shape, axes).tolist()


def _copied(new: Floats, old: Floats, axes: tuple[int, ...], shared: Mapping[int, int]) -> Floats:
    to, of = np.array(list(shared)), np.array(list(shared.values()))
    if len(axes) == 1:
        new[..., to] = old[..., of]
    else:
        new[..., to[:, np.newaxis], to] = old[..., of[:, np.newaxis], of]
    return new
