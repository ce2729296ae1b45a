"""Compares images that `fcn suggest` chooses with random ones: what nets score that learn from them.

    python benchmarks/suggest.py camvid --weights vgg16_imagenet_notop.h5 --work suggest-work

For each seed, a net learns from random images of the training split. Then as many more are chosen of the
others: as `fcn suggest` does with that net, the most uncertain alone, and at random. On all of these a net is
trained in the same way as before. So that this takes minutes on a CPU, only what is behind pool5 is trained
(fc6 and fc7 with 128 channels, scores, upsampling): VGG16's convolutions keep ImageNet's weights, and what
they give for each image is computed once and kept in WORK. Images are seen as they are, at 0.4 of their size,
and computed in bfloat16; scores are of full size.

Nets are scored on the validation split, and on images of the training split that are held back before
anything is chosen. The first are all of one video, of which only about half of the images to choose from are;
the second are drawn from the same videos as these.

The same command continues after a stop, and prints the tables again if everything is there.
"""

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from rounds import REPOSITORY

sys.path.insert(0, str(REPOSITORY))

from fcn.classes import VOID, Classes
from fcn.data.image_io import read_image, read_label
from fcn.evaluation.metrics import Scores, confusion_matrix
from fcn.outputs.probabilities import label_confidence
from fcn.outputs.uncertainty import uncertainty_of
from fcn.suggestion.choice import choose
from fcn.suggestion.descriptor import describe, mean_uncertainty

ARMS = ("random", "suggest", "uncertain")
SIZE = (144, 192)  # 0.4 of CamVid's, and 8 times pool3
SCALE = 0.4
POOLS = ("block3_pool", "block4_pool", "block5_pool")
BATCH = 4

Array = npt.NDArray[Any]


class Images(NamedTuple):
    """Images of a list, as the trained layers get them.

    Attributes:
        names: Their names.
        pools: `float16[N, h, w, C]` of each of `POOLS`.
        labels: `uint8[N, 360, 480]`.
    """

    names: list[str]
    pools: list[Array]
    labels: Array

    def of(self, names: Iterable[str]) -> "Images":
        """Returns some of them."""
        chosen = list(names)
        rows = [self.names.index(name) for name in chosen]
        return Images(chosen, [pool[rows] for pool in self.pools], self.labels[rows])


@cache
def load_weights(weights: Path) -> Any:
    """Returns the net that all nets start from."""
    from fcn.training.start import load_start

    return load_start(str(weights))


def new_net(weights: Path, classes: Classes, seed: int) -> Any:
    """Returns a net whose convolutions are ImageNet's, and that computes in bfloat16."""
    import keras

    from fcn.config.sections import ModelConfig
    from fcn.training.start import start_from

    source, has_scores, missing = load_weights(weights)
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy("mixed_bfloat16")
    config = ModelConfig(
        net="fcn8s",
        fc_channels=128,
        upsampling="learned",
        dropout=0.1,
        skip_scales=(0.01, 0.002),
        input_scale=SCALE,
    )
    return start_from(source, has_scores, config, classes, missing=missing).model


def read_images(data: Path, split: str, weights: Path, classes: Classes, kept: Path) -> Images:
    """Returns the images of a split; what the convolutions give is computed once."""
    import keras

    names = (data / "ImageSets" / "Segmentation" / f"{split}.txt").read_text().split()
    labels = np.stack([read_label(data / "SegmentationClass" / f"{name}.png") for name in names])
    if not kept.exists():
        net = new_net(weights, classes, 0)
        features = keras.Model(net.input, [net.get_layer(name).output for name in POOLS])
        found: list[list[Array]] = []
        began = time.monotonic()
        for number, name in enumerate(names, start=1):
            image = read_image(data / "JPEGImages" / f"{name}.jpg")[np.newaxis]
            pools = features.predict_on_batch(image)
            found.append([keras.ops.convert_to_numpy(keras.ops.cast(pool, "float16"))[0] for pool in pools])
            if number % 50 == 0:
                print(f"{split}: {number} of {len(names)}, {time.monotonic() - began:.0f} s", flush=True)
        np.savez(kept, *(np.stack(pools) for pools in zip(*found, strict=True)))
    with np.load(kept) as loaded:
        return Images(names, [loaded[name] for name in loaded.files], labels)


def train(images: Images, weights: Path, classes: Classes, steps: int, seed: int) -> Any:
    """Returns the trained layers of a net: from pools to logits of `SIZE`."""
    import keras

    net = new_net(weights, classes, seed)
    logits = keras.layers.Activation("linear", dtype="float32")(net.get_layer("upscore8").output)
    head = keras.Model([net.get_layer(name).output for name in POOLS], logits)
    rate = keras.optimizers.schedules.CosineDecay(5e-4, steps)
    head.compile(
        keras.optimizers.AdamW(rate, weight_decay=0.01),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=VOID),
    )
    small = [cv2.resize(label, SIZE[::-1], interpolation=cv2.INTER_NEAREST) for label in images.labels]
    label = np.stack(small).astype(np.int32)
    pools = [pool.astype(np.float32) for pool in images.pools]
    head.fit(pools, label, BATCH, epochs=max(1, steps * BATCH // len(label)), verbose=0)
    return head


def logits_of(head: Any, images: Images) -> Iterable[Array]:
    """Yields the logits of each image at its own size, as `ResizeLike` gives them."""
    for number, label in enumerate(images.labels):
        found = head.predict_on_batch([pool[number : number + 1].astype(np.float32) for pool in images.pools])
        yield cv2.resize(np.asarray(found[0]), label.shape[::-1], interpolation=cv2.INTER_LINEAR)


def mean_iou(head: Any, images: Images, num_classes: int) -> float:
    """Returns the mean IoU of a net, 0 to 1."""
    matrix = np.zeros((num_classes, num_classes), np.int64)
    for logits, label in zip(logits_of(head, images), images.labels, strict=True):
        matrix += confusion_matrix(label, logits.argmax(axis=-1).astype(np.uint8), num_classes)
    return Scores.from_matrix(matrix).mean_iou


def choices(head: Any, pool: Images, count: int, num_classes: int, seed: int) -> dict[str, list[str]]:
    """Returns the images that each arm adds."""
    descriptors = []
    for logits in logits_of(head, pool):
        label = logits.argmax(axis=-1).astype(np.uint8)
        uncertainty = uncertainty_of(label_confidence(logits))
        descriptors.append(describe(label, uncertainty, num_classes).astype(np.float16))
    unsure = sorted(range(len(descriptors)), key=lambda index: -mean_uncertainty(descriptors[index]))
    chosen = {
        "random": random.Random(1000 + seed).sample(range(len(descriptors)), count),
        "uncertain": unsure[:count],
        "suggest": choose(np.stack(descriptors), count),
    }
    return {arm: [pool.names[index] for index in rows] for arm, rows in chosen.items()}


def print_table(title: str, scores: Sequence[dict[str, float]]) -> None:
    """Prints the mean IoU of each seed in percent, and by how much more `suggest` has than `random`."""
    columns = tuple(scores[0])
    print(f"{title}\n{'seed':8}" + "".join(f"{name:>11}" for name in columns) + f"{'difference':>12}")
    means = {name: statistics.fmean(one[name] for one in scores) for name in columns}
    for name, row in [*((str(seed), one) for seed, one in enumerate(scores)), ("mean", means)]:
        shown = "".join(f"{100 * row[column]:11.1f}" for column in columns)
        print(f"{name:8}{shown}{100 * (row['suggest'] - row['random']):+12.1f}")


def main() -> int:
    """Reads the command line, trains what is missing and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path, help="CamVid in VOC layout")
    parser.add_argument("--weights", type=Path, required=True, help="VGG16's ImageNet convolutions")
    parser.add_argument("--work", type=Path, required=True, help="folder for what is computed once")
    parser.add_argument("--first", type=int, default=60, help="images of the first net; default: 60")
    parser.add_argument("--more", type=int, default=60, help="images that are added; default: 60")
    parser.add_argument("--held", type=int, default=60, help="images that are held back; default: 60")
    parser.add_argument("--steps", type=int, default=250, help="of each training, of 4; default: 250")
    parser.add_argument("--seeds", type=int, default=3, help="default: 3")
    options = parser.parse_args()
    classes = Classes.named(tuple((options.data / "labels.txt").read_text().split()))
    options.work.mkdir(parents=True, exist_ok=True)
    train_images, val = (
        read_images(options.data, split, options.weights, classes, options.work / f"{split}.npz")
        for split in ("train", "val")
    )
    titles, num_classes = ("validation split", "images held back"), len(classes.names)
    tables: dict[str, list[dict[str, float]]] = {title: [] for title in titles}
    for seed in range(options.seeds):
        drawn = random.Random(seed).sample(train_images.names, options.first + options.held)
        first, held = drawn[: options.first], train_images.of(drawn[options.first :])
        pool = train_images.of(sorted({*train_images.names} - {*drawn}))
        kept = options.work / f"seed_{seed}.json"
        known = json.loads(kept.read_text()) if kept.exists() else {"chosen": {}, "scores": {}}
        chosen, scores = known["chosen"], known["scores"]
        for arm in ("first", *ARMS):
            if arm in scores:
                continue
            began = time.monotonic()
            learned = train_images.of([*first, *chosen.get(arm, [])])
            head = train(learned, options.weights, classes, options.steps, seed)
            if arm == "first":
                chosen.update(choices(head, pool, options.more, num_classes, seed))
            scores[arm] = [mean_iou(head, images, num_classes) for images in (val, held)]
            kept.write_text(json.dumps(known))
            print(f"seed {seed}, {arm}: {time.monotonic() - began:.0f} s, {scores[arm]}", flush=True)
        for place, title in enumerate(titles):
            tables[title].append({arm: scores[arm][place] for arm in scores})
    for title, rows in tables.items():
        print_table(title, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
