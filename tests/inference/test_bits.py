"""The bits of a net are those by which everything reads images of 16 bits for it."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import tensorflow as tf
from conftest import MakeDataset, ThinNet

from fcn.config.sections import DataConfig
from fcn.data.image_io import encode_png
from fcn.errors import DataError
from fcn.evaluation.evaluate import evaluate_split
from fcn.exports.graph import decode_image
from fcn.inference.predictor import Predictor
from fcn.jobs.label_images import label_images
from fcn.models.fcn import FCN
from fcn.runs.model_file import load_model
from fcn.training.checked_data import read_checked

Pixels = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]


def draw(seed: int = 0) -> Pixels:
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 5, 3)).astype(np.uint8)
    coarse[0, 0] = 255
    return cv2.resize(coarse, (32, 24), interpolation=cv2.INTER_NEAREST).astype(np.uint8)


def write_deep(path: Path, pixels: Pixels, bits: int) -> Path:
    """Writes a file of 16 bits of which `bits` are used; the upper 8 of these are the pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = (pixels.astype(np.uint16) << (bits - 8)) | ((1 << (bits - 8)) - 1)
    assert cv2.imwrite(str(path), values[..., ::-1])
    return path


@pytest.fixture(scope="module")
def net(thin_net: ThinNet) -> FCN:
    return thin_net(bits=12)


def test_a_net_keeps_its_bits(net: FCN, tmp_path: Path) -> None:
    assert net.get_config()["bits"] == 12
    net.save(tmp_path / "net.keras")
    assert load_model(tmp_path / "net.keras").bits == 12
    assert Predictor(tmp_path / "net.keras").bits == 12
    with pytest.raises(ValueError, match="Expected 8 to 16 `bits`"):
        FCN(num_classes=2, width=1 / 32, bits=7)


def test_a_predictor_reads_files_as_the_net_was_trained(net: FCN, tmp_path: Path) -> None:
    predictor = Predictor(net)
    expected = predictor.predict(draw()).label
    for name in ("a.png", "a.tif"):
        path = write_deep(tmp_path / name, draw(), 12)
        np.testing.assert_array_equal(predictor.predict(path).label, expected)
        np.testing.assert_array_equal(predictor.predict(path.read_bytes()).label, expected)
    with pytest.raises(DataError, match=r"data\.bits"):
        predictor.predict(write_deep(tmp_path / "b.png", draw(), 16))
    averaged = Predictor(net, flip=True)
    assert averaged.bits == 12


def test_a_job_reads_files_as_the_net_was_trained(
    net: FCN, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_deep(tmp_path / "images" / "a.png", draw(), 12)
    predictor = Predictor(net)
    result = label_images(predictor, [tmp_path / "images"], tmp_path / "labels", ("ids",))
    assert result.failed == ()
    written = cv2.imread(str(tmp_path / "labels" / "a.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(written, predictor.predict(draw()).label)
    assert "Warning" not in capsys.readouterr().err


def test_a_job_warns_once_of_values_that_suggest_another_range(
    thin_net: ThinNet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        write_deep(tmp_path / "images" / f"{number}.tif", draw(number), 12)
    (tmp_path / "images" / "dark.png").write_bytes(encode_png(draw() // 32))
    result = label_images(Predictor(thin_net()), [tmp_path / "images"], tmp_path / "labels")
    assert (result.written, result.failed) == (4, ())
    errors = capsys.readouterr().err
    assert errors.count("Warning: ") == 1
    assert "no value above 4095 (12 bits)" in errors
    assert "train it with data.bits: 12" in errors


def test_scores_are_of_images_as_the_net_was_trained(
    net: FCN, make_dataset: MakeDataset, tmp_path: Path
) -> None:
    root = make_dataset(tmp_path / "shallow", {"val": ["a", "b"]}, class_names=net.class_names, suffix=".png")
    deep = make_dataset(tmp_path / "deep", {"val": ["a", "b"]}, class_names=net.class_names, suffix=".png")
    for path in (root / "JPEGImages").iterdir():
        pixels = cv2.imread(str(path))[..., ::-1].astype(np.uint8)
        write_deep(deep / "JPEGImages" / path.name, pixels, 12)
    predictor = Predictor(net)
    expected, found = (evaluate_split(predictor, folder, "val") for folder in (root, deep))
    np.testing.assert_array_equal(found.scores.class_iou, expected.scores.class_iou)


def test_a_training_asks_for_the_range_and_uses_it(make_dataset: MakeDataset, tmp_path: Path) -> None:
    root = make_dataset(tmp_path, {"train": ["a", "b"], "val": ["c"]}, sizes=((24, 32),), suffix=".png")
    for number, name in enumerate("abc"):
        write_deep(root / "JPEGImages" / f"{name}.png", draw(number), 12)
    with pytest.raises(DataError, match=r"Set data\.bits: 12"):
        read_checked(DataConfig(root=root))
    data = read_checked(DataConfig(root=root, bits=12))
    assert {example.bits for example in (*data.train_examples, *data.val_examples)} == {12}


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_graph_keeps_the_same_bits(bits: int, channels: int) -> None:
    from fcn.data.image_io import decode_image as decode_outside

    values = np.random.default_rng(0).integers(0, 2**bits, (6, 7, channels)).astype(np.uint16)
    deep = cv2.imencode(".png", values)[1].tobytes()
    np.testing.assert_array_equal(decode_image(tf.constant(deep), bits), decode_outside(deep, bits=bits))
    shallow = encode_png(draw())
    np.testing.assert_array_equal(decode_image(tf.constant(shallow), bits), draw())


def test_a_graph_refuses_values_beyond_its_bits() -> None:
    deep = cv2.imencode(".png", np.full((4, 4), 4096, np.uint16))[1].tobytes()
    with pytest.raises(tf.errors.InvalidArgumentError, match="more than the 12 bits"):
        decode_image(tf.constant(deep), 12)


@pytest.mark.slow
def test_an_export_keeps_the_bits(net: FCN, tmp_path: Path) -> None:
    from fcn.exports.export import export

    version = export(net, tmp_path / "exported")
    predictor = Predictor(version)
    assert predictor.bits == 12
    expected = Predictor(net).predict(draw()).label
    path = write_deep(tmp_path / "a.png", draw(), 12)
    np.testing.assert_array_equal(predictor.predict(path).label, expected)
    serve = tf.saved_model.load(str(version)).signatures["serving_default"]
    answer = serve(image_bytes=tf.constant([path.read_bytes()]))["label_png_bytes"][0].numpy()
    served = cv2.imdecode(np.frombuffer(answer, np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(served, expected)
    assert "| bits | 12 |" in (version / "model_card.md").read_text().replace("`", "")
