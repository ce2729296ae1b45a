"""Published weights: recognized, read and computed as the engines they were made for do."""

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import cv2
import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from caffe_net import CaffeLayer, build_fcn, write_caffemodel, write_prototxt
from weight_files import encode_keras, encode_npy, encode_torch, state_dict, vgg16_arrays

from fcn.errors import OutputError, RunError
from fcn.exports.export import export
from fcn.runs.importing import import_weights
from fcn.runs.model_file import load_model
from fcn.weights.published.convert import read_published

HERE = Path(__file__).parents[2]
SIZES = ((64, 64), (37, 51), (120, 43), (60, 131), (1, 1))
THIN = {"num_classes": 21, "width": 1 / 16, "fc_channels": 32}
MEAN = np.array((104.00699, 116.66877, 122.67892), np.float32)


def opencv_scores(
    folder: Path, layers: list[CaffeLayer], image: np.ndarray, mean: np.ndarray = MEAN
) -> np.ndarray:
    """Computes the scores with OpenCV's Caffe engine, `float32[H, W, C]`."""
    prototxt = write_prototxt(folder / "net.prototxt", layers, *image.shape[:2])
    net = cv2.dnn.readNetFromCaffe(str(prototxt), str(folder / "net.caffemodel"))
    net.setInput((image[..., ::-1] - mean).transpose(2, 0, 1)[np.newaxis])
    return net.forward()[0].transpose(1, 2, 0)


@pytest.mark.parametrize(("stride", "at_once"), [(32, False), (16, False), (8, False), (8, True)])
def test_every_published_net_equals_opencvs_caffe_engine(tmp_path: Path, stride: int, at_once: bool) -> None:
    layers = build_fcn(stride, at_once=at_once, seed=stride, **THIN)
    source = write_caffemodel(tmp_path / "net.caffemodel", layers)
    found = import_weights(source, tmp_path / "run")
    assert found.title == f"FCN-{stride}s{' at once' if at_once else ''}, Pascal VOC"
    model = load_model(tmp_path / "run")
    assert model.class_names[15] == "person"
    agreeing = pixels = 0
    for index, size in enumerate(SIZES):
        rng = np.random.default_rng(index)
        image = rng.integers(0, 256, (*size, 3)).astype(np.float32)
        expected, scores = opencv_scores(tmp_path, layers, image), np.asarray(model(image[np.newaxis]))[0]
        assert np.abs(scores - expected).max() <= 1e-4 * expected.std()
        agreeing += np.count_nonzero(scores.argmax(-1) == expected.argmax(-1))
        pixels += size[0] * size[1]
    assert agreeing >= 0.9999 * pixels


@pytest.mark.parametrize(
    ("num_classes", "stride", "mean"),
    [
        (60, 8, (104.007, 116.669, 122.679)),
        (40, 32, (116.190, 97.203, 92.318)),
        (33, 16, (114.578, 115.294, 108.353)),
    ],
)
def test_nets_of_other_data_sets_equal_opencvs_too(
    tmp_path: Path, num_classes: int, stride: int, mean: tuple[float, ...]
) -> None:
    layers = build_fcn(stride, num_classes=num_classes, width=1 / 16, fc_channels=32)
    _, model = read_published(write_caffemodel(tmp_path / "net.caffemodel", layers))
    image = np.random.default_rng(0).integers(0, 256, (100, 103, 3)).astype(np.float32)
    expected = opencv_scores(tmp_path, layers, image, np.array(mean, np.float32))
    scores = np.asarray(model(image[np.newaxis]))[0]
    assert np.abs(scores - expected).max() <= 1e-4 * expected.std()
    assert (
        np.mean(scores.argmax(-1) == expected.argmax(-1)) >= 0.9999 - 1 / expected[..., 0].size
    )  # one pixel may tie


def check_full_size(folder: Path, stride: int, at_once: bool, sizes: Sequence[tuple[int, int]]) -> None:
    """Imports a net of the published size with the command, and compares it with OpenCV's Caffe engine."""
    layers = build_fcn(stride, at_once=at_once, seed=stride)
    source = write_caffemodel(folder / "net.caffemodel", layers)
    command = [sys.executable, HERE / "measured_command.py", "import", source, "--output", folder / "run"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    # Reading 540 MB must not take many times that; in KiB, so that 3.5 GB are 3.5 million.
    assert int(done.stderr.split()[-2]) < 3.5e6
    exported = export(folder / "run", folder / "exported")
    serve = tf.saved_model.load(str(exported)).signatures["predict_logits"]
    model = load_model(folder / "run")
    agreeing = pixels = 0
    for index, size in enumerate(sizes):
        image = np.random.default_rng(index).integers(0, 256, (*size, 3), np.uint8)
        expected = opencv_scores(folder, layers, image.astype(np.float32))
        ours = np.asarray(model(image[np.newaxis].astype(np.float32)))[0]
        served = serve(images=tf.constant(image[np.newaxis]))["logits"].numpy()[0]
        for scores in (ours, served):
            assert np.abs(scores - expected).max() <= 1e-4 * expected.std()
            agreeing += np.count_nonzero(scores.argmax(-1) == expected.argmax(-1))
            pixels += size[0] * size[1]
    assert agreeing >= 0.9999 * pixels


NETS = pytest.mark.parametrize(("stride", "at_once"), [(32, False), (16, False), (8, False), (8, True)])


@pytest.mark.exhaustive
@NETS
def test_full_nets_equal_opencvs_caffe_engine_at_many_sizes(
    tmp_path: Path, stride: int, at_once: bool
) -> None:
    check_full_size(
        tmp_path, stride, at_once, [(375, 500), (500, 333), (97, 131), (40, 301), (1, 1), (256, 256)]
    )


@pytest.mark.parametrize(
    ("num_classes", "title", "mean", "name"),
    [
        (60, "PASCAL-Context", 104.007, "aeroplane"),
        (40, "NYUDv2 color", 116.190, "floor"),
        (33, "SIFT Flow", 114.578, "balcony"),
    ],
)
def test_the_number_of_classes_tells_the_data_set(
    tmp_path: Path, num_classes: int, title: str, mean: float, name: str
) -> None:
    layers = build_fcn(16, num_classes=num_classes, width=1 / 16, fc_channels=8)
    found, model = read_published(write_caffemodel(tmp_path / "net", layers))
    assert title in found.title
    assert (model.class_names[1], model.mean[0], model.channel_order) == (name, mean, "bgr")


def test_sift_flows_geometric_head_is_left_out_and_said_to_be(tmp_path: Path) -> None:
    layers = build_fcn(8, num_classes=33, width=1 / 16, fc_channels=8, suffix="_sem")
    geometric = [
        layer._replace(name=layer.name.replace("_sem", "_geo")) for layer in layers if "_sem" in layer.name
    ]
    found, model = read_published(write_caffemodel(tmp_path / "net", layers + geometric))
    assert "score_fr_geo" in found.left_out
    kernel = next(layer for layer in layers if layer.name == "score_pool3_sem").blobs[0]
    np.testing.assert_array_equal(model.get_layer("score_pool3").kernel, kernel.transpose(2, 3, 1, 0))


def ported_name(name: str) -> str:
    """The name that Caffe and the TensorFlow ports give a layer of Keras' VGG16."""
    dense = {"fc1": "fc6", "fc2": "fc7", "predictions": "fc8"}
    return dense[name] if name in dense else f"conv{name[5]}_{name[-1]}"


def write_keras(path: Path, arrays: dict[str, list[np.ndarray]]) -> Path:
    path.write_bytes(encode_keras(arrays))
    return path


def write_numpy(path: Path, arrays: dict[str, list[np.ndarray]]) -> Path:
    path.write_bytes(encode_npy({ported_name(name): values for name, values in arrays.items()}))
    return path


def channels_first(name: str, kernel: np.ndarray) -> np.ndarray:
    """A kernel as Caffe and PyTorch keep it, channels in front also in what a flattened map becomes."""
    if name == "fc1":
        kernel = kernel.reshape(7, 7, -1, kernel.shape[1])
        return kernel.transpose(3, 2, 0, 1).reshape(kernel.shape[3], -1)
    return kernel.transpose(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T


def write_torch(path: Path, arrays: dict[str, list[np.ndarray]]) -> Path:
    positions = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
    names = [*(f"features.{position}" for position in positions), *(f"classifier.{i}" for i in (0, 3, 6))]
    layers = {
        theirs: (np.ascontiguousarray(channels_first(name, kernel)), bias)
        for theirs, (name, (kernel, bias)) in zip(names, arrays.items(), strict=True)
    }
    path.write_bytes(encode_torch(state_dict(layers)))
    return path


def write_caffe(path: Path, arrays: dict[str, list[np.ndarray]]) -> Path:
    layers = []
    for name, (kernel, bias) in arrays.items():
        kernel = channels_first(name, kernel)
        layers.append(CaffeLayer(ported_name(name), "", (), "", (kernel, bias)))
    return write_caffemodel(path, layers)


@pytest.mark.parametrize("write", [write_keras, write_numpy, write_caffe, write_torch])
def test_a_classifier_becomes_the_start_of_a_net(tmp_path: Path, write) -> None:
    arrays = vgg16_arrays()
    found, model = read_published(write(tmp_path / "weights", arrays), net="fcn16s")
    assert found.net == "fcn16s"
    if write is write_torch:
        assert (model.channel_order, model.mean[0], model.scale[0]) == ("rgb", 123.675, 1 / 58.395)
    else:
        assert (model.channel_order, model.mean) == ("bgr", (103.939, 116.779, 123.68))
    for name in arrays:
        if name.startswith("block"):
            np.testing.assert_array_equal(model.get_layer(name).kernel, arrays[name][0])
    np.testing.assert_array_equal(model.get_layer("fc6").kernel, arrays["fc1"][0].reshape(7, 7, 32, 32))
    np.testing.assert_array_equal(model.get_layer("fc7").kernel[0, 0], arrays["fc2"][0])
    np.testing.assert_array_equal(model.get_layer("fc6").bias, arrays["fc1"][1])
    assert not np.asarray(model(np.ones((1, 40, 40, 3), np.float32))).any()


@pytest.mark.exhaustive
def test_the_backbone_equals_keras_own_vgg16_on_the_same_file(tmp_path: Path) -> None:
    path = write_keras(tmp_path / "vgg16.h5", vgg16_arrays(width=1.0, fc_channels=4096) | {})
    with h5py.File(path, "a") as file:  # the classifier that Keras wants has 1,000 classes
        group = file["predictions"]
        for name, shape in (("predictions_W_1:0", (4096, 1000)), ("predictions_b_1:0", (1000,))):
            del group[name]
            group[name] = np.zeros(shape, np.float32)
    theirs = keras.applications.VGG16(weights=str(path))
    _, ours = read_published(path)
    image = np.random.default_rng(1).uniform(0, 255, (1, 224, 224, 3)).astype(np.float32)
    pool5 = keras.Model(theirs.input, theirs.get_layer("block5_pool").output)
    fc2 = keras.Model(theirs.input, theirs.get_layer("fc2").output)
    prepared = keras.applications.vgg16.preprocess_input(image.copy())
    features = keras.Model(
        ours.input, [ours.get_layer("block5_pool").output, ours.get_layer("fc7_relu").output]
    )
    our_pool5, our_fc7 = features(image)
    expected = np.asarray(pool5(prepared))
    assert np.abs(np.asarray(our_pool5) - expected).max() <= 1e-5 * expected.max()
    # The dense layers see the 7x7 map once; in the middle of ours is that very window.
    expected = np.asarray(fc2(prepared))
    assert np.abs(np.asarray(our_fc7)[:, 3, 3] - expected).max() <= 1e-5 * expected.max()


def test_writes_where_it_came_from(tmp_path: Path) -> None:
    import_weights(write_keras(tmp_path / "vgg16.h5", vgg16_arrays()), tmp_path / "run")
    document = json.loads((tmp_path / "run" / "import.json").read_text())
    assert document["format"] == "keras"
    assert document["left_out"] == []
    assert len(document["sha256"]) == 64


def test_files_of_other_nets_are_refused(tmp_path: Path) -> None:
    arrays = vgg16_arrays()
    no_values = arrays | {
        name: [np.full_like(one, np.nan) for one in arrays[name]] for name in ("fc1", "fc2")
    }
    without_top = {name: values for name, values in arrays.items() if name.startswith("block")}
    no_vgg = {"conv1": arrays["block1_conv1"]}
    grey = arrays | {"block1_conv1": [arrays["block1_conv1"][0][:, :, :1], arrays["block1_conv1"][1]]}
    odd = arrays | {"fc1": [arrays["fc1"][0][:-3], arrays["fc1"][1]]}
    for name, values, expected in (
        ("top", without_top, "without top"),
        ("none", no_vgg, "Missing: block1_conv1"),
        ("grey", grey, "color images"),
        ("odd", odd, "shape"),
        ("features", no_values, r"fc6 has no values .*vgg16_features"),
    ):
        source = write_keras(tmp_path / name, values)
        with pytest.raises(RunError, match=expected) as raised:
            import_weights(source, tmp_path / "run")
        assert str(source) in str(raised.value)
        assert not (tmp_path / "run").exists()


def test_a_head_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    layers = build_fcn(8, num_classes=5, width=1 / 16, fc_channels=8, at_once=True)
    for lost in ("score_pool4", "upscore2", "upscore_pool4", "scale_pool3"):
        rest = [layer for layer in layers if layer.name != lost]
        with pytest.raises(RunError, match=f"Missing: {lost}"):
            read_published(write_caffemodel(tmp_path / lost, rest))


def test_weights_that_make_no_net_are_refused(tmp_path: Path) -> None:
    many = write_caffemodel(tmp_path / "many", build_fcn(8, num_classes=300, width=1 / 16, fc_channels=8))
    arrays = vgg16_arrays()
    empty = write_keras(tmp_path / "empty", arrays | {"fc2": [np.zeros((32, 0), np.float32), np.zeros(0)]})
    endless = arrays | {"fc2": [np.full_like(arrays["fc2"][0], np.nan), arrays["fc2"][1]]}
    for source, expected in (
        (many, "300"),
        (empty, "shape"),
        (write_keras(tmp_path / "endless", endless), "not finite"),
    ):
        with pytest.raises(RunError, match=expected):
            import_weights(source, tmp_path / "run")
        assert not (tmp_path / "run").exists()


def check_damaged(folder: Path, write, count: int) -> None:
    """Writes weights, damages them in many ways, and imports each: either a run is left, or nothing."""
    whole = write(folder / "whole", vgg16_arrays(width=1 / 64, fc_channels=4)).read_bytes()
    rng, damaged = np.random.default_rng(0), folder / "damaged"
    for index in range(count):
        content = bytearray(whole)
        for position in rng.integers(0, len(whole), 20):
            content[position] = rng.integers(256)
        damaged.write_bytes(content)
        run = folder / str(index)
        with suppress(RunError):
            import_weights(damaged, run)
            continue  # numbers inside of kernels may change without harm
        assert not run.exists()


FORMATS = pytest.mark.parametrize("write", [write_keras, write_numpy, write_caffe, write_torch])


@pytest.mark.slow
@FORMATS
def test_damaged_files_leave_no_run(tmp_path: Path, write) -> None:
    check_damaged(tmp_path, write, 8)


@pytest.mark.exhaustive
@FORMATS
def test_files_damaged_in_many_ways_leave_no_run(tmp_path: Path, write) -> None:
    check_damaged(tmp_path, write, 200)


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine").write_text("")
    with pytest.raises(OutputError, match="already"):
        import_weights(tmp_path / "no matter", tmp_path / "run")
