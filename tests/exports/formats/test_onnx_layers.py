"""Tests of single layers in ONNX's form, with settings that our nets do not have, or not yet."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from net_kinds import Answer, check_equal, randomize

from fcn.data.image_io import Pixels
from fcn.exports.formats.onnx import write_onnx
from fcn.models import patches
from fcn.models.resizing import ResizeLike, Shrink
from fcn.models.upsampling import CropLike

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
layers = keras.layers


def net_of(layer: Callable[[Any], Any]) -> keras.Model:
    images = keras.Input((None, None, 3), name="images")
    net = keras.Model(images, layer(images), name="net")
    randomize(net)
    return net


LAYERS: dict[str, Callable[[Any], Any]] = {
    "dilated": layers.Conv2D(4, 3, dilation_rate=2, padding="same"),
    "dilated_fc6": patches.Conv2D(4, 7, dilation_rate=4, padding="same"),
    "dilated_valid": layers.Conv2D(4, 3, dilation_rate=(1, 3), use_bias=False),
    "even_kernel": layers.Conv2D(4, (2, 4), padding="same"),
    "grouped": layers.Conv2D(6, 3, groups=3, padding="same"),
    "odd_transposed": layers.Conv2DTranspose(4, 5, strides=2, padding="same"),
    "transposed_with_bias": layers.Conv2DTranspose(4, (3, 4), strides=(1, 3)),
    "pooled_by_three": layers.MaxPooling2D(3, strides=2, padding="same"),
    "pooled_in_place": layers.MaxPooling2D(2, strides=1, padding="same"),
    "pooled_valid": layers.MaxPooling2D(2),
    "normalized_by_nothing": layers.BatchNormalization(scale=False, center=False),
    "activated": lambda images: layers.ReLU()(layers.Conv2D(4, 1)(images)),
    "rescaled": layers.Rescaling(-0.5, offset=3),
    "padded": layers.ZeroPadding2D(((1, 2), (3, 4))),
    "dropped": layers.Dropout(0.5),
    "summed": lambda images: layers.Add()([images, layers.Conv2D(3, 1)(images), images]),
    "cropped": lambda images: CropLike(1)([images, layers.MaxPooling2D(2)(images)]),
    "shrunk": Shrink(0.37),
    "hardly_shrunk": Shrink(0.9999),
    "enlarged": lambda images: ResizeLike()([layers.MaxPooling2D(3)(images), images]),
    "enlarged_by_little": lambda images: ResizeLike()([images, layers.ZeroPadding2D(1)(images)]),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_is_that_of_keras(name: str, tmp_path: Path) -> None:
    net = net_of(LAYERS[name])
    session = onnxruntime.InferenceSession(write_onnx(net, tmp_path))

    def answer(images: Pixels) -> Answer:
        label, logits = session.run(["label", "logits"], {"images": images})
        return label, logits

    check_equal(net, answer, ((30, 41), (17, 8), (45, 32)))


@pytest.mark.parametrize("scale", [0.5, 0.37, 1 / 3])
def test_sizes_far_from_zero_are_rounded_and_interpolated_alike(scale: float, tmp_path: Path) -> None:
    net = net_of(lambda images: ResizeLike()([Shrink(scale)(images), images]))
    session = onnxruntime.InferenceSession(write_onnx(net, tmp_path))
    for size in ((1, 5003), (1999, 2)):
        images = np.random.default_rng(0).integers(0, 256, (1, *size, 3), np.uint8)
        expected = np.asarray(net(images.astype(np.float32)))
        (logits,) = session.run(["logits"], {"images": images})
        np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-2)


@keras.saving.register_keras_serializable(package="test")
class SquaredConvolution(layers.Conv2D):
    def call(self, inputs: Any) -> Any:
        return super().call(inputs) ** 2


REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "averaged": (
        layers.AveragePooling2D(2, name="averaged"),
        "expected layers among Add, .*'averaged', a Average",
    ),
    "subclass": (SquaredConvolution(3, 1, name="squared"), "'squared', a SquaredConvolution"),
    "activation": (
        layers.Conv2D(3, 1, activation="relu", name="active"),
        "activation among .* layer 'active'",
    ),
    "strides": (layers.Conv2D(3, 1, strides=2, name="wide"), "strides among .* layer 'wide'.*(2, 2)"),
    "leaky": (
        layers.ReLU(negative_slope=0.1, name="leaky"),
        "negative_slope among .* 'leaky'. Received: 0.1",
    ),
    "limited": (layers.ReLU(max_value=6, name="limited"), "max_value among .* layer 'limited'"),
    "narrow": (layers.Conv2DTranspose(3, 1, strides=2, name="narrow"), "large as its strides .* 'narrow'"),
    "rows": (layers.BatchNormalization(axis=1, name="rows"), "axis among .* layer 'rows'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_written_down_is_refused(name: str, tmp_path: Path) -> None:
    layer, message = REFUSED[name]
    images = keras.Input((8, 8, 3))
    with pytest.raises(ValueError, match=f"format=onnx: .*{message}"):
        write_onnx(keras.Model(images, layer(images)), tmp_path)
