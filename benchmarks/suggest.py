"""Compares images that `fcn suggest` chooses with random ones: trainings on CamVid, and what they score.

    python benchmarks/suggest.py camvid --weights vgg16_imagenet_notop.h5 --work suggest-work

A first net learns from random images of the training split. Then as many more are chosen of the others, by
`fcn suggest` with that net and, for each seed, at random. With each seed, two nets are trained in the same
way from ImageNet's convolutions: on the first and the suggested images, and on the first and the random ones.

Nets are scored on every third image of the validation split, whose neighbors are alike, and on images of the
training split that are held back before anything is chosen. The first are all of one video, of which only
about half of the images to choose from are; the second are drawn from the same videos as these.

The same command continues after a stop, and prints the tables again if everything is there. After a change of
`fcn suggest`, remove WORK/suggest.txt and WORK/*/suggest alone.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
LISTS = Path("ImageSets", "Segmentation")
PICTURES = "JPEGImages"
ARMS = ("random", "suggest")
VAL_STEP = 3
HELD = "held.json"


def configuration(root: Path, weights: Path, steps: int, seed: int) -> dict[str, Any]:
    """Returns a small form of configs/camvid_imagenet.yaml: a quarter of the size, 128 channels in fc6."""
    return {
        "data": {"root": str(root), "sampling": "balanced", "sampling_temperature": 0.05},
        "augmentation": {"crop_size": [180, 240], "scale": [0.75, 1.5], "flip": True, "color_jitter": 0.3},
        "model": {
            "net": "fcn8s",
            "fc_channels": 128,
            "upsampling": "learned",
            "dropout": 0.1,
            "skip_scales": [0.01, 0.002],
            "input_scale": 0.25,
            "weights": str(weights),
        },
        "train": {
            "steps": steps,
            "batch_size": 4,
            "optimizer": "adamw",
            "learning_rate": 2.0e-4,
            "learning_rate_multipliers": {"fc6/*": 3.0, "fc7/*": 3.0, "score_*": 4.0},
            "freeze": ["block1_*", "block2_*", "block3_*", "block4_*"],
            "schedule": "poly",
            "warmup_steps": 20,
            "weight_decay": 0.01,
            "ema": 0.98,
            "precision": "bfloat16",
            "seed": seed,
            "log": [],
            "checkpoint_steps": 100,
            "evaluate_steps": steps,
        },
    }


def link_data(root: Path, source: Path, names: Sequence[str]) -> None:
    """Makes a data set of links whose training split is these images."""
    (root / LISTS).mkdir(parents=True, exist_ok=True)
    for name in (PICTURES, "SegmentationClass", "labels.txt"):
        if not (root / name).is_symlink():
            (root / name).symlink_to((source / name).resolve())
    val = (source / LISTS / "val.txt").read_text().split()[::VAL_STEP]
    for split, listed in (("train", names), ("val", val)):
        (root / LISTS / f"{split}.txt").write_text("".join(f"{name}\n" for name in listed))


def run_fcn(*arguments: str | Path) -> None:
    """Runs a command of this checkout, and ends the benchmark if it fails."""
    paths = [str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    subprocess.run([sys.executable, "-m", "fcn", *map(str, arguments)], check=True, env=environment)


def train(folder: Path, names: Sequence[str], options: argparse.Namespace, seed: int) -> None:
    """Trains a net on images, unless that is done."""
    if (folder / "run" / "scores.json").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    link_data(folder / "data", options.data, names)
    config = folder / "config.yaml"  # JSON is YAML
    values = configuration((folder / "data").resolve(), options.weights.resolve(), options.steps, seed)
    config.write_text(json.dumps(values, indent=1))
    resume = ["--resume"] if (folder / "run" / "checkpoints").exists() else []
    began = time.monotonic()
    run_fcn("train", config, "--run", folder / "run", *resume)
    print(f"{folder}: {len(names)} images, {time.monotonic() - began:.0f} s", flush=True)


def suggested(pool: Sequence[str], options: argparse.Namespace) -> list[str]:
    """Returns the images that `fcn suggest` chooses with the first net."""
    listed, images = options.work / "suggest.txt", options.work / "pool"
    if not listed.exists():
        images.mkdir(exist_ok=True)
        for name in pool:
            if not (images / f"{name}.jpg").is_symlink():
                (images / f"{name}.jpg").symlink_to((options.data / PICTURES / f"{name}.jpg").resolve())
        began = time.monotonic()
        net = options.work / "first" / "run"
        run_fcn("suggest", net, images, "--count", str(options.more), "--list", listed)
        print(f"{listed}: of {len(pool)} images in {time.monotonic() - began:.0f} s", flush=True)
    return [Path(line).stem for line in listed.read_text().splitlines()]


def score_held(folder: Path, held: Sequence[str], options: argparse.Namespace) -> None:
    """Scores the net of a training on the images that were held back, unless that is done."""
    if (folder / HELD).exists():
        return
    sys.path.insert(0, str(REPOSITORY))
    from fcn.data.split_list import Example
    from fcn.evaluation.evaluate import evaluate_examples
    from fcn.inference.predictor import Predictor

    predictor = Predictor(folder / "run")
    images, labels = options.data / PICTURES, options.data / "SegmentationClass"
    examples = [Example(name, images / f"{name}.jpg", labels / f"{name}.png") for name in held]
    scores = evaluate_examples(predictor, examples).scores
    (folder / HELD).write_text(json.dumps({"mean_iou": scores.mean_iou}))


def print_table(title: str, work: Path, seeds: int, file: str) -> None:
    """Prints the mean IoU of all seeds in percent, and by how much they differ."""

    def score(seed: int, arm: str) -> float:
        return 100 * float(json.loads((work / f"seed_{seed}" / arm / file).read_text())["mean_iou"])

    print(f"{title}\n{'seed':8}" + "".join(f"{arm:>10}" for arm in ARMS) + f"{'difference':>12}")
    rows = [(str(seed), [score(seed, arm) for arm in ARMS]) for seed in range(seeds)]
    means = [statistics.fmean(scores[place] for _, scores in rows) for place in range(len(ARMS))]
    for name, (chance, ours) in [*rows, ("mean", means)]:
        print(f"{name:8}{chance:10.1f}{ours:10.1f}{ours - chance:+12.1f}")


def main() -> int:
    """Reads the command line, trains what is missing and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path, help="CamVid in VOC layout")
    parser.add_argument("--weights", type=Path, required=True, help="VGG16's ImageNet convolutions")
    parser.add_argument("--work", type=Path, required=True, help="folder for runs and lists")
    parser.add_argument("--first", type=int, default=60, help="images of the first net; default: 60")
    parser.add_argument("--more", type=int, default=60, help="images that are added; default: 60")
    parser.add_argument(
        "--held", type=int, default=45, help="images to score on that are held back; default: 45"
    )
    parser.add_argument("--steps", type=int, default=160, help="of each training; default: 160")
    parser.add_argument("--seeds", type=int, default=3, help="default: 3")
    options = parser.parse_args()
    entries = (options.data / LISTS / "train.txt").read_text().split()
    first = random.Random(0).sample(entries, options.first)
    rest = sorted(set(entries) - set(first))
    held = random.Random(1).sample(rest, options.held)
    pool = sorted(set(rest) - set(held))
    options.work.mkdir(parents=True, exist_ok=True)
    train(options.work / "first", first, options, 0)
    for seed in range(options.seeds):
        chance = random.Random(1000 + seed).sample(pool, options.more)
        for arm, more in zip(ARMS, (chance, suggested(pool, options)), strict=True):
            train(options.work / f"seed_{seed}" / arm, [*first, *more], options, seed)
    for seed in range(options.seeds):
        for arm in ARMS:
            score_held(options.work / f"seed_{seed}" / arm, held, options)
    print_table("validation split, every third image", options.work, options.seeds, "run/scores.json")
    print_table(f"{options.held} images held back", options.work, options.seeds, HELD)
    return 0


if __name__ == "__main__":
    sys.exit(main())
