"""Tests of scoring a split."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from IPython.lib.pretty import pretty
from PIL import ExifTags, Image

from fcn.classes import VOID
from fcn.data.image_io import encode_label, read_image
from fcn.data.voc import read_example, read_split
from fcn.errors import DataError, RunError
from fcn.evaluation.bootstrap import interval
from fcn.evaluation.calibration import CalibrationSums
from fcn.evaluation.evaluate import evaluate, evaluate_and_check, evaluate_examples
from fcn.evaluation.evaluation import scores_document
from fcn.evaluation.metrics import Scores
from fcn.inference.predictor import Predictor
from fcn.models.fcn import FCN
from fcn.runs.lineage import TrainingSplit
from fcn.training.loss import VoidCrossentropy

CLASS_NAMES = ("ground", "cat", "dog")


@pytest.fixture(scope="module")
def predictor(thin_net: Callable[..., FCN]) -> Predictor:
    return Predictor(thin_net(class_names=CLASS_NAMES, seed=1))


def test_scores_are_those_of_a_loop_over_pixels(predictor: Predictor, dataset: Path) -> None:
    evaluation = evaluate(predictor, dataset, "val")
    matrix = np.zeros((3, 3), int)
    mean_iou = []
    for example in read_split(dataset, "val"):
        image, label = read_example(example, 3)
        own = np.zeros((3, 3), int)
        guess = predictor.predict(image).label
        for true, predicted in zip(label.ravel().tolist(), guess.ravel().tolist(), strict=True):
            if true != VOID:
                own[true, predicted] += 1
        matrix += own
        mean_iou.append(Scores.from_matrix(own).mean_iou)
    assert np.count_nonzero(matrix.sum(axis=0)) > 1
    np.testing.assert_array_equal(evaluation.matrix, matrix)
    np.testing.assert_array_equal(np.hstack(evaluation.scores), np.hstack(Scores.from_matrix(matrix)))
    assert [image.mean_iou for image in evaluation.images] == mean_iou
    assert [image.example for image in evaluation.images] == read_split(dataset, "val")


def test_a_net_and_its_file_are_scored_alike(
    thin_net: Callable[..., FCN], dataset: Path, tmp_path: Path
) -> None:
    net = thin_net(class_names=CLASS_NAMES, seed=1)
    net.save(tmp_path / "net.keras")
    expected = evaluate(net, str(dataset), "train").matrix
    assert expected.sum() > 0
    np.testing.assert_array_equal(evaluate(tmp_path / "net.keras", dataset, "train").matrix, expected)


def test_an_image_of_nothing_but_void_has_no_score(
    predictor: Predictor, make_dataset: Callable[..., Path], tmp_path: Path
) -> None:
    root = make_dataset(tmp_path / "set", {"val": ["a", "b"]})
    label_path = root / "SegmentationClass" / "a.png"
    label_path.write_bytes(encode_label(np.full((20, 26), VOID, np.uint8)))
    evaluation = evaluate(predictor, root)
    assert math.isnan(evaluation.images[0].mean_iou)
    only = evaluate_examples(predictor, read_split(root, "val")[1:])
    np.testing.assert_array_equal(evaluation.matrix, only.matrix)
    assert evaluation.scores.mean_iou == only.scores.mean_iou


def test_the_loss_is_the_mean_over_the_images(
    predictor: Predictor, make_dataset: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_dataset(tmp_path / "set", {"val": ["void", "a", "b"]}, sizes=((20, 26), (31, 17), (16, 16)))
    label_path = root / "SegmentationClass" / "void.png"
    label_path.write_bytes(encode_label(np.full((20, 26), VOID, np.uint8)))
    examples = read_split(root, "val")
    expected = []
    for example in examples[1:]:
        image, label = read_example(example, 3)
        known = label != VOID
        probabilities = predictor.probabilities(image)[known, label[known]]
        expected.append(-np.log(probabilities.astype(np.float64)).mean())
    plain = evaluate_examples(predictor, examples)
    assert math.isnan(plain.loss)
    scored = evaluate_examples(predictor, examples, loss=VoidCrossentropy())
    assert scored.loss == pytest.approx(np.mean(expected), rel=1e-5)
    np.testing.assert_array_equal(scored.matrix, plain.matrix)

    monkeypatch.setattr("fcn.evaluation.evaluate._LOGIT_BYTES", 4 * 3 * 16 * 16)  # one image is small enough
    partly = evaluate_examples(predictor, examples, loss=VoidCrossentropy())
    assert partly.loss == pytest.approx(expected[1], rel=1e-5)
    np.testing.assert_array_equal(partly.matrix, plain.matrix)


def test_other_classes_are_refused(
    predictor: Predictor, make_dataset: Callable[..., Path], tmp_path: Path
) -> None:
    for number, names in enumerate((("ground", "dog", "cat"), ("ground", "cat"))):
        root = make_dataset(tmp_path / str(number), {"val": ["a"]}, class_names=names)
        with pytest.raises(DataError, match="expected the classes the model was trained on") as caught:
            evaluate(predictor, root)
        assert str(root) in str(caught.value)
        assert "ground, cat, dog" in str(caught.value)
        assert f"Received: {', '.join(names)}." in str(caught.value)


def test_what_cannot_be_scored_is_refused(predictor: Predictor, dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"test\.txt: no such split"):
        evaluate(predictor, dataset, "test")
    with pytest.raises(DataError, match="JPEGImages"):
        evaluate(predictor, tmp_path)
    with pytest.raises(RunError, match="no such model"):
        evaluate(tmp_path / "none", dataset)


def test_a_broken_image_ends_the_scoring_with_its_name(
    predictor: Predictor, make_dataset: Callable[..., Path], tmp_path: Path
) -> None:
    root = make_dataset(tmp_path / "set", {"val": [f"n{number}" for number in range(8)]})
    broken = root / "JPEGImages" / "n5.jpg"
    broken.write_bytes(broken.read_bytes()[:100])
    with pytest.raises(DataError, match=r"n5\.jpg"):
        evaluate(predictor, root)


def test_the_document_has_the_scores_as_top_level_keys(predictor: Predictor, dataset: Path) -> None:
    evaluation = evaluate(predictor, dataset)
    document = scores_document(evaluation, CLASS_NAMES, dataset, "val")
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["mean_iou"] == evaluation.scores.mean_iou
    assert list(document["class_iou"]) == list(CLASS_NAMES)
    assert (document["split"], document["num_images"], document["data"]) == ("val", 3, str(dataset))
    scores = {"pixel_accuracy", "mean_accuracy", "mean_iou", "frequency_weighted_iou", "class_iou"}
    assert set(document) == scores | {"split", "num_images", "data", "training"}
    assert document["training"] is None
    known = scores_document(evaluation, CLASS_NAMES, dataset, "val", TrainingSplit("train", 4, 0))
    assert known == document | {"training": {"split": "train", "num_images": 4, "num_scored": 0}}


def test_an_evaluation_shows_its_scores(predictor: Predictor, dataset: Path) -> None:
    evaluation = evaluate(predictor, dataset, "val")
    mean_iou = f"{100 * evaluation.scores.mean_iou:.2f}%"
    assert [line.split() for line in str(evaluation).splitlines()][:2] == [
        ["3", "images"],
        ["mean", "IoU", mean_iou],
    ]
    assert pretty(evaluation) == str(evaluation)
    assert f"<td>mean IoU</td><td>{mean_iou}</td>" in evaluation._repr_html_()


def test_turned_images_whose_labels_may_be_of_stored_pixels_are_noted(
    predictor: Predictor, dataset: Path, tmp_path: Path
) -> None:
    root = shutil.copytree(dataset, tmp_path / "data")
    assert evaluate_and_check(predictor, root, "val").notes == ()
    path, exif = root / "JPEGImages" / "x.jpg", Image.Exif()
    exif[ExifTags.Base.Orientation] = 3
    Image.fromarray(read_image(path)).save(path, exif=exif, quality=95)
    (note,) = evaluate_and_check(predictor, root, "val").notes
    assert note.startswith("1 images are turned by their EXIF orientation")
    assert evaluate_and_check(predictor, root, "val", label_orientation="stored").notes == ()
    assert evaluate_and_check(predictor, root, "train").notes == ()


def test_scores_and_what_makes_them_too_good_come_together(
    predictor: Predictor, thin_net: Callable[..., FCN], dataset: Path, tmp_path: Path
) -> None:
    checked = evaluate_and_check(predictor, dataset, "val")
    np.testing.assert_array_equal(checked.evaluation.matrix, evaluate(predictor, dataset).matrix)
    assert (checked.training, checked.warnings) == (None, ())  # a net that was never a file
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    (run / "config.yaml").write_text(f"data: {{root: '{dataset}'}}\n")
    thin_net(class_names=CLASS_NAMES, seed=1).save(run / "checkpoints" / "best.keras")
    checked = evaluate_and_check(Predictor(run), dataset, "train")
    np.testing.assert_array_equal(checked.evaluation.matrix, evaluate(predictor, dataset, "train").matrix)
    assert checked.training == TrainingSplit("train", 4, 4)
    (warning,) = checked.warnings
    assert warning.startswith(f"{run} was trained on 4 of the 4 scored images")


def test_calibration_is_that_of_the_probabilities(predictor: Predictor, dataset: Path) -> None:
    examples = read_split(dataset, "val")
    found = evaluate_examples(predictor, examples, calibration=True)
    assert found.calibration is not None
    sums = CalibrationSums(3)
    for example in examples:
        image, label = read_example(example, 3)
        sums.add(predictor.predict(image, with_logits=True).probabilities(), label)
    for one, other in zip(found.calibration, sums.calibration(), strict=True):
        np.testing.assert_allclose(one, other)
    assert found.calibration.pixels.sum() == found.matrix.sum()
    # The labels are those without it.
    plain = evaluate_examples(predictor, examples)
    np.testing.assert_array_equal(found.matrix, plain.matrix)
    assert plain.calibration is None
    document = scores_document(found, CLASS_NAMES, dataset, "val")
    assert document["calibration"]["num_pixels"] == found.matrix.sum()


def test_intervals_are_around_the_scores(predictor: Predictor, dataset: Path) -> None:
    found = evaluate_examples(predictor, read_split(dataset, "val"))
    draws = found.draw_scores()
    for name in ("mean_iou", "pixel_accuracy", "mean_accuracy", "frequency_weighted_iou"):
        low, high = interval(getattr(draws, name))
        assert low <= getattr(found.scores, name) <= high
    document = scores_document(found, CLASS_NAMES, dataset, "val", draws=draws)
    assert document["intervals"]["mean_iou"] == [*interval(draws.mean_iou)]
    bare = found._replace(images=tuple(image._replace(counts=None) for image in found.images))
    with pytest.raises(ValueError, match="Expected images with counts"):
        bare.draw_scores()
