"""Tests of choosing what computes on the command line: infer and evaluate."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from infer_command import run

from fcn.cli.main import main
from fcn.data.image_io import read_label
from fcn.models.fcn import FCN


@pytest.mark.slow
def test_what_the_export_says_is_best_labels(
    calibrated_export: Path, smooth_photographs: Path, tmp_path: Path, capsys
) -> None:
    output = tmp_path / "out"
    assert run([calibrated_export, smooth_photographs, "--output", output], capsys)[0] == 0
    assert read_label(output / "00.png").size
    # The same whoever says it; labels of another precision do not get among these.
    (output / "01.png").unlink()
    named = [
        calibrated_export,
        smooth_photographs,
        "--output",
        output,
        "--engine",
        "openvino",
        "--precision",
        "int8",
    ]
    assert run(named, capsys)[0] == 0
    assert (output / "01.png").exists()
    for option, other in (("--precision", "float32"), ("--engine", "tensorflow")):
        code, _, errors = run(
            [calibrated_export, smooth_photographs, "--output", output, option, other], capsys
        )
        assert code == 2
        assert other in errors


def test_precisions_of_a_model_are_scored(
    calibrated_export: Path, net: FCN, make_dataset: Callable[..., Path], tmp_path: Path, capsys
) -> None:
    data = make_dataset(tmp_path / "data", {"val": ["a", "b"]}, class_names=net.class_names)
    documents = []
    for precision in ("float32", "int8"):
        scores = tmp_path / f"{precision}.json"
        command = [
            "evaluate",
            calibrated_export,
            "--data",
            data,
            "--precision",
            precision,
            "--output",
            scores,
        ]
        with pytest.raises(SystemExit) as stopped:
            main([str(word) for word in command])
        assert stopped.value.code == 0
        documents.append(json.loads(scores.read_text()))
    capsys.readouterr()
    assert [(document["engine"], document["precision"]) for document in documents] == [
        ("openvino", "float32"),
        ("openvino", "int8"),
    ]
    assert documents[0]["mean_iou"] == pytest.approx(documents[1]["mean_iou"], abs=0.1)
