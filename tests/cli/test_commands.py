"""Commands on weights and classifiers, as a user types them."""

import json
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from caffe_net import build_fcn, write_caffemodel
from progress_lines import without_progress

from fcn.cli.main import main
from fcn.cli.tables import print_scores, print_verification
from fcn.data.image_io import encode_jpeg, read_image, read_label
from fcn.evaluation.evaluation import Evaluation
from fcn.evaluation.metrics import Scores
from fcn.exports.verification import Comparison, Verification, read_verification


def run(arguments: list[object], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return int(stopped.value.code or 0), captured.out, captured.err


@pytest.fixture(scope="module")
def photograph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    coarse = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    path = tmp_path_factory.mktemp("photograph") / "photo.jpg"
    path.write_bytes(encode_jpeg(cv2.resize(coarse, (90, 70), interpolation=cv2.INTER_CUBIC)))
    return path


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(8, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(4),
            layers.Conv2D(8, 3, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(16, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(5, activation="softmax"),
        ]
    )
    path = tmp_path_factory.mktemp("classifier") / "classifier.keras"
    model.save(path)
    return path


@pytest.mark.slow
def test_an_imported_net_labels_evaluates_and_exports(
    tmp_path: Path, photograph: Path, dataset: Path, capsys
) -> None:
    layers = build_fcn(8, num_classes=21, width=1 / 16, fc_channels=16)
    source = write_caffemodel(tmp_path / "net.caffemodel", layers)
    code, output, errors = run(["import", source, "--output", tmp_path / "run"], capsys)
    assert (code, errors) == (0, "")
    assert "FCN-8s, Pascal VOC" in output
    assert run(["infer", tmp_path / "run", photograph, "--output", tmp_path / "labels"], capsys)[0] == 0
    label = read_label(tmp_path / "labels" / "photo.png")
    assert label.shape == read_image(photograph).shape[:2]
    code, _, errors = run(["export", tmp_path / "run", tmp_path / "exported"], capsys)
    assert (code, errors) == (0, f"Loading {tmp_path / 'run'}.\nWriting the SavedModel.\n")
    assert run(["infer", tmp_path / "exported", photograph, "--output", tmp_path / "again"], capsys)[0] == 0
    again = read_label(tmp_path / "again" / "photo.png")
    assert np.mean(label == again) >= 0.9999


def test_what_is_no_weight_file_is_refused(tmp_path: Path, photograph: Path, capsys) -> None:
    code, _, errors = run(["import", photograph, "--output", tmp_path / "run"], capsys)
    assert code == 2
    assert "photo.jpg" in errors
    assert not (tmp_path / "run").exists()


def test_convolutionalize_proves_and_shows(
    classifier: Path, photograph: Path, tmp_path: Path, capsys
) -> None:
    net = tmp_path / "net.keras"
    command = ["convolutionalize", classifier, "--output", net, "--prove", photograph, "--heatmap", "3"]
    code, output, errors = run(command, capsys)
    assert (code, errors) == (0, "")
    for text in ("1. Exact", "2. Approximate", "3. Time", "zero padding", "net.class3.jpg"):
        assert text in output
    assert read_image(tmp_path / "net.class3.jpg").shape[1] == 90
    answer = keras.models.load_model(net)(np.zeros((1, 70, 90, 3), np.float32))
    assert answer.shape == (1, 10, 15, 5)


def test_convolutionalize_answers_machines(classifier: Path, tmp_path: Path, capsys) -> None:
    command = ["convolutionalize", classifier, "--output", tmp_path / "net.keras", "--json"]
    code, output, _ = run(command, capsys)
    assert code == 0
    assert json.loads(output) == {"written": [str(tmp_path / "net.keras")], "proof": None}


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        (["--output", "net.h5"], ".keras"),
        (["--output", "net.keras", "--heatmap", "1"], "--prove IMAGE"),
        (["--output", "net.keras", "--prove", "nowhere.jpg"], "nowhere.jpg"),
    ],
)
def test_mistakes_are_named(
    classifier: Path, extra: list[str], expected: str, tmp_path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, errors = run(["convolutionalize", classifier, *extra], capsys)
    assert code == 2
    assert expected in errors
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_there_is_not_overwritten(classifier: Path, capsys) -> None:
    before = classifier.read_bytes()
    code, _, errors = run(["convolutionalize", classifier, "--output", classifier], capsys)
    assert code == 2
    assert "already" in errors
    assert classifier.read_bytes() == before


def test_nets_that_change_images_at_random_or_compute_otherwise(tmp_path: Path, capsys) -> None:
    layers = keras.layers
    for name, first, dtype in (
        ("flip", layers.RandomFlip(), "float32"),
        ("half", layers.ReLU(), "mixed_float16"),
    ):
        path = tmp_path / f"{name}.keras"
        convolution = layers.Conv2D(4, 3, padding="same", dtype=dtype)
        tail = [layers.MaxPooling2D(4), layers.Flatten(), layers.Dense(3, dtype="float32")]
        keras.Sequential([keras.Input((16, 16, 3)), first, convolution, *tail]).save(path)
        code, output, errors = run(
            ["convolutionalize", path, "--output", tmp_path / f"{name}_net.keras", "--prove"], capsys
        )
        assert (code, "1. Exact" in output) == ((0, True) if name == "flip" else (2, False)), errors
        assert name == "flip" or "float32" in errors


def test_a_class_that_is_not_there_is_named(
    classifier: Path, photograph: Path, tmp_path: Path, capsys
) -> None:
    command = ["convolutionalize", classifier, "--output", tmp_path / "n.keras", "--prove", photograph]
    code, _, errors = run([*command, "--heatmap", "5"], capsys)
    assert code == 2
    assert "5" in errors


def test_a_net_with_global_pooling_is_told_so(tmp_path: Path, capsys) -> None:
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((16, 16, 3)), layers.Conv2D(4, 3), layers.GlobalAveragePooling2D(), layers.Dense(2)]
    )
    model.save(tmp_path / "pooled.keras")
    command = ["convolutionalize", tmp_path / "pooled.keras", "--output", tmp_path / "net.keras"]
    code, _, errors = run(command, capsys)
    assert code == 2
    assert "pooling" in errors


@pytest.mark.slow
def test_an_export_is_compared_with_the_net(
    model_path: Path, photograph: Path, tmp_path: Path, capsys
) -> None:
    arguments = ["export", model_path, tmp_path / "out", "--verify", photograph.parent]
    code, output, errors = run([*arguments, "--json"], capsys)
    steps = [f"Loading {model_path}.", "Writing the SavedModel.", "Comparing labels on 1 image."]
    assert (code, without_progress(errors).splitlines()) == (0, steps)
    verification = json.loads(output)["verification"]
    assert (verification["num_images"], verification["num_pixels"]) == (1, 90 * 70)
    agreements = {one["name"]: one["agreement"] for one in verification["comparisons"]}
    assert agreements == {"predict_tensor": 1, "serving_default": 1}
    stored = json.loads((tmp_path / "out" / "1" / "verification.json").read_text())
    assert stored == verification
    print_verification(read_verification(tmp_path / "out" / "1"))
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["predict_tensor", "100.0000%", "99.99%", "100.0000%", "photo.jpg"] in rows


def test_the_export_says_before_it_compares_that_this_takes_time(
    photograph: Path, tmp_path: Path, capsys
) -> None:
    (tmp_path / "net.keras").touch()
    _, _, errors = run(["export", tmp_path / "net.keras", tmp_path / "out", "--verify", photograph], capsys)
    lines = errors.splitlines()
    assert lines[0] == f"Loading {tmp_path / 'net.keras'}."
    assert lines[1].startswith("The net and each exported format are going to label at most 32 images of ")


@pytest.mark.parametrize("name", ["a [edited].jpg", "a [bold]b.jpg", "a :cat: b.jpg"])
def test_names_are_printed_as_they_are(name: str, capsys) -> None:
    print_verification(Verification(1, 4, (Comparison("onnx float32", 1.0, 0.9999, True, name, 1.0),)))
    assert name in capsys.readouterr().out
    matrix = np.eye(1, dtype=np.int64)
    print_scores(Evaluation(Scores.from_matrix(matrix), matrix, ()), [name], name)
    printed = capsys.readouterr().out
    assert f"{name}, 0 images" in printed
    assert f"IoU of {name}" in printed


@pytest.mark.parametrize(
    ("options", "missing"),
    [
        (
            ["--format", "litert", "--calibrate", "photographs"],
            "--format openvino; ONNX and LiteRT files are",
        ),
        (["--format", "openvino", "--accuracy-data", "voc"], "--calibrate FOLDER"),
        (
            ["--format", "openvino", "--calibrate", "photographs", "--accuracy-drop", "1"],
            "--accuracy-data ROOT",
        ),
    ],
)
def test_an_option_of_export_that_would_do_nothing_is_refused(
    options: list[str], missing: str, capsys
) -> None:
    code, _, errors = run(["export", "nowhere", "out", *options], capsys)
    assert code == 2
    assert missing in errors
    assert "Add that, or leave it out." in errors


def test_the_export_says_which_images_decide_if_the_run_chose_them(
    make_dataset, tmp_path: Path, capsys
) -> None:
    root = make_dataset(tmp_path / "data", {"train": ["a", "b"]})
    trained, empty = tmp_path / "run", tmp_path / "empty"
    (trained / "splits").mkdir(parents=True)
    (trained / "splits" / "val.txt").write_text("b\n")
    (trained / "config.yaml").write_text(f"data: {{root: {root}, val_share: 0.5}}\n")
    (trained / "checkpoints").mkdir()
    (trained / "checkpoints" / "best.keras").touch()  # not read yet
    empty.mkdir()
    options = ["--format", "openvino", "--calibrate", empty, "--accuracy-data", root]
    code, _, errors = run(["export", trained, tmp_path / "out", *options], capsys)
    assert code == 2
    _, said, refused = errors.splitlines()
    assert said == (
        f"val: the images that the training chose from {root} (data.val_share), listed in "
        f"{trained / 'splits' / 'val.txt'}."
    )
    assert f"{empty}: no images found" in refused
