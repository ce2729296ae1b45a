"""Tests of reflection padding, against OpenCV's."""

import cv2
import numpy as np
import pytest
from keras.ops import convert_to_numpy

from fcn.models.reflection import ReflectionPadding


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 3), (7, 186), (190, 40)])
@pytest.mark.parametrize("padding", [0, 1, 186])
def test_it_reflects_as_opencv_does(size: tuple[int, int], padding: int) -> None:
    maps = np.random.default_rng(0).standard_normal((2, *size, 3)).astype(np.float32)
    padded = convert_to_numpy(ReflectionPadding(padding)(maps))
    for given, found in zip(maps, padded, strict=True):
        expected = cv2.copyMakeBorder(given, *[padding] * 4, cv2.BORDER_REFLECT_101)
        np.testing.assert_array_equal(found, expected)


def test_it_says_its_shape_and_settings() -> None:
    layer = ReflectionPadding(4)
    assert layer.compute_output_shape((None, 3, None, 2)) == (None, 11, None, 2)
    assert ReflectionPadding.from_config(layer.get_config()).padding == 4
