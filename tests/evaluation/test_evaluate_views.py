"""Tests of scoring averages over views, and boundaries, by the call and on the command line."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import fcn
from fcn.cli.main import main
from fcn.config.file import Config
from fcn.data.voc import read_example, read_split
from fcn.evaluation.boundary import boundary_counts
from fcn.evaluation.evaluate import evaluate
from fcn.evaluation.evaluation import scores_document
from fcn.evaluation.metrics import BoundaryScores, confusion_matrix
from fcn.inference.predictor import Predictor
from fcn.models.fcn import FCN

CLASS_NAMES = ("ground", "cat", "dog")
TESTING = {"flip": True, "scales": [0.5, 1.0]}


def run(arguments: list[object], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return int(stopped.value.code or 0), captured.out, captured.err


@pytest.fixture(scope="module")
def net(thin_net: Callable[..., FCN]) -> FCN:
    return thin_net(class_names=CLASS_NAMES, seed=1)


@pytest.fixture(scope="module")
def run_path(net: FCN, dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "run"
    (path / "checkpoints").mkdir(parents=True)
    config = Config.model_validate({"data": {"root": dataset, "train_split": "train"}})
    (path / "config.yaml").write_text(config.to_yaml())
    net.save(path / "checkpoints" / "best.keras")
    return path


@pytest.mark.slow
def test_what_is_scored_is_what_the_predictor_says(net: FCN, dataset: Path) -> None:
    predictor = Predictor(net, **TESTING)
    evaluation = fcn.evaluate(predictor, dataset, boundary=True)
    matrix, counts = np.zeros((3, 3), np.int64), np.zeros((2, 3), np.int64)
    for example in read_split(dataset, "val"):
        image, label = read_example(example, 3)
        prediction = predictor.predict(image).label
        matrix += confusion_matrix(label, prediction, 3)
        counts += boundary_counts(label, prediction, 3)
    np.testing.assert_array_equal(evaluation.matrix, matrix)
    assert evaluation.boundary is not None
    expected = BoundaryScores.from_counts(counts)
    np.testing.assert_array_equal(np.hstack(evaluation.boundary), np.hstack(expected))
    assert 0 < expected.mean_boundary_iou < 1
    document = scores_document(evaluation, CLASS_NAMES, dataset, "val")
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["testing"] == TESTING
    assert document["mean_boundary_iou"] == expected.mean_boundary_iou
    assert list(document["class_boundary_iou"]) == list(CLASS_NAMES)

    plain = evaluate(net, dataset)
    assert plain.boundary is None
    assert not np.array_equal(plain.matrix, matrix)
    usual = scores_document(plain, CLASS_NAMES, dataset, "val")
    assert set(document) - set(usual) == {"testing", "mean_boundary_iou", "class_boundary_iou"}


def test_the_command_averages_and_leaves_the_scores_of_a_run_alone(
    run_path: Path, net: FCN, dataset: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["evaluate", run_path, "--data", dataset]
    code, output, errors = run([*command, "--flip", "--scales", "0.5,1", "--json"], capsys)
    assert (code, errors) == (0, "")
    assert not (run_path / "scores.json").exists()
    document = json.loads((tmp_path / "scores.json").read_text())
    assert document == json.loads(output)
    assert document["testing"] == TESTING
    assert document["mean_iou"] == evaluate(Predictor(net, **TESTING), dataset).scores.mean_iou
    assert "mean_boundary_iou" not in document


def test_the_command_scores_boundaries(run_path: Path, dataset: Path, tmp_path: Path, capsys) -> None:
    copied = shutil.copytree(run_path, tmp_path / "run")
    code, output, errors = run(["evaluate", copied, "--data", dataset, "--boundary"], capsys)
    assert (code, errors) == (0, "")
    document = json.loads((copied / "scores.json").read_text())
    assert "testing" not in document
    lines = [line.split() for line in output.splitlines()]
    both = [f"{100 * document[key]:.2f}%" for key in ("mean_iou", "mean_boundary_iou")]
    low, high = (f"{100 * end:.2f}" for end in document["intervals"]["mean_iou"])
    assert ["mean", "IoU", *both, low, "to", f"{high}%"] in lines
    for name in CLASS_NAMES:
        both = [f"{100 * document[key][name]:.2f}%" for key in ("class_iou", "class_boundary_iou")]
        assert ["IoU", "of", name, *both] in [line[:5] for line in lines]


@pytest.mark.parametrize("scales", ["", "one", "1,", "0", "-1", "5", "1,0.5,1.0", "nan"])
def test_scales_that_cannot_be_used_are_refused_at_once(scales: str, capsys) -> None:
    code, _, errors = run(["evaluate", "nowhere", "--data", "nothing", f"--scales={scales}"], capsys)
    assert code == 2
    assert "argument --scales: expected numbers separated by commas" in errors
    assert repr(scales) in errors
