"""Nets with every kind of layer, and whether another program computes the same as they do."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import cv2
import keras
import numpy as np
import numpy.typing as npt

from fcn.data.image_io import Pixels
from fcn.models.dilated import DilatedNet
from fcn.models.fcn import AT_ONCE_SKIP_SCALES, FCN
from fcn.models.net import SegmentationNet

Answer = tuple[Pixels, npt.NDArray[np.float32]]

NET_KINDS: dict[str, dict[str, Any]] = {
    "fcn32s": {"stride": 32, "upsampling": "frozen"},
    "half": {"stride": 16, "upsampling": "learned_intermediate", "input_scale": 0.5},
    "fcn8s": {"stride": 8},
    "normalized": {
        "batch_normalization": True,
        "channel_order": "bgr",
        "mean": (9, 90, 200),
        "scale": (0.01, 0.02, 0.03),
    },
    "fcn32s_reference": {"stride": 32, "geometry": "reference", "channel_order": "bgr"},
    "shrunk_reference": {"stride": 16, "geometry": "reference", "input_scale": 0.37},
    "fcn8s_reference": {"stride": 8, "geometry": "reference", "skip_scales": AT_ONCE_SKIP_SCALES},
    "largefov": {"fc6": "largefov", "context": "none"},
    "context": {"context": "basic", "input_scale": 0.5, "batch_normalization": True},
    "context_reference": {"context": "large", "geometry": "reference", "channel_order": "bgr"},
}
"""Arguments of nets that together have every layer, with each of its settings; with a context they dilate."""

ODD_SIZES = ((45, 67), (1, 1), (2, 31), (70, 70), (33, 1))


def random_net(kind: str, num_classes: int = 5) -> SegmentationNet:
    """Builds a thin net in which no weight is zero or one, so that none can be left out unseen."""
    options = NET_KINDS[kind]
    build = DilatedNet if "context" in options else FCN
    net = build(num_classes=num_classes, width=1 / 32, fc_channels=8, **options)
    randomize(net)
    return net


def randomize(net: keras.Model) -> None:
    rng = np.random.default_rng(0)
    for variable in net.variables:
        if variable.name == "kernel":
            # As large as what comes in, through all layers.
            variable.assign(rng.normal(0, np.sqrt(2 / np.prod(variable.shape[:-1])), variable.shape))
        elif variable.name in ("gamma", "moving_variance"):
            variable.assign(rng.uniform(0.5, 2, variable.shape))
        elif variable.name in ("beta", "bias", "moving_mean"):
            variable.assign(rng.normal(0, 0.2, variable.shape))


def odd_images(sizes: Sequence[tuple[int, int]] = ODD_SIZES) -> Iterator[Pixels]:
    """Yields `uint8[2, H, W, 3]` of some sizes: noise, and a picture that is smooth as photographs are."""
    rng = np.random.default_rng(1)
    for height, width in sizes:
        noise = rng.integers(0, 256, (height, width, 3), np.uint8)
        coarse = rng.integers(0, 256, (5, 6, 3), np.uint8)
        yield np.stack([noise, cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)])


def check_equal(
    net: keras.Model, answer: Callable[[Pixels], Answer], sizes: Sequence[tuple[int, int]] = ODD_SIZES
) -> None:
    """Checks labels and logits of images of some sizes against those of the net.

    Args:
        net: The net.
        answer: From images `uint8[2, H, W, 3]` to the label and the logits of another program.
        sizes: Of the images.
    """
    agreeing = pixels = 0
    seen: set[int] = set()
    for images in odd_images(sizes):
        expected = np.asarray(net(images.astype(np.float32), training=False))
        label, logits = answer(images)
        assert (label.dtype, logits.dtype) == (np.uint8, np.float32)
        assert label.shape == expected.shape[:3]
        np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
        agreeing += np.count_nonzero(label == expected.argmax(-1))
        pixels += label.size
        seen |= set(np.unique(label).tolist())
    assert agreeing >= 0.9999 * pixels
    assert len(seen) > 1
