r"""Trains, scores, labels and serves a net on a GPU, in one command of bounded time.

    python benchmarks/gpu_session.py --camvid camvid --weights vgg16_half.h5 --output session
    python benchmarks/gpu_session.py ... --wheels wheels      # on a machine without Keras and a network
    python benchmarks/gpu_session.py ... --quick              # to see on a CPU that all parts run

The parts, each with a limit of its own (`--limit train=400`), and all together with `--total`:

    wheels   installs the wheels of a folder, if one is given
    train    configs/camvid_imagenet.yaml at full size in bfloat16, without frozen layers
    score    `fcn evaluate` on val, with boundary IoU
    infer    infer.py: labels a folder
    folder   folder.py: images a second of a folder, with and without files
    serve    gpu_serve.py: images a second of `fcn serve`
    compare  gpu.py: this package and compiled PyTorch, images a second at 512x512

A part that fails or is stopped does not end the others; parts that need a net are skipped if there is none.
A training that is stopped saves its net first. Results, logs and `session.json` are in the output folder, and
a table is printed in the end. It exits with 0 only if every part ran to its end.

Everything runs on Keras' backend jax, or torch with `--backend torch`; neither needs TensorFlow. `serve`
needs fastapi, orjson, prometheus-client and uvicorn. benchmarks/README.md has all packages.

Not proven: this ran on a CPU with JAX and `--quick` only. On a GPU, the limits, the number of steps, the
batch size and the memory are estimates; the rate of blocks 1 to 3, a tenth, is a guess; so is the score.
"""

import argparse
import csv
import json
import os
import re
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from limited_parts import REPOSITORY, Part, run_parts, table

HERE = Path(__file__).resolve().parent
LIMITS = {
    "wheels": 60,
    "train": 330,
    "score": 60,
    "infer": 60,
    "folder": 60,
    "serve": 75,
    "compare": 180,
}
"""Seconds that each part may take."""
QUICK_IMAGES = 2
"""Of each split."""


def training_arguments(options: argparse.Namespace) -> list[str]:
    """Returns what the training changes in the recipe."""
    changes: dict[str, object] = {
        "data.root": options.camvid,
        "model.weights": options.weights,
        "model.input_scale": 1,
        "train.freeze": "[]",
        "train.learning_rate_multipliers": '{"block[123]_*": 0.1, "fc6/*": 3, "fc7/*": 3, "score_*": 4}',
        "train.steps": options.steps,
        "train.batch_size": 16,
        "train.precision": "bfloat16",
        "train.checkpoint_steps": 500,
        "train.evaluate_steps": 500,
    }
    if options.quick:
        changes |= {
            "model.input_scale": 0.125,
            "model.fc_channels": 64,
            "train.steps": 2,
            "train.warmup_steps": 0,
            "train.batch_size": 2,
            "train.precision": "float32",
        }
    return [part for key, value in changes.items() for part in ("--set", f"{key}={value}")]


def describe_training(log: Path) -> str:
    """Returns the speed and the best score of a training, from its `log.csv`."""
    with log.open(newline="") as file:
        rows = list(csv.DictReader(file))
    speeds = sorted(float(row["images_per_second"]) for row in rows if row["images_per_second"])
    scores = [float(row["mean_iou"]) for row in rows if row["mean_iou"]]
    speed = f"{speeds[len(speeds) // 2]:.1f} images/s" if speeds else "no speed"
    best = f"best mean IoU {max(scores):.3f}" if scores else "not scored"
    return f"step {rows[-1]['step']}, {speed}, {best}" if rows else "no step"


def describe_scores(path: Path) -> str:
    """Returns the scores that `fcn evaluate` wrote."""
    found = json.loads(path.read_text())
    keys = ("mean_iou", "mean_boundary_iou", "pixel_accuracy")
    return ", ".join(
        f"{key.replace('_', ' ')} {found[key]:.3f}" for key in keys if isinstance(found.get(key), float)
    )


def describe_comparison(path: Path) -> str:
    """Returns the speeds that gpu.py measured."""
    found = json.loads(path.read_text())
    texts = []
    for row in found["rows"]:
        ratio = f" ({row['ratio_to_torch']:.2f} of PyTorch)" if "ratio_to_torch" in row else ""
        if row["framework"] != "torch":
            speed = row["images_per_second"]
            texts.append(f"{row['task']} {row['batch_size']}: {speed:.1f} images/s{ratio}")
    lost = len(found["failures"])
    return "; ".join(texts) + (f"; {lost} not measured" if lost else "")


def last_json(text: str) -> dict[str, Any]:
    """Returns the last JSON object that begins a line of a log, indented or not."""
    found: dict[str, Any] = {}
    for begin in re.finditer(r"^\{", text, re.MULTILINE):
        with suppress(ValueError):
            found = json.JSONDecoder().raw_decode(text, begin.start())[0]
    return found


def describe_serving(text: str) -> str:
    """Returns the rate of a server, from what gpu_serve.py printed."""
    found = last_json(text)
    return (
        f"{found['images_per_second']:.1f} images/s for {found['clients']} clients, "
        f"median {found['median_ms']:.0f} ms ({found['engine']})"
    )


def describe_folder(text: str) -> str:
    """Returns the last line of folder.py with a rate."""
    found = re.findall(r"^median share .*", text, re.MULTILINE)
    return found[-1] if found else "no rate"


def build_parts(options: argparse.Namespace, images: Path) -> dict[str, Part]:
    """Returns the parts by name, in their order.

    Args:
        options: Of the command line.
        images: Folder of images to label.
    """
    output: Path = options.output
    net, scores, gpu = output / "run", output / "scores.json", output / "gpu.json"
    precision = "float32" if options.quick else "bfloat16"
    engine = ("--engine", options.backend, "--precision", precision)
    ours = "jax" if options.backend == "jax" else "keras_torch"
    tiny = ("--tiny", "--frameworks", ours) if options.quick else ("--frameworks", ours, "torch")
    numbers = (
        ("--number", 2 * QUICK_IMAGES, "--parts", 2) if options.quick else ("--number", 400, "--parts", 4)
    )
    short = ("--clients", 2, "--warm-up", 1, "--seconds", 1) if options.quick else ()
    wheels = sorted(options.wheels.glob("*.whl")) if options.wheels else []
    pip = ("-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-compile", "--no-cache-dir")
    parts = {
        "train": Part(
            ("train.py", "configs/camvid_imagenet.yaml", "--run", net, *training_arguments(options)),
            lambda _: describe_training(net / "log.csv"),
        ),
        "score": Part(
            (
                *("-m", "fcn", "evaluate", net, "--data", options.camvid, "--split", "val"),
                *("--boundary", "--output", scores, "--engine", options.backend),
            ),
            lambda _: describe_scores(scores),
            net,
        ),
        "infer": Part(
            ("infer.py", net, images, "--output", output / "labels", "--json", *engine),
            lambda text: f"{last_json(text)['labeled']} images labeled",
            net,
        ),
        "folder": Part((HERE / "folder.py", net, images, *engine, *numbers), describe_folder, net),
        "serve": Part(
            (HERE / "gpu_serve.py", net, images, *short, "--serve", *engine), describe_serving, net
        ),
        "compare": Part(
            (HERE / "gpu.py", "--output", gpu, "--limit", 0.9 * options.limits["compare"], *tiny),
            lambda _: describe_comparison(gpu),
        ),
    }
    if wheels:
        install = Part((*pip, "--target", output / "site", *wheels), lambda _: f"{len(wheels)} packages")
        parts = {"wheels": install, **parts}
    return {name: part for name, part in parts.items() if name in options.parts}


def copy_images(options: argparse.Namespace) -> Path:
    """Copies the images to label into a folder of their own, and returns it."""
    images: Path = options.output / "images"
    images.mkdir(parents=True, exist_ok=True)
    for path in sorted((options.camvid / "JPEGImages").glob("*.jpg")):
        shutil.copyfile(path, images / path.name)
    return images


def copy_few(root: Path, copy: Path) -> Path:
    """Copies a few images of each split of a data set, with their labels, and returns the new folder."""
    lists = Path("ImageSets", "Segmentation")
    for folder in ("JPEGImages", "SegmentationClass", lists):
        (copy / folder).mkdir(parents=True, exist_ok=True)
    shutil.copyfile(root / "labels.txt", copy / "labels.txt")
    for split in ("train", "val"):
        names = (root / lists / f"{split}.txt").read_text().split()[:QUICK_IMAGES]
        (copy / lists / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))
        for name in names:
            for path in (Path("JPEGImages", f"{name}.jpg"), Path("SegmentationClass", f"{name}.png")):
                shutil.copyfile(root / path, copy / path)
    return copy


def read_limit(text: str) -> tuple[str, float]:
    """Reads "PART=SECONDS".

    Example:
        >>> read_limit("train=400")
        ('train', 400.0)
    """
    name, _, seconds = text.partition("=")
    if name not in LIMITS:
        raise argparse.ArgumentTypeError(f"expected PART=SECONDS with a part of {', '.join(LIMITS)}")
    return name, float(seconds)


def main() -> int:
    """Reads the command line, runs all parts and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--camvid", type=Path, required=True, help="CamVid in VOC layout")
    parser.add_argument("--weights", type=Path, required=True, help="VGG16's convolutions (.h5 of Keras)")
    parser.add_argument("--output", type=Path, required=True, help="a new folder for everything")
    parser.add_argument("--wheels", type=Path, help="folder of wheels to install first")
    parser.add_argument("--backend", choices=["jax", "torch"], default="jax")
    parser.add_argument("--parts", nargs="+", choices=LIMITS, default=list(LIMITS), help="only these")
    parser.add_argument("--steps", type=int, default=1500, help="steps of 16 to train (1500)")
    parser.add_argument("--limit", type=read_limit, action="append", default=[], metavar="PART=SECONDS")
    parser.add_argument("--total", type=float, default=840, help="seconds for everything (840)")
    parser.add_argument("--quick", action="store_true", help="two steps and two images, on any machine")
    options = parser.parse_args()
    for name in ("camvid", "weights", "output", "wheels"):  # the parts run in the folder of the repository
        if getattr(options, name) is not None:
            setattr(options, name, getattr(options, name).resolve())
    options.limits = LIMITS | dict(options.limit)
    if options.quick:
        options.camvid = copy_few(options.camvid, options.output / "camvid")
    paths = [str(options.output / "site"), str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ,
        "KERAS_BACKEND": options.backend,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUNBUFFERED": "1",
    }
    parts = build_parts(options, copy_images(options))
    rows = run_parts(parts, options.limits, options.total, options.output, environment)
    print(table(rows))
    return 0 if all(row["status"] == "ok" for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
