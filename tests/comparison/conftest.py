import math
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from fcn.comparison.candidates import Candidate
from fcn.comparison.halving import Rung
from fcn.comparison.plan import Plan
from fcn.comparison.result import Comparison, NetResult, NetSize
from fcn.comparison.timing import Timing
from fcn.config.file import Config
from fcn.config.sections import DataConfig
from fcn.data.voc import read_classes, read_split
from fcn.evaluation.evaluate import evaluate_split
from fcn.inference.predictor import Predictor
from fcn.models.fcn import FCN
from fcn.report.pictures import label_picture

WriteConfig = Callable[..., Path]
CLASSES = ("ground", "<b>cat", "unicorn")
MEBIBYTE = 2**20


@pytest.fixture
def write_config(tmp_path: Path, dataset: Path) -> WriteConfig:
    """Writes a configuration that trains in seconds."""

    def write(
        name: str = "thin", root: Path = dataset, train: str = "", more: str = "", model: str = ""
    ) -> Path:
        path = tmp_path / f"{name}.yaml"
        path.write_text(
            f"data: {{root: {root}{more}}}\n"
            "augmentation: {crop_size: [24, 24]}\n"
            f"model: {{net: fcn32s, width: 0.03125, fc_channels: 8{model}}}\n"
            f"train: {{steps: 2, batch_size: 2{train}}}\n"
        )
        return path

    return write


@pytest.fixture(scope="session")
def comparison(tmp_path_factory: pytest.TempPathFactory, make_dataset) -> Comparison:
    """Two nets that were scored, with made-up times: the second was never timed, and is of no run."""
    root = make_dataset(
        tmp_path_factory.mktemp("compared") / "a<b", {"val": ["x", "y<z"]}, ((64, 96),), CLASSES
    )
    classes, examples = read_classes(root), read_split(root, "val")
    keras.utils.set_random_seed(0)
    # One net with the weights of one after the other: it is compiled once.
    model = FCN(num_classes=3, stride=32, width=1 / 32, fc_channels=8, class_names=CLASSES)
    predictor, scores = Predictor(model), model.get_layer("score_fr")
    nets = []
    for name, kind, seed in (("first<i>", "fcn32s", 1), ("second", "fcn8s", 2)):
        kernel = np.random.default_rng(seed).standard_normal(scores.kernel.shape)
        scores.set_weights([kernel, np.zeros(3)])
        nets.append(
            NetResult(
                Candidate(name, Path("runs") / name, None),
                Config(data=DataConfig(root=root)) if seed == 1 else None,
                NetSize(kind, 1_500_000 * seed, 0.125 * seed, (404, 404) if seed == 1 else None),
                evaluate_split(predictor, root, "val", boundary=True),
                tuple(label_picture(predictor, example) for example in examples),
                "tensorflow float32",
                *((1200, 90.0) if seed == 1 else (None, None)),
                Timing((0.030, 0.010, 0.020), 600 * MEBIBYTE, 400 * MEBIBYTE) if seed == 1 else None,
                Timing((0.5,), 900 * MEBIBYTE, 400 * MEBIBYTE) if seed == 1 else None,
            )
        )
    assert nets[0].evaluation.scores.mean_iou != nets[1].evaluation.scores.mean_iou
    plan = Plan(tuple(net.candidate for net in nets), root, "val", classes, examples)
    shown = tuple(example.name for example in examples)
    environment = {"cpu": "a <CPU>", "accelerators": []}
    return Comparison(plan, (20, 26), tuple(nets), shown, ("first: saw <all>",), environment)


@pytest.fixture
def grid(comparison: Comparison) -> Comparison:
    """The same two nets as parts of a grid in rungs: the second was loaded, one has failed."""
    first, second = comparison.nets
    varied = {"train.learning_rate": 0.1, "model.net": "<b>"}
    first = first._replace(candidate=first.candidate._replace(varied=varied))
    rungs = (
        Rung(600, {first.name: 0.5, "third": 0.25, "fourth": math.nan}, (first.name,)),
        Rung(1200, {first.name: 0.75}, (first.name,)),
    )
    plan = comparison.plan._replace(varied=tuple(varied), rungs=(600, 1200))
    failures = {"fifth": "The loss became <nan>."}
    return comparison._replace(plan=plan, nets=(first, second), rungs=rungs, failures=failures)
