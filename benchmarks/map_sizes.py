"""Measures how large the values are that FCN's score layers read: the root of the mean square of each map.

    python benchmarks/map_sizes.py vgg16_imagenet_notop.h5 FOLDER --images 20 --scales 1 0.5

The inverse of those of pool4 and pool3 are initial factors that suit (`model.skip_scales`): they make both
about 1, whatever the weights. Layers that the file lacks get new weights, as at the start of a training.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import keras
import numpy as np
import numpy.typing as npt

from fcn.classes import VOC_CLASS_NAMES, Classes
from fcn.config.sections import ModelConfig
from fcn.data.image_io import read_image
from fcn.models.net import SegmentationNet
from fcn.training.start import load_start, start_from

MAPS = {
    "pool3": "block3_pool",
    "pool4": "block4_pool",
    "pool5": "block5_pool",
    "fc6": "fc6_relu",
    "fc7": "fc7_relu",
}


def build(weights: str, fc_channels: int) -> SegmentationNet:
    """Returns a net as it is before its first step."""
    source = load_start(weights)
    config = ModelConfig(net="fcn8s", fc_channels=fc_channels, weights=weights)
    classes = Classes.named(VOC_CLASS_NAMES)
    keras.utils.set_random_seed(0)
    return start_from(source.model, source.has_scores, config, classes, missing=source.missing).model


def measure(maps: keras.Model, images: Sequence[npt.NDArray[np.uint8]], scale: float) -> dict[str, float]:
    """Returns the root of the mean square of each map, as the mean over images."""
    sizes: dict[str, list[float]] = {name: [] for name in MAPS}
    for image in images:
        resized = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        for name, value in maps({"images": resized[np.newaxis].astype(np.float32)}).items():
            sizes[name].append(float(np.sqrt(np.mean(np.square(value)))))
    return {name: float(np.mean(values)) for name, values in sizes.items()}


def main() -> int:
    """Prints a table with a row for each scale."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("weights", help="a file of published weights, a run folder or a .keras file")
    parser.add_argument("folder", type=Path, help="JPEGs; every image of an even draw is read")
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--scales", type=float, nargs="+", default=[1.0, 0.5])
    parser.add_argument("--fc-channels", type=int, default=512)
    options = parser.parse_args()
    paths = sorted(options.folder.glob("*.jpg"))
    if not paths:
        raise SystemExit(f"{options.folder}: has no *.jpg.")
    images = [read_image(path) for path in paths[:: -(-len(paths) // options.images)]]
    net = build(options.weights, options.fc_channels)
    maps = keras.Model(
        {"images": net.input}, {name: net.get_layer(layer).output for name, layer in MAPS.items()}
    )
    print(f"| scale | {' | '.join(MAPS)} |")
    print("|---|" + "---|" * len(MAPS))
    for scale in options.scales:
        sizes = measure(maps, images, scale)
        print(f"| {scale:g} | {' | '.join(f'{sizes[name]:.1f}' for name in MAPS)} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
