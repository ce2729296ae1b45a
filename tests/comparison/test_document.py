import json

import pytest

from fcn.comparison.document import comparison_document
from fcn.system.files import as_json


def test_everything_by_name(comparison) -> None:
    document = json.loads(as_json(comparison_document(comparison, ["fcn", "compare", "a b"])))
    assert document["size"] == [20, 26]
    assert (document["num_images"], document["val_share"]) == (2, None)
    assert (document["split"], document["labels_by"]) == ("val", "tensorflow float32")
    assert document["command"] == ["fcn", "compare", "a b"]
    assert document["warnings"] == ["first: saw <all>"]
    first, second = document["nets"]
    assert (first["name"], first["net"], first["parameters"], first["gflop"]) == (
        *("first<i>", "fcn32s", 1_500_000, 0.125),
    )
    assert first["receptive_field"] == 404
    label = {key: first[f"label_{key}"] for key in ("ms", "ms_fastest", "ms_slowest")}
    assert label == pytest.approx({"ms": 20, "ms_fastest": 10, "ms_slowest": 30})
    assert (first["label_rounds"], first["label_peak_mib"], first["label_idle_mib"]) == (3, 600, 400)
    assert (first["train_step_ms"], first["train_step_peak_mib"]) == (500, 900)
    assert (first["steps"], first["training_minutes"], first["seed"], first["batch_size"]) == (
        1200,
        1.5,
        0,
        1,
    )
    evaluation = comparison.nets[0].evaluation
    assert first["mean_iou"] == evaluation.scores.mean_iou
    assert first["mean_boundary_iou"] == evaluation.boundary.mean_boundary_iou
    assert list(first["class_iou"]) == document["classes"]
    assert [image["name"] for image in first["images"]] == ["x", "y<z"]
    assert first["images"][1]["pixel_accuracy"] == evaluation.images[1].pixel_accuracy
    assert first.keys() == second.keys()
    unknown = {key for key, value in second.items() if value is None}
    assert {"label_ms", "train_step_ms", "steps", "seed", "receptive_field"} <= unknown


def test_a_grid_in_rungs(grid) -> None:
    document = json.loads(as_json(comparison_document(grid, ["fcn"])))
    assert document["varied"] == ["train.learning_rate", "model.net"]
    assert [net["varied"] for net in document["nets"]] == [
        *({"train.learning_rate": 0.1, "model.net": "<b>"}, {})
    ]
    assert document["rungs"] == [
        {"steps": 600, "mean_iou": {"first<i>": 0.5, "third": 0.25, "fourth": None}, "kept": ["first<i>"]},
        {"steps": 1200, "mean_iou": {"first<i>": 0.75}, "kept": ["first<i>"]},
    ]
    assert document["failures"] == {"fifth": "The loss became <nan>."}


def test_without_a_grid_there_are_no_values(comparison) -> None:
    document = comparison_document(comparison, ["fcn"])
    assert [document[key] for key in ("varied", "rungs", "failures")] == [[], [], {}]
    assert document["nets"][0]["varied"] == {}
