"""Tests of the nets that dilate: sizes, layers, counts, what they share, saving and learning."""

import inspect
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.ops import convert_to_numpy
from net_kinds import randomize

from fcn.classes import VOID
from fcn.config.sections import DILATED_NETS, ModelConfig
from fcn.models.dilated import DilatedNet
from fcn.models.factory import build_model
from fcn.models.net import SegmentationNet

THIN: dict[str, Any] = {"num_classes": 3, "width": 1 / 64, "fc_channels": 4}
KINDS: dict[str, dict[str, Any]] = {
    "frontend": {},
    "context": {"context": "basic"},
    "large": {"context": "large"},
    "largefov": {"fc6": "largefov"},
    "reference": {"geometry": "reference", "context": "large"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_logits_have_the_size_of_images_of_any_size(kind: str) -> None:
    net = DilatedNet(**THIN, **KINDS[kind])
    randomize(net)
    graph = net
    if keras.backend.backend() == "tensorflow":
        # A graph made for None sizes: nothing may depend on sizes known when it is traced.
        graph = tf.function(net, input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32)])
    sizes = [(side, side) for side in range(1, 71)]
    sizes += [size for side in range(1, 71, 6) for size in ((1, side), (side, 1), (71 - side, side))]
    # The others differ on maps a 64th as large, or pad images to 400 pixels and more.
    every = 1 if kind == "frontend" and keras.backend.backend() != "jax" else 10
    for height, width in sizes[::every]:
        logits = convert_to_numpy(graph(np.full((1, height, width, 3), 90, np.float32)))
        assert logits.shape == (1, height, width, 3)
        assert np.isfinite(logits).all()
        assert logits.any()


def test_layers_have_the_names_of_the_field() -> None:
    net = DilatedNet(**THIN, context="basic")
    convolutions = [layer for layer in net.layers if isinstance(layer, keras.layers.Conv2D)]
    names = [layer.name for layer in convolutions]
    assert names[13:] == [
        "fc6", "fc7", "final", "ctx_conv1_1", "ctx_conv1_2", "ctx_conv2_1", "ctx_conv3_1", "ctx_conv4_1",
        "ctx_conv5_1", "ctx_fc1", "ctx_final",
    ]  # fmt: skip
    rates = [layer.dilation_rate[0] for layer in convolutions]
    assert rates == [1] * 10 + [2] * 3 + [4, 1, 1] + [1, 1, 2, 4, 8, 16, 1, 1]
    pools = [layer.name for layer in net.layers if isinstance(layer, keras.layers.MaxPooling2D)]
    assert pools == ["block1_pool", "block2_pool", "block3_pool"]


@pytest.mark.parametrize("name", DILATED_NETS)
def test_a_name_is_a_net(name: str) -> None:
    net = build_model(name, **THIN)
    assert (net.name, net.stride) == (name, 8)
    fc6 = net.get_layer("fc6")
    assert (fc6.kernel_size[0], fc6.dilation_rate[0]) == ((3, 12) if name == "largefov" else (7, 4))


def test_fcn8s_takes_the_fc6_of_largefov() -> None:
    net = build_model("fcn8s_largefov", num_classes=3, width=1 / 64)
    fc6 = net.get_layer("fc6")
    assert (fc6.kernel_size, fc6.dilation_rate, fc6.filters) == ((3, 3), (3, 3), 16)
    assert (net.name, net.stride) == ("fcn8s_largefov", 8)


def test_large_context_has_the_channels_of_the_paper() -> None:
    net = DilatedNet(**THIN, context="large")
    layers = [layer for layer in net.layers if layer.name.startswith("ctx_") and layer.weights]
    assert [layer.filters // 3 for layer in layers] == [2, 2, 4, 8, 16, 32, 32, 1]


@pytest.mark.slow
def test_largefov_has_20_million_parameters_and_the_front_end_134() -> None:
    # VGG16's 13 convolutions (configuration D): 14,714,688. The upsampling, 16 * 16 * 21 * 21, comes on top.
    upsampling = 16 * 16 * 21 * 21
    fc6, fc7 = 3 * 3 * 512 * 1024 + 1024, 1024 * 1024 + 1024
    largefov = build_model("largefov").count_params() - upsampling
    assert largefov == 14_714_688 + fc6 + fc7 + 1024 * 21 + 21
    assert round(largefov / 1e6, 1) == 20.5
    frontend = build_model("frontend").count_params() - upsampling
    assert frontend == 138_357_544 - (4096 * 1000 + 1000) + 4096 * 21 + 21
    assert round(frontend / 1e6, 1) == 134.3


def test_a_convolution_without_its_pooling_sees_what_it_saw_with_it() -> None:
    """Where the coarse net has an element, the dilated one has the same: only poolings are left out."""
    rng = np.random.default_rng(0)
    kernel = rng.standard_normal((3, 3, 1, 1)).astype(np.float32)
    image = rng.standard_normal((1, 16, 16, 1)).astype(np.float32)
    dilated = keras.ops.conv(image, kernel, padding="same", dilation_rate=2)
    pooled = keras.ops.conv(image[:, ::2, ::2], kernel, padding="same")
    np.testing.assert_allclose(dilated[:, ::2, ::2], pooled, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_net_comes_back_whole(kind: str, tmp_path: Path) -> None:
    options = THIN | KINDS[kind] | {"input_scale": 0.5, "channel_order": "bgr", "batch_normalization": True}
    net = DilatedNet(**options, class_names=("a", "b", "c"), upsampling="frozen")
    randomize(net)
    net.save(tmp_path / "net.keras")
    loaded = keras.models.load_model(tmp_path / "net.keras")
    assert isinstance(loaded, SegmentationNet)
    assert loaded.get_config() == net.get_config()
    assert (loaded.classes, loaded.paper) == (net.classes, net.paper)
    image = np.random.default_rng(0).integers(0, 256, (1, 45, 38, 3)).astype(np.float32)
    np.testing.assert_array_equal(loaded(image), net(image))
    copy = DilatedNet.from_config(json.loads(json.dumps(net.get_config())))
    assert copy.get_config() == net.get_config()
    arguments = set(inspect.signature(DilatedNet.__init__).parameters) - {"self", "kwargs"}
    assert arguments - set(net.get_config()) == {"channels", "temperatures"}  # which few nets have


def test_defaults_are_those_of_the_configuration() -> None:
    parameters = inspect.signature(DilatedNet.__init__).parameters
    # Which net has a context module says its name.
    shared = set(parameters) & set(ModelConfig.model_fields) - {"context"}
    assert shared >= {"width", "fc_channels", "upsampling", "dropout", "batch_normalization"}
    for key in shared:
        assert parameters[key].default == ModelConfig.model_fields[key].default, key


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"context": "huge"}, "none, basic or large. Received: context='huge'"),
        ({"fc6": "half"}, "Received: 'half'"),
        ({"geometry": "valid"}, "Received: 'valid'"),
        ({"num_classes": 0}, "num_classes=0"),
    ],
)
def test_an_argument_that_does_not_fit_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        DilatedNet(**THIN | options)


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", ["context", "large"])
def test_it_learns_two_images(kind: str) -> None:
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    labels = np.repeat(np.repeat(np.array([[[0, 1]], [[2, 0]]]), 32, axis=1), 16, axis=2)
    colors = np.array([[200, 40, 40], [40, 200, 40], [40, 40, 200]])
    images = (colors[labels] + rng.integers(-30, 30, (2, 32, 32, 3))).astype(np.float32)
    labels[:, :, 15:17] = VOID
    net = DilatedNet(3, width=1 / 32, fc_channels=16, dropout=0, **KINDS[kind])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=VOID)
    # Steps that suit 3 channels of scores are too long for the 96 that each of "large" adds up.
    learning_rate = 1e-3 if kind == "large" else 3e-3
    # XLA takes longer to compile the net than the net to learn.
    net.compile(keras.optimizers.Adam(learning_rate), loss, jit_compile=False)
    history = net.fit(images, labels, batch_size=2, epochs=60, verbose=0).history["loss"]
    assert history[0] > 0.5
    assert min(history[-5:]) < history[0] / 10
