from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from html_page import Page
from PIL import Image

from fcn.classes import Classes
from fcn.config.file import Config
from fcn.config.sections import DataConfig
from fcn.data.image_io import write_label
from fcn.data.voc import Example
from fcn.evaluation.evaluate import evaluate_examples
from fcn.evaluation.evaluation import Evaluation
from fcn.inference.predictor import Predictor
from fcn.models.fcn import FCN
from fcn.report import write_report
from fcn.runs.log import COLUMNS
from fcn.runs.model_file import RunFolder

CLASS_NAMES = ("ground", "<b>cat & dog", "unicorn")


class Made(NamedTuple):
    run: RunFolder
    predictor: Predictor
    evaluation: Evaluation
    examples: list[Example]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Three images of two classes, and a net that calls everything ground, as new score layers are zero."""
    folder = tmp_path_factory.mktemp("report")
    model = FCN(num_classes=3, width=1 / 16, class_names=CLASS_NAMES)
    classes = Classes.named(CLASS_NAMES)
    examples = []
    random = np.random.default_rng(0)
    for name, columns in (("one", 4), ("<script>two", 10), ("three", 20)):
        label = np.zeros((24, 30), np.uint8)
        label[:, :columns] = 1
        label[:5] = 255
        image = Image.fromarray(random.integers(0, 256, (24, 30, 3), np.uint8))
        example = Example(name, folder / f"{name}.jpg", folder / f"{name}.png")
        image.save(example.image_path)
        write_label(example.label_path, label, classes)
        examples.append(example)
    run = RunFolder(folder / "a<script>run")
    run.path.mkdir()
    run.config.write_text(Config(data=DataConfig(root=Path("photos<script>"))).to_yaml())
    run.environment.write_text('{"keras": "3.99.1"}')
    rows = ("1,2.5,0.1,,,,,,,", "2,1.5,0.1,9,1,0.5,0.5,0.4,0.3,", "3,0.5,0.1,9,1,0.5,0.5,0.6,0.3,")
    run.log.write_text("\n".join((",".join(COLUMNS), *rows, "")))
    predictor = Predictor(model)
    evaluation = evaluate_examples(predictor, examples)
    write_report(run, predictor, evaluation, split="val<script>")
    return Made(run, predictor, evaluation, examples)


@pytest.fixture(scope="session")
def page(made: Made) -> Page:
    return Page(made.run.report.read_text())
