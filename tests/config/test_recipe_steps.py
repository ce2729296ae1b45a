"""Every recipe in configs/ takes its first steps without diverging."""

import os
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from fcn.classes import VOC_CLASS_NAMES
from fcn.config.file import Config, load_config
from fcn.runs.folder import RunFolder
from fcn.runs.log import read_log
from fcn.training.loop import train

CONFIGS = Path(__file__).parents[2] / "configs"
RECIPES = sorted(CONFIGS.glob("*.yaml"))
STEPS = 300
ALWAYS = ("quickstart", "voc_small", "voc_fcn8s_heavy")
"""Recipes that take three steps in every run of the slow tests: batch normalization, Adam, a summed loss."""
CROP = 64
"""Side of a crop, in pixels that the net sees: twice its stride, for four coarse scores."""
LARGE_CROP = 224
"""Side of a crop where a step sees one whole image and its loss is summed: a small crop often shows one class
alone, and momentum of 0.99 follows that for a hundred steps."""
VOC_PIXELS = 375 * 500
"""Pixels of an image of Pascal VOC, most of which have this size."""
WARM_UP = 50
"""Most steps of warm-up, so that the others have the full rate."""
WINDOW = 20
"""Steps to average: one crop of few classes says little about the whole."""
Teach = Callable[[str], tuple[Path, list[float]]]
SETTLED = 100
"""Last steps of the net before, whose mean loss is the first of the net that starts from it."""


def name_of(path: Path) -> str:
    return path.stem


class StopAfter(keras.callbacks.Callback):
    """Ends a training after some steps, with the rates of its own schedule and without scores."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if int(self.model.optimizer.iterations) == self.steps:
            raise InterruptedError


def losses(config: Config, run: Path, steps: int) -> list[float]:
    """Trains some steps, and returns the loss of each, from the log of the run."""
    with pytest.raises(InterruptedError):
        train(config, run, callbacks=[StopAfter(steps)])
    rows = read_log(RunFolder(run).log)
    assert [int(row["step"]) for row in rows] == list(range(1, steps + 1))
    return [float(row["loss"]) for row in rows]


def running_means(values: list[float], length: int) -> np.ndarray:
    return np.convolve(values, np.full(length, 1 / length), "valid")


def small(config: Config, data: dict[str, str], model: dict[str, object], crop: int = CROP) -> Config:
    """Returns a recipe with small crops in small batches, in front of which its rates mean the same.

    A summed loss is that of a whole image: the rate of a crop is larger by as much as the crop is smaller.
    Batch normalization keeps up to eight examples; other nets need two.
    """
    values = config.model_dump(mode="json")
    side = round(crop / config.model.input_scale)
    train = values["train"]
    parts = train["batch_size"] // train["accumulate"]
    train["batch_size"] = min(train["batch_size"], 8 if config.model.batch_normalization else 2)
    train["accumulate"] = train["batch_size"] // min(parts, train["batch_size"])
    if config.loss.reduction == "sum":
        train["learning_rate"] *= VOC_PIXELS / side**2
    train["warmup_steps"] = min(train["warmup_steps"], WARM_UP)
    train |= {"log_steps": 1, "evaluate_steps": train["steps"]}
    train["checkpoint_steps"] = min(train["steps"], STEPS)
    values["augmentation"]["crop_size"] = [side, side]
    values["data"] |= {"classes": None, "train_split": "train", "val_split": "val", **data}
    values["model"] |= model
    return Config.model_validate(values, strict=False)


@pytest.fixture(scope="session")
def voc_sample(voc_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The VOC sample with its training split, and two images to score, since a run needs some."""
    root = tmp_path_factory.mktemp("sample")
    lists = root / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    for name in ("JPEGImages", "SegmentationClass", "labels.txt"):
        (root / name).symlink_to(voc_root / name)
    for split, count in (("train", None), ("val", 2)):
        names = (voc_root / "ImageSets" / "Segmentation" / f"{split}.txt").read_text().split()
        (lists / f"{split}.txt").write_text("".join(f"{name}\n" for name in names[:count]))
    return root


@pytest.fixture(scope="session")
def taught(voc_sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Teach:
    """Trains a recipe for 300 steps, once, and returns its run and the loss of each step.

    What starts from the run of another recipe starts from 300 steps of that one.
    """
    done: dict[str, tuple[Path, list[float]]] = {}

    def teach(name: str) -> tuple[Path, list[float]]:
        if name not in done:
            config = load_config(CONFIGS / f"{name}.yaml")
            model: dict[str, object] = {"geometry": "same"}
            if config.model.weights.startswith("runs/"):
                model |= {"weights": str(teach(Path(config.model.weights).name)[0]), "fc_channels": 64}
            elif config.model.weights != "none":
                weights = Path(os.environ["FCN_DATA"]) / "weights" / "vgg16_imagenet_notop.h5"
                if not weights.exists():
                    pytest.skip(f"needs {weights.name}")
                model |= {"weights": str(weights), "fc_channels": 64}
            run = tmp_path_factory.mktemp("taught") / name
            crop = LARGE_CROP if config.loss.reduction == "sum" else CROP
            done[name] = run, losses(small(config, {"root": str(voc_sample)}, model, crop), run, STEPS)
        return done[name]

    return teach


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", [*map(name_of, RECIPES)])
def test_a_recipe_takes_300_steps_on_photographs(name: str, taught: Teach) -> None:
    """The mean of 20 losses never passes twice the first loss.

    A new net scores 0 for all classes, so the first loss is the logarithm of their number, whatever the crop.
    A net that starts from the one before has that one's loss, the mean of its last steps.
    Net, width, skips, frozen layers, loss, optimizer, multipliers, schedule and precision are the recipe's.
    Changed is what would take days, or cannot be had:

    - the data are the sample of Pascal VOC, in crops of 64x64 (before `model.input_scale`), or of 224x224 for
      a summed loss, and batches of at most two, or of eight with batch normalization; whole images in parts
      become crops in parts;
    - fc6 and fc7 have 64 channels and new weights: the weights file holds the convolutions alone;
    - what starts from ImageNet starts from these convolutions, and what starts from the net before it from
      300 steps of that net;
    - a net of the geometry "reference" does without its border of 100 pixels of zeros, nine times the crop;
    - the rate of a summed loss grows by as much as a crop is smaller than an image;
    - a warm-up takes at most 50 steps, so that the loss is that of the full rate.
    """
    config = load_config(CONFIGS / f"{name}.yaml")
    _, found = taught(name)
    first = found[0]
    if config.model.weights.startswith("runs/"):
        first = float(np.mean(taught(Path(config.model.weights).name)[1][-SETTLED:]))
    elif config.loss.reduction == "mean":
        assert first == pytest.approx(np.log(len(VOC_CLASS_NAMES)), rel=1e-3)
    highest = running_means(found, WINDOW).max()
    print(f"{name}: {first:.4g}, at most {highest:.4g}, {np.mean(found[-WINDOW:]):.4g}")
    assert highest <= 2 * first


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=() if path.stem in ALWAYS else pytest.mark.exhaustive) for path in RECIPES],
    ids=name_of,
)
@pytest.mark.usefixtures("eager")
def test_a_recipe_takes_three_steps(path: Path, dataset: Path, tmp_path: Path) -> None:
    """Thin nets on random images, from random weights: what is wrong with a recipe itself shows at once."""
    model = {"width": 1 / 32, "fc_channels": 8, "weights": "none", "geometry": "same"}
    config = small(load_config(path), {"root": str(dataset)}, model)
    found = losses(config, tmp_path / "run", 3)
    assert np.isfinite(found).all()
    assert max(found) <= 2 * found[0]
