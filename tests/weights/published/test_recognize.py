"""Yu & Koltun's published nets, against OpenCV's Caffe engine; and decimated classifiers."""

from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from caffe_net import BLOCKS, Builder, CaffeLayer, build_fcn, write_caffemodel, write_prototxt
from net_kinds import randomize

from fcn.errors import RunError
from fcn.models.architecture import REFLECTION_PADDING
from fcn.models.dilated import DilatedNet
from fcn.runs.importing import import_weights
from fcn.runs.model_file import load_model
from fcn.weights.published.convert import read_published

RATES = (1, 1, 2, 4, 8, 16, 1)
SIZES = ((64, 64), (37, 51), (1, 1))
NAMES = ("conv1_1", "conv1_2", "conv2_1", "conv3_1", "conv4_1", "conv5_1", "fc1")
MULTIPLES = {"basic": (1,) * 7, "large": (2, 2, 4, 8, 16, 32, 32)}
MEANS = {21: (102.93, 111.36, 116.52), 11: (110.70313206, 108.77808759, 105.41212523)}


def build_dilated(num_classes: int, context: str, final: str, prefix: str) -> list[CaffeLayer]:
    """Builds the front end, and the context module of a size, with layers named as one publication does.

    Padding is as published: none in the front end; in the module that for VOC, the large one, all of it in
    front, in the other by each layer.
    """
    net = Builder(num_classes, 1 / 16, 32, seed=num_classes)
    top = "data"
    for block, (channels, convolutions) in enumerate(BLOCKS, start=1):
        for index in range(1, convolutions + 1):
            rate = 2 if block == 5 else 1
            top = dilated(net, f"conv{block}_{index}", top, channels // 16, 3, 0, rate)
        if block <= 3:
            parameters = "pooling_param { pool: MAX kernel_size: 2 stride: 2 }"
            top = net.add(f"pool{block}", "Pooling", top, parameters=parameters)
    top = dilated(net, "fc6", top, 32, 7, 0, 4)
    top = net.convolution("fc7", top, 32, 1, 0)
    top = net.convolution(final, top, num_classes, 1, 0, relu=False)
    if context != "none":
        for name, multiple, rate in zip(NAMES, MULTIPLES[context], RATES, strict=True):
            pad = rate if context == "basic" else 33 if name == NAMES[0] else 0
            top = dilated(net, f"{prefix}{name}", top, multiple * num_classes, 3, pad, rate)
        net.convolution(f"{prefix}final", top, num_classes, 1, 0, relu=False)
    return net.layers


def dilated(net: Builder, name: str, bottom: str, outputs: int, size: int, pad: int, rate: int) -> str:
    top = net.convolution(name, bottom, outputs, size, pad)
    index = next(index for index, layer in enumerate(net.layers) if layer.name == name)
    layer = net.layers[index]
    parameters = layer.parameters.removesuffix("}") + f"dilation: {rate} }}"
    net.layers[index] = layer._replace(parameters=parameters)
    return top


def opencv_scores(folder: Path, layers: list[CaffeLayer], padded: np.ndarray) -> np.ndarray:
    """Computes scores `float32[h, w, C]` of a normalized and padded image `float32[H, W, 3]`, BGR."""
    prototxt = write_prototxt(folder / "net.prototxt", layers, *padded.shape[:2])
    net = cv2.dnn.readNetFromCaffe(str(prototxt), str(folder / "net.caffemodel"))
    net.setInput(padded.transpose(2, 0, 1)[np.newaxis])
    return net.forward()[0].transpose(1, 2, 0)


@pytest.mark.parametrize(
    ("num_classes", "context", "final", "prefix", "title"),
    [
        (21, "large", "fc-final", "ct_", "Front end with large context, Pascal VOC"),
        (11, "basic", "final", "ctx_", "Front end with basic context, CamVid"),
        (21, "none", "final", "ctx_", "Front end, Pascal VOC"),
    ],
)
def test_the_published_nets_equal_opencvs_caffe_engine(
    tmp_path: Path, num_classes: int, context: str, final: str, prefix: str, title: str
) -> None:
    layers = build_dilated(num_classes, context, final, prefix)
    source = write_caffemodel(tmp_path / "net.caffemodel", layers)
    found = import_weights(source, tmp_path / "run")
    assert (found.title, found.left_out) == (title, ())
    model = load_model(tmp_path / "run")
    assert (model.geometry, model.channel_order, model.mean) == ("reference", "bgr", MEANS[num_classes])
    assert model.class_names[3] == {21: "bird", 11: "car"}[num_classes]
    # From the padded image to the last layer in front of the upsampling, as both engines name it.
    last = model.get_layer("final" if context == "none" else "ctx_final")
    scores_of = keras.Model(model.inputs[0], last.output)
    agreeing = places = 0
    for index, size in enumerate(SIZES):
        image = np.random.default_rng(index).integers(0, 256, (*size, 3)).astype(np.float32)
        normalized = image[..., ::-1] - np.array(MEANS[num_classes], np.float32)
        padded = cv2.copyMakeBorder(normalized, *[REFLECTION_PADDING] * 4, cv2.BORDER_REFLECT_101)
        expected = opencv_scores(tmp_path, layers, padded)
        scores = np.asarray(scores_of(image[np.newaxis]))[0]
        assert scores.shape == expected.shape
        assert np.abs(scores - expected).max() <= 1e-4 * expected.std()
        agreeing += np.count_nonzero(scores.argmax(-1) == expected.argmax(-1))
        places += scores.shape[0] * scores.shape[1]
    assert agreeing >= 0.9999 * places


def test_scores_are_upsampled_by_8_between_their_centers() -> None:
    model = DilatedNet(3, width=1 / 32, fc_channels=8, upsampling="frozen")
    bilinear = model.get_layer("upscore8").get_weights()
    randomize(model)
    model.get_layer("upscore8").set_weights(bilinear)
    image = np.random.default_rng(0).integers(0, 256, (1, 24, 24, 3)).astype(np.float32)
    inner = keras.Model(model.inputs[0], model.get_layer("final").output)
    coarse, fine = np.asarray(inner(image))[0], np.asarray(model(image))[0]
    expected = cv2.resize(coarse, (24, 24), interpolation=cv2.INTER_LINEAR)
    # At the border a transposed convolution fades to zero, where OpenCV repeats the last score.
    np.testing.assert_allclose(fine[4:-4, 4:-4], expected[4:-4, 4:-4], atol=1e-4 * coarse.std())
    assert coarse.std() > 0


def test_a_module_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    layers = [layer for layer in build_dilated(11, "basic", "final", "ctx_") if layer.name != "ctx_conv3_1"]
    source = write_caffemodel(tmp_path / "net.caffemodel", layers)
    with pytest.raises(RunError, match=r"all layers of a context module\. Missing: ctx_conv3_1"):
        read_published(source)


def test_a_module_with_more_layers_is_refused(tmp_path: Path) -> None:
    # As that of their net for Cityscapes, which goes on dilating.
    layers = build_dilated(19, "basic", "final", "ctx_")
    [last] = [layer for layer in layers if layer.name == "ctx_conv5_1"]
    source = write_caffemodel(tmp_path / "net.caffemodel", [*layers, last._replace(name="ctx_conv6_1")])
    with pytest.raises(RunError, match="also has ctx_conv6_1, which none of the nets here has"):
        read_published(source)


@pytest.mark.parametrize("net", ["frontend", "context", "largefov", "fcn8s_largefov"])
def test_a_classifier_becomes_the_start_of_every_net(tmp_path: Path, net: str) -> None:
    # An FCN's own layers up to fc7 are those of a classifier.
    layers = build_fcn(32, width=1 / 16, fc_channels=32)
    layers = [layer for layer in layers if layer.name.startswith(("conv", "fc"))]
    found, model = read_published(write_caffemodel(tmp_path / "vgg.caffemodel", layers), net)
    assert (found.net, model.name, model.has_trained_scores()) == (net, net, False)
    blobs = {layer.name: [blob.astype(np.float32) for blob in layer.blobs] for layer in layers}
    kernel, bias = blobs["fc6"]
    step = 1
    if "largefov" in net:
        kernel, bias, step = kernel[::4, :, ::3, ::3], bias[::4], 4
    found_kernel, found_bias = model.get_layer("fc6").get_weights()
    np.testing.assert_array_equal(found_kernel, kernel.transpose(2, 3, 1, 0))
    np.testing.assert_array_equal(found_bias, bias)
    kernel = blobs["fc7"][0][::step, ::step]
    np.testing.assert_array_equal(model.get_layer("fc7").get_weights()[0], kernel.transpose(2, 3, 1, 0))
    kernel = blobs["conv5_3"][0]
    np.testing.assert_array_equal(
        model.get_layer("block5_conv3").get_weights()[0], kernel.transpose(2, 3, 1, 0)
    )
