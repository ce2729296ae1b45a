"""FCN-8s of stock Keras layers only: the baseline for the package's own training step.

`fcn.models.fcn.FCN` may compute a layer in a faster way; this is the straightforward version. As a script,
it compares both, with the same weights, at odd sizes:

    python benchmarks/plain_fcn.py
"""

import sys
from typing import Any

import keras
import numpy as np
from task import LEARNING_RATE, MOMENTUM, draw_weights, random_batch

from fcn.classes import VOID
from fcn.models.architecture import FC_CHANNELS, VGG16_BLOCKS, scaled
from fcn.models.fcn import FCN
from fcn.models.upsampling import Bilinear, CropLike
from fcn.models.vgg import ImageNormalization

SIZES = ((64, 96), (37, 51), (70, 31), (1, 1))
TOLERANCE = 1e-4


def plain_fcn8s(num_classes: int, width: float) -> keras.Model:
    """Builds FCN-8s with padding "same" from `keras.layers`; its layers have the names of `FCN`'s.

    Args:
        num_classes: Number of classes.
        width: Channels of every layer in front of the scores, relative to VGG16.
    """
    like = FCN(num_classes, width=1 / 64)
    images = keras.Input((None, None, 3), name="images")
    x = ImageNormalization("rgb", like.mean, like.scale, name="normalization")(images)
    pools = []
    for block, (channels, count) in enumerate(VGG16_BLOCKS, start=1):
        for index in range(1, count + 1):
            x = _convolution(x, scaled(channels, width), 3, f"block{block}_conv{index}")
        x = keras.layers.MaxPooling2D(2, padding="same")(x)
        pools.append(x)
    for name, kernel_size in (("fc6", 7), ("fc7", 1)):
        x = _convolution(x, scaled(FC_CHANNELS, width), kernel_size, name)
        x = keras.layers.Dropout(0.5)(x)
    scores = _score(x, num_classes, "score_fr")
    for name, pool, skip in (
        ("upscore2", pools[3], "score_pool4"),
        ("upscore_pool4", pools[2], "score_pool3"),
    ):
        skip_scores = _score(pool, num_classes, skip)
        scores = CropLike()([_upscore(scores, num_classes, 2, name), skip_scores])
        scores = keras.layers.Add()([scores, skip_scores])
    logits = CropLike()([_upscore(scores, num_classes, 8, "upscore8"), images])
    return keras.Model(images, logits)


def compile_plain(model: keras.Model) -> None:
    """Compiles the net with Keras' own optimizer and loss, without XLA."""
    model.compile(
        optimizer=keras.optimizers.SGD(LEARNING_RATE, momentum=MOMENTUM),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=VOID),
        jit_compile=False,
    )


def _convolution(x: Any, filters: int, kernel_size: int, name: str) -> Any:
    x = keras.layers.Conv2D(filters, kernel_size, padding="same", kernel_initializer="he_normal", name=name)(
        x
    )
    return keras.layers.ReLU()(x)


def _score(x: Any, num_classes: int, name: str) -> Any:
    return keras.layers.Conv2D(num_classes, 1, kernel_initializer="zeros", name=name)(x)


def _upscore(x: Any, num_classes: int, stride: int, name: str) -> Any:
    return keras.layers.Conv2DTranspose(
        num_classes,
        2 * stride,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer=Bilinear(),
        name=name,
    )(x)


def main() -> int:
    """Compares both nets and returns whether they differ."""
    ours, plain = FCN(5, width=1 / 16), plain_fcn8s(5, width=1 / 16)
    draw_weights(ours)
    for layer in ours.layers:
        if layer.weights:
            plain.get_layer(layer.name).set_weights(layer.get_weights())
    worst = 0.0
    for size in SIZES:
        images, _ = random_batch(2, size, 5)
        expected, received = ours.predict_on_batch(images), plain.predict_on_batch(images)
        worst = max(worst, float(np.abs(np.asarray(expected) - np.asarray(received)).max()))
    same = worst <= TOLERANCE and ours.count_params() == plain.count_params()
    print(f"{'The same net' if same else 'NOT the same net'}: largest difference of logits {worst:.1e}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
