import errno
import json
import os
import shutil
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from markdown_page import rows, sections
from PIL import Image

from fcn.config.file import Config
from fcn.config.sections import DataConfig
from fcn.data.image_io import encode_jpeg, read_label
from fcn.errors import OutputError
from fcn.exports.export import export
from fcn.inference.predictor import Predictor
from fcn.models.fcn import FCN

SIZES = ((1, 1), (40, 57), (33, 32), (7, 90))


def images() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (*size, 3), np.uint8) for size in SIZES]


@pytest.fixture(scope="module")
def served(plain_export: Path) -> Any:
    """The export as TensorFlow loads it; its graphs are made ready once, when they first run."""
    return tf.saved_model.load(str(plain_export))


def test_logits_and_labels_equal_the_net_at_any_size(net: FCN, served: Any) -> None:
    for image in images():
        logits = served.signatures["predict_logits"](images=image[np.newaxis])["logits"]
        label = served.signatures["predict_tensor"](images=image[np.newaxis])["label"]
        expected = np.asarray(net(image[np.newaxis].astype(np.float32)))
        np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-5 * expected.std())
        assert label.dtype == tf.uint8
        np.testing.assert_array_equal(label, np.asarray(logits).argmax(-1))


def test_weights_are_saved_once(net: FCN, plain_export: Path) -> None:
    saved = sum(path.stat().st_size for path in (plain_export / "variables").glob("variables.data-*"))
    weights = sum(weight.nbytes for weight in net.get_weights())
    assert weights <= saved < 1.1 * weights


@pytest.mark.slow
def test_image_bytes_of_several_sizes_in_one_request(net: FCN, served: Any, tmp_path: Path) -> None:
    files = [encode_jpeg(image) for image in images()]
    answer = served.signatures["serving_default"](image_bytes=tf.constant(files))["label_png_bytes"]
    predictor = Predictor(net)
    for index, data in enumerate(files):
        path = tmp_path / f"{index}.png"
        path.write_bytes(answer[index].numpy())
        np.testing.assert_array_equal(read_label(path), predictor.predict(data).label)


@pytest.mark.slow
def test_a_process_without_this_package_can_use_it(plain_export: Path, net: FCN, tmp_path: Path) -> None:
    image = images()[1]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jpg").write_bytes(encode_jpeg(image))
    script = Path(__file__).parents[2] / "examples" / "label_with_tensorflow.py"
    command = [sys.executable, "-I", script, plain_export, tmp_path / "in", tmp_path / "out"]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    expected = Predictor(net).predict(tmp_path / "in" / "a.jpg").label
    np.testing.assert_array_equal(read_label(tmp_path / "out" / "a.png"), expected)


@pytest.mark.slow
def test_versions_count_up_and_the_highest_is_used(plain_export: Path, tmp_path: Path, thin_net) -> None:
    shutil.copytree(plain_export, tmp_path / "out" / "1")
    other = thin_net(seed=5)
    assert export(other, tmp_path / "out").name == "2"
    (tmp_path / "out" / "1" / "saved_model.pb").rename(tmp_path / "out" / "1" / "gone")
    image = images()[1]
    expected = Predictor(other).predict(image).label
    np.testing.assert_array_equal(Predictor(tmp_path / "out").predict(image).label, expected)
    np.testing.assert_array_equal(Predictor(tmp_path / "out" / "2").predict(image).label, expected)


def test_classes_and_palette_travel_along(plain_export: Path, served: Any, net: FCN) -> None:
    assert Predictor(plain_export).classes == net.classes
    asset = served.classes.asset_path.numpy()
    assert json.loads(Path(asset.decode()).read_text())["names"] == list(net.class_names)


def test_the_arguments_of_the_net_travel_along(plain_export: Path, net: FCN) -> None:
    document = json.loads((plain_export / "assets" / "model.json").read_text())
    assert FCN.from_config(document).get_config() == net.get_config()


@pytest.mark.slow
def test_what_a_run_says_goes_along(net: FCN, tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    for name in ("best", "last"):
        net.save(run / "checkpoints" / f"{name}.keras")
    (run / "config.yaml").write_text(Config(data=DataConfig(root=Path("data"))).to_yaml())
    (run / "scores.json").write_text("{}")
    (run / "digests.json").write_text("{}")
    best = export(run, tmp_path / "out")
    for name in ("config.yaml", "digests.json", "scores.json"):
        assert (best / name).read_bytes() == (run / name).read_bytes()
    files = [row[0] for row in rows(sections((best / "model_card.md").read_text())["Files"])[1:]]
    assert files == ["saved_model.pb", "assets/classes.json", "config.yaml", "scores.json", "digests.json"]
    last = export(run / "checkpoints" / "last.keras", tmp_path / "out")
    assert (last / "config.yaml").exists()
    assert (last / "digests.json").exists()
    assert not (last / "scores.json").exists()  # they are of another checkpoint


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_files_are_labeled_upright_as_outside_of_the_graph(
    plain_export: Path, served: Any, kind: str
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (24, 40, 3), np.uint8)
    label = served.signatures["serving_default"]
    predictor = Predictor(plain_export, "tensorflow")
    files = []
    for orientation in range(1, 9):
        file, exif = BytesIO(), Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(pixels).save(file, kind, exif=exif)
        files.append(file.getvalue())
    for data, png in zip(
        files, label(image_bytes=tf.constant(files))["label_png_bytes"].numpy(), strict=True
    ):
        np.testing.assert_array_equal(np.array(Image.open(BytesIO(png))), predictor.predict(data).label)


def test_three_signatures(plain_export: Path) -> None:
    saved = tf.saved_model.load(str(plain_export))
    assert sorted(saved.signatures) == ["predict_logits", "predict_tensor", "serving_default"]
    # Nor is the graph of the fourth there, which only nets with an `input_scale` need.
    assert not [name for name in dir(saved) if "shrunk" in name]


def test_nothing_half_written_stays(net: FCN, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(OutputError, match="No space left"):
        export(net, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_a_file_in_the_way_is_the_users_to_mend(net: FCN, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputError, match="out"):
        export(net, tmp_path / "out")
