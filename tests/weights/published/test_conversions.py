"""The same nets as other libraries publish them: their files become the same weights as Caffe's or Keras'."""

import hashlib
import json
from pathlib import Path

import keras
import numpy as np
import pytest
from caffe_net import CaffeLayer, build_fcn, write_caffemodel
from weight_files import encode_npz, encode_onnx, encode_safetensors, encode_torch, state_dict, vgg16_arrays

from fcn.errors import RunError
from fcn.models.fcn import AT_ONCE_SKIP_SCALES
from fcn.models.net import SegmentationNet
from fcn.runs.importing import import_weights
from fcn.runs.model_file import load_model
from fcn.system.download.file import Checksum
from fcn.training.start import load_start
from fcn.weights.catalog import NETS
from fcn.weights.published.convert import read_published

ENCODERS = {
    "torch": lambda weights: encode_torch(state_dict(weights)),
    "torch legacy": lambda weights: encode_torch(state_dict(weights), legacy=True),
    "chainer": encode_npz,
    "safetensors": encode_safetensors,
}


def arrays_of(layers: list[CaffeLayer]) -> dict[str, tuple[np.ndarray, ...]]:
    """The arrays of a net by the names that Caffe, torchfcn and Chainer's conversions give its layers."""
    return {layer.name: layer.blobs for layer in layers if layer.blobs and layer.kind != "Scale"}


def assert_same_weights(found: SegmentationNet, expected: SegmentationNet) -> None:
    assert found.get_config() == expected.get_config()
    for ours, theirs in zip(found.weights, expected.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs, err_msg=ours.path)


@pytest.mark.parametrize(
    ("format", "stride"), [*((format, 8) for format in ENCODERS), ("torch", 32), ("chainer", 16)]
)
def test_conversions_of_the_authors_nets_equal_the_original(tmp_path: Path, stride: int, format: str) -> None:
    layers = build_fcn(stride, width=1 / 32, fc_channels=8, seed=stride)
    original, expected = read_published(write_caffemodel(tmp_path / "net.caffemodel", layers))
    (tmp_path / "converted").write_bytes(ENCODERS[format](arrays_of(layers)))
    found, model = read_published(tmp_path / "converted")
    assert (found.title, found.left_out) == (original.title, ())
    assert_same_weights(model, expected)


@pytest.mark.parametrize("name", ["fcn8s-at-once-voc-torch", "fcn8s-at-once-voc-chainer"])
def test_skips_that_are_scaled_in_code_are_known_by_the_checksum(tmp_path: Path, name: str) -> None:
    """Their files look like those of FCN-8s."""
    layers = build_fcn(8, width=1 / 32, fc_channels=8, at_once=True)
    _, expected = read_published(write_caffemodel(tmp_path / "net.caffemodel", layers))
    content = ENCODERS[NETS[name].format](arrays_of(layers))
    (tmp_path / "renamed").write_bytes(content)
    checksum = Checksum("md5", hashlib.md5(content).hexdigest(), "this test")
    catalog = {name: NETS[name]._replace(file=NETS[name].file._replace(checksum=checksum))}
    found = import_weights(tmp_path / "renamed", tmp_path / "run", catalog=catalog)
    assert found.title == "FCN-8s at once, Pascal VOC"
    model = load_model(tmp_path / "run")
    assert model.skip_scales == pytest.approx(AT_ONCE_SKIP_SCALES)
    image = np.random.default_rng(0).uniform(0, 255, (1, 40, 50, 3)).astype(np.float32)
    np.testing.assert_allclose(model(image), expected(image), rtol=1e-5, atol=1e-6)
    (license,) = json.loads((tmp_path / "run" / "licenses.json").read_text())
    assert license["weights"] == name
    plain = import_weights(tmp_path / "renamed", tmp_path / "plain")
    assert plain.title == "FCN-8s, Pascal VOC"
    assert not (tmp_path / "plain" / "licenses.json").exists()


def channels_first(name: str, kernel: np.ndarray) -> np.ndarray:
    """A kernel with channels in front, also in what a flattened map becomes."""
    if name == "fc1":
        kernel = kernel.reshape(7, 7, -1, kernel.shape[1])
        return np.ascontiguousarray(kernel.transpose(3, 2, 0, 1).reshape(kernel.shape[3], -1))
    return np.ascontiguousarray(kernel.transpose(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T)


def with_channels_first(arrays: dict[str, list[np.ndarray]]) -> dict[str, tuple[np.ndarray, ...]]:
    return {name: (channels_first(name, kernel), bias) for name, (kernel, bias) in arrays.items()}


def timm_names(arrays: dict[str, list[np.ndarray]]) -> dict[str, tuple[np.ndarray, ...]]:
    """The classifier as timm keeps it: `features.N`, and convolutions in front of the last layer."""
    positions = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
    names = [
        *(f"features.{position}" for position in positions),
        "pre_logits.fc1",
        "pre_logits.fc2",
        "head.fc",
    ]
    renamed = dict(zip(names, with_channels_first(arrays).values(), strict=True))
    channels = arrays["block5_conv3"][1].size
    for name, size in (("pre_logits.fc1", 7), ("pre_logits.fc2", 1)):
        kernel, bias = renamed[name]
        inputs = channels if size == 7 else kernel.shape[1]
        renamed[name] = (kernel.reshape(-1, inputs, size, size), bias)
    return renamed


def check_classifier(path: Path, arrays: dict[str, list[np.ndarray]], format: str) -> None:
    found, model = read_published(path, "fcn16s")
    assert (found.format, found.net, found.missing) == (format, "fcn16s", ())
    assert (model.channel_order, model.mean[0], model.scale[0]) == ("rgb", 123.675, 1 / 58.395)
    for name, (kernel, bias) in arrays.items():
        ours = {"fc1": "fc6", "fc2": "fc7"}.get(name, name)
        if ours != "predictions":
            layer = model.get_layer(ours)
            np.testing.assert_array_equal(layer.kernel, kernel.reshape(layer.kernel.shape))
            np.testing.assert_array_equal(layer.bias, bias)


@pytest.mark.parametrize("format", ["safetensors", "torch"])
def test_timms_classifier_becomes_a_start(tmp_path: Path, format: str) -> None:
    arrays = vgg16_arrays()
    (tmp_path / "model").write_bytes(ENCODERS[format](timm_names(arrays)))
    check_classifier(tmp_path / "model", arrays, format)


@pytest.mark.parametrize("raw", [True, False])
def test_a_classifier_in_onnx_becomes_a_start(tmp_path: Path, raw: bool) -> None:
    arrays = vgg16_arrays()
    (tmp_path / "vgg16.onnx").write_bytes(encode_onnx(with_channels_first(arrays), raw))
    check_classifier(tmp_path / "vgg16.onnx", arrays, "onnx")


def test_a_classifier_of_chainer_is_that_of_caffe(tmp_path: Path) -> None:
    arrays = vgg16_arrays()
    names = {f"block{b}_conv{i}": f"conv{b}_{i}" for b in range(1, 6) for i in range(1, 4)}
    names |= {"fc1": "fc6", "fc2": "fc7", "predictions": "fc8"}
    caffe = {names[name]: blobs for name, blobs in with_channels_first(arrays).items()}
    (tmp_path / "vgg16.npz").write_bytes(encode_npz(caffe))
    found, model = read_published(tmp_path / "vgg16.npz")
    assert (found.format, model.channel_order, model.mean) == ("chainer", "bgr", (103.939, 116.779, 123.68))
    np.testing.assert_array_equal(model.get_layer("fc6").kernel, arrays["fc1"][0].reshape(7, 7, 32, 32))


class VGGBackbone(keras.Model):
    """A net that Keras' files call as KerasHub's."""


def keras_hub_classifier(arrays: dict[str, list[np.ndarray]], flattens: bool) -> keras.Model:
    """A classifier as KerasHub builds its `VGGImageClassifier`, with convolutions in its head or without."""
    layers = keras.layers
    images = keras.Input((224, 224, 3))
    x = images
    for block, convolutions in enumerate((2, 2, 3, 3, 3), start=1):
        for index in range(1, convolutions + 1):
            name = f"block{block}_conv{index}"
            filters = arrays[name][1].size
            x = layers.Conv2D(filters, 3, padding="same", activation="relu", name=name)(x)
        x = layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
    backbone = VGGBackbone(images, x)
    channels = arrays["fc1"][1].size
    if flattens:
        first = [layers.Flatten(), layers.Dense(channels, name="fc1"), layers.Dense(channels, name="fc2")]
    else:
        first = [layers.Conv2D(channels, 7, name="fc1"), layers.Conv2D(channels, 1, name="fc2")]
        first.append(layers.GlobalAveragePooling2D(name="pooler"))
    head = keras.Sequential([*first, layers.Dense(10, name="predictions")], name="head")
    model = keras.Model(images, head(backbone(images)))
    for part in (backbone, head):
        for layer in part.layers:
            if layer.weights:
                kernel, bias = arrays[layer.name]
                layer.set_weights([kernel.reshape(layer.kernel.shape), bias])
    return model


@pytest.mark.slow
@pytest.mark.parametrize("flattens", [True, False])
def test_kerashubs_classifier_is_told_from_keras_own(tmp_path: Path, flattens: bool) -> None:
    arrays = vgg16_arrays()
    model = keras_hub_classifier(arrays, flattens)
    model.save_weights(tmp_path / "whole.weights.h5")
    check_classifier(tmp_path / "whole.weights.h5", arrays, "keras_hub")
    # The two files of a preset, as KerasHub's `save_to_preset` writes them.
    backbone = next(layer for layer in model.layers if isinstance(layer, VGGBackbone))
    backbone.save_weights(tmp_path / "model.weights.h5")
    skipped = [backbone, *backbone.layers]
    keras.saving.save_weights(model, tmp_path / "task.weights.h5", objects_to_skip=skipped)
    (tmp_path / "config.json").write_text('{"registered_name": "keras_hub>VGGBackbone"}')
    check_classifier(tmp_path / "task.weights.h5", arrays, "keras_hub")
    found, net = read_published(tmp_path / "model.weights.h5")
    assert (found.missing, net.channel_order) == (("fc6", "fc7"), "rgb")
    (tmp_path / "config.json").unlink()
    with pytest.raises(RunError, match="It is a head alone"):
        read_published(tmp_path / "task.weights.h5")
    assert read_published(tmp_path / "model.weights.h5")[1].channel_order == "bgr"
    known = read_published(tmp_path / "model.weights.h5", known_format="keras_hub")[1]
    assert (known.channel_order, known.mean[0]) == ("rgb", 123.675)


@pytest.mark.slow
def test_keras_own_file_without_top_starts_a_net(tmp_path: Path, capsys) -> None:
    """Keras writes the weights of the full convolutions, and its notop file is read by both."""
    theirs = keras.applications.VGG16(include_top=False, weights=None)
    theirs.save_weights(tmp_path / "notop.weights.h5")
    source = load_start(str(tmp_path / "notop.weights.h5"))
    assert source.missing == ("fc6", "fc7")
    assert source.model.count_params() < 16e6
    for name in ("block1_conv1", "block5_conv3"):
        np.testing.assert_array_equal(source.model.get_layer(name).kernel, theirs.get_layer(name).kernel)
    assert "is not the published file" in capsys.readouterr().err
