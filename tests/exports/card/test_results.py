import json
from pathlib import Path

import pytest
from markdown_page import parse, rows, text

from fcn.config.file import Config
from fcn.config.sections import AugmentationConfig, DataConfig, TrainConfig
from fcn.errors import RunError
from fcn.exports.card.results import agreement, engines, files, scores, training
from fcn.exports.verification import Comparison, Verification
from fcn.inference.engines.table import Choice, write_table

CONFIG = Config(data=DataConfig(root=Path("data/a_b_c"), train_split="learn"), train=TrainConfig(steps=12345))
SCORES = {
    "pixel_accuracy": 0.875,
    "mean_accuracy": 0.75,
    "mean_iou": 0.61239,
    "frequency_weighted_iou": None,
    "class_iou": {"ground": 0.9, "cat|dog": None, "<b>x</b>": 0.3},
    "split": "val",
    "num_images": 7,
    "data": "data/a_b_c",
}


def write(folder: Path, name: str, document: object) -> None:
    (folder / name).write_text(json.dumps(document))


def test_what_is_not_known_is_said_to_be_not_known(tmp_path: Path) -> None:
    assert "are not known" in training(tmp_path)
    assert "Not known" in scores(tmp_path)
    assert "Not measured" in agreement(tmp_path)
    assert "There is no table of engines" in engines(tmp_path)
    assert rows(parse(files(tmp_path))) == [["file", "content"]]


def test_the_recipe_is_that_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG.to_yaml())
    recipe = dict(rows(parse(training(tmp_path))))
    assert (recipe["data"], recipe["training split"]) == ("data/a_b_c", "learn")
    assert (recipe["steps"], recipe["input of a step"]) == ("12,345", "crops of 384 x 384 pixels")
    whole = CONFIG.model_copy(update={"augmentation": AugmentationConfig(crop_size=None)})
    (tmp_path / "config.yaml").write_text(whole.to_yaml())
    assert dict(rows(parse(training(tmp_path))))["input of a step"] == "whole images"


def test_a_teacher_and_images_without_labels_are_told(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG.to_yaml())
    assert not {"teacher", "images without labels"} & dict(rows(parse(training(tmp_path)))).keys()
    teacher = CONFIG.with_values("train", teacher="runs/a_b_c").with_values("loss", distillation=0.25)
    (tmp_path / "config.yaml").write_text(teacher.to_yaml())
    recipe = dict(rows(parse(training(tmp_path))))
    assert recipe["teacher"] == "runs/a_b_c"
    assert recipe["learning from it"] == "0.25 x distillation at temperature 2"
    assert "images without labels" not in recipe
    taught = teacher.with_values("data", unlabeled=Path("more/d_e"), unlabeled_share=0.75)
    (tmp_path / "config.yaml").write_text(taught.to_yaml())
    recipe = dict(rows(parse(training(tmp_path))))
    assert recipe["images without labels"] == "more/d_e"
    assert recipe["share of them"] == "75% of the training examples"


def test_scores_are_those_of_the_file(tmp_path: Path) -> None:
    write(tmp_path, "scores.json", SCORES)
    page = parse(scores(tmp_path))
    assert rows(page) == [
        ["score", "value"],
        ["pixel accuracy", "87.50%"],
        ["mean accuracy", "75.00%"],
        ["mean IoU", "61.24%"],
        ["frequency weighted IoU", "absent"],
        ["class", "IoU"],
        ["ground", "90.00%"],
        ["cat|dog", "absent"],
        ["<b>x</b>", "30.00%"],
    ]
    assert "On 7 images of split val of data/a_b_c." in text(page)


@pytest.mark.parametrize(
    ("trained", "expected"),
    [
        (None, "Whether it was trained on any of them is not known."),
        ({"split": "learn", "num_images": 9, "num_scored": 0}, "It was trained on none."),
        ({"num_scored": 3}, "It was trained on 3 of them, so these scores are too good."),
        ({"num_scored": None}, "not known"),
        ({"num_scored": 0, "earlier": [{"num_scored": None}]}, "not known"),
        ({"num_scored": 0, "earlier": [{"num_scored": None}, {"num_scored": 2}]}, "trained on 2 of them"),
    ],
)
def test_scores_of_images_that_were_learned_are_told(tmp_path: Path, trained, expected: str) -> None:
    write(tmp_path, "scores.json", SCORES | {"training": trained})
    assert expected in scores(tmp_path)


@pytest.mark.parametrize("damaged", ["", "[1]", "{}", '{"class_iou": 3}'])
def test_what_cannot_be_read_does_not_stop_an_export(tmp_path: Path, damaged: str) -> None:
    for name in ("config.yaml", "scores.json"):
        (tmp_path / name).write_text(damaged)
    assert "cannot be read (config.yaml: " in text(parse(training(tmp_path)))
    assert "cannot be read" in scores(tmp_path)


def test_agreement_is_shown_form_by_form(tmp_path: Path) -> None:
    compared = Comparison("onnx float32", 0.99999, 0.9999, True, "a_b.jpg", 0.9995)
    write(tmp_path, "verification.json", Verification(3, 4500, (compared,)).as_dict())
    page = parse(agreement(tmp_path))
    assert rows(page)[1:] == [["onnx float32", "99.9990%", "99.9500%", "a_b.jpg"]]
    assert "4,500 pixels of 3 images" in text(page)


def test_engines_are_shown_best_first(tmp_path: Path) -> None:
    choices = [Choice("openvino", "int8", "cpu", 0.98765, 0.5), Choice("tensorflow", "float32", "gpu", None)]
    write_table(tmp_path, choices)
    assert rows(parse(engines(tmp_path)))[1:] == [
        ["openvino", "int8", "cpu", "98.77%", "50.00%"],
        ["tensorflow", "float32", "gpu", "not measured", "not measured"],
    ]
    (tmp_path / "engines.json").write_text("[]")
    with pytest.raises(RunError, match=r"engines\.json"):
        engines(tmp_path)


def test_files_are_those_that_are_there(tmp_path: Path) -> None:
    there = ["openvino/int8.xml", "onnx/model.onnx", "config.yaml", "verification.json"]
    for name in there:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [row[0] for row in rows(parse(files(tmp_path)))[1:]] == there


def test_scores_that_are_nested_deeply_are_told(tmp_path: Path) -> None:
    (tmp_path / "scores.json").write_text("[" * 100_000)
    assert "cannot be read" in scores(tmp_path)
