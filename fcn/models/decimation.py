"""Makes DeepLab's LargeFOV from VGG16's fully connected layers: every third tap, every fourth channel."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fcn.models.architecture import FC6_KERNEL_SIZES

Array = npt.NDArray[np.float32]

_TAP_STEP = (FC6_KERNEL_SIZES["full"] - 1) // (FC6_KERNEL_SIZES["largefov"] - 1)


def decimate(arrays: Sequence[Array], shapes: Sequence[tuple[Any, ...]]) -> list[Array]:
    """Returns the part of a layer's weights that a smaller layer of the same kind has room for.

    Nothing is averaged or rescaled: with all that is left out set to zero, the large layer computes the same.
    Source: Chen et al., "Semantic image segmentation with deep convolutional nets and fully connected CRFs"
    (2015), section 3, which subsamples both kinds of channels and taps.

    Args:
        arrays: `float32[rows, columns, in, out]` or `float32[out]` each.
        shapes: Shapes of the smaller layer's arrays, in the same order.

    Returns:
        Every third tap of an array where 7x7 taps are to be 3x3, and evenly spread channels where there
        are to be fewer. An array that does not fit for another reason is returned as it is.

    Example:
        >>> kernel = np.arange(49, dtype=np.float32).reshape(7, 7, 1, 1)
        >>> decimate([kernel], [(3, 3, 1, 1)])[0][:, :, 0, 0].tolist()
        [[0.0, 3.0, 6.0], [21.0, 24.0, 27.0], [42.0, 45.0, 48.0]]
    """
    return [_decimate_array(array, shape) for array, shape in zip(arrays, shapes, strict=False)]


def _decimate_array(array: Array, shape: tuple[Any, ...]) -> Array:
    if array.ndim != len(shape):
        return array
    full, fewer = FC6_KERNEL_SIZES["full"], FC6_KERNEL_SIZES["largefov"]
    if array.ndim == 4 and array.shape[:2] == (full, full) and tuple(shape[:2]) == (fewer, fewer):
        array = array[::_TAP_STEP, ::_TAP_STEP]
    for axis in range(max(0, array.ndim - 2), array.ndim):
        there, wanted = array.shape[axis], shape[axis]
        if wanted < there:
            array = array.take(np.arange(wanted) * there // wanted, axis)
    return array
