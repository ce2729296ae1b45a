"""Tests of the three nets: sizes, layers, starts, saving and learning."""

import ast
import inspect
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf
from keras.ops import convert_to_numpy

import fcn
from fcn.classes import VOC_CLASS_NAMES, VOID, Classes
from fcn.config.sections import ModelConfig
from fcn.models.architecture import VGG16_BLOCKS
from fcn.models.fcn import FCN

Label = Callable[[npt.NDArray[np.float32]], Any]
ThinNet = Callable[..., FCN]
STRIDES = [32, 16, 8]


@pytest.fixture(scope="module", params=STRIDES, ids=lambda stride: f"fcn{stride}s")
def graph(request: pytest.FixtureRequest, thin_net: ThinNet) -> Label:
    """A net of each kind, on TensorFlow as one graph for all sizes."""
    net = thin_net(request.param, width=1 / 64, fc_channels=4)
    net.get_layer("score_fr").bias.assign([1, 2, 3])
    if keras.backend.backend() != "tensorflow":
        return net
    # A graph made for None sizes: nothing may depend on sizes known when it is traced.
    return tf.function(net, input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32)])


def check_sizes(graph: Label, sizes: Iterable[tuple[int, int]]) -> None:
    every = 10 if keras.backend.backend() == "jax" else 1  # JAX compiles the net again for each size
    for height, width in list(sizes)[::every]:
        logits = convert_to_numpy(graph(np.full((1, height, width, 3), 90, np.float32)))
        assert logits.shape == (1, height, width, 3)
        assert np.isfinite(logits).all()
        assert logits.any()


def random_sizes(count: int, largest: int, seed: int) -> list[tuple[int, int]]:
    sizes = np.random.default_rng(seed).integers(1, largest, (count, 2), endpoint=True)
    return [(height, width) for height, width in sizes.tolist()]


def test_logits_have_the_size_of_small_images(graph: Label) -> None:
    check_sizes(graph, [(side, side) for side in range(1, 71)])
    check_sizes(graph, [size for side in range(1, 71, 4) for size in ((1, side), (side, 1))])


def test_logits_have_the_size_of_images_of_any_size(graph: Label) -> None:
    check_sizes(graph, random_sizes(25, 300, seed=0))


@pytest.mark.slow
def test_logits_have_the_size_of_many_images(graph: Label) -> None:
    check_sizes(graph, [size for side in range(1, 71) for size in ((1, side), (side, 1))])
    check_sizes(graph, random_sizes(200, 300, seed=1))
    check_sizes(graph, random_sizes(10, 700, seed=2))


def test_batches_of_bytes_are_images_too(net: FCN) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 37, 45, 3), np.uint8)
    logits = convert_to_numpy(net(images))
    assert logits.dtype == np.float32
    assert net.output.dtype == "float32"
    for image, expected in zip(images, logits, strict=True):
        alone = convert_to_numpy(net(image[np.newaxis].astype(np.float32)))[0]
        np.testing.assert_allclose(alone, expected, atol=1e-4)


def test_logits_move_with_the_image(net: FCN) -> None:
    # A shift by the coarsest stride shifts every map. Beyond 202 pixels, which fc6 sees, and a cell of
    # the coarsest map the border has no say.
    image = np.random.default_rng(0).integers(0, 256, (1, 640, 64, 3)).astype(np.float32)
    upper, lower = convert_to_numpy(net(image[:, :608])), convert_to_numpy(net(image[:, 32:]))
    middle = slice(304, 320)
    np.testing.assert_allclose(
        upper[:, middle], lower[:, middle.start - 32 : middle.stop - 32], rtol=1e-3, atol=1e-4
    )
    assert upper[:, middle].std() > 0.01


@pytest.mark.parametrize("stride", STRIDES)
def test_a_new_net_says_zero_everywhere(stride: int) -> None:
    net = FCN(4, stride=stride, width=1 / 64)
    image = np.random.default_rng(0).integers(0, 256, (1, 40, 50, 3)).astype(np.float32)
    assert not convert_to_numpy(net(image)).any()
    scores = [layer for layer in net.layers if layer.name.startswith("score_")]
    assert scores
    assert not any(weights.any() for layer in scores for weights in layer.get_weights())
    assert net.get_layer("fc7").get_weights()[0].any()


@pytest.mark.parametrize(
    ("stride", "names"),
    [
        (32, ["score_fr", "upscore32", "logits"]),
        (
            16,
            ["score_fr", "score_pool4", "upscore2", "upscore2_crop", "fuse_pool4", "upscore16", "logits"],
        ),
        (
            8,
            [
                "score_fr", "score_pool4", "upscore2", "upscore2_crop", "fuse_pool4",
                "score_pool3", "upscore_pool4", "upscore_pool4_crop", "fuse_pool3", "upscore8", "logits",
            ],
        ),
    ],
)  # fmt: skip
def test_layers_have_the_names_of_the_field(stride: int, names: list[str]) -> None:
    net = FCN(3, stride=stride, width=1 / 64)
    heads = ("score", "upscore", "fuse", "logits")
    assert sorted(layer.name for layer in net.layers if layer.name.startswith(heads)) == sorted(names)
    assert net.name == f"fcn{stride}s"
    assert [layer.name for layer in net.layers[:2]] == ["images", "normalization"]
    assert net.get_layer(f"upscore{stride}").kernel_size == (2 * stride, 2 * stride)
    assert net.get_layer(f"upscore{stride}").strides == (stride, stride)


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("upsampling", ["learned", "learned_intermediate", "frozen"])
def test_upsampling_decides_which_layers_learn(stride: int, upsampling: str, tmp_path: Path) -> None:
    net = FCN(2, stride=stride, width=1 / 64, upsampling=upsampling)
    intermediate = {32: set[str](), 16: {"upscore2"}, 8: {"upscore2", "upscore_pool4"}}[stride]
    expected = {
        "learned": intermediate | {f"upscore{stride}"},
        "learned_intermediate": intermediate,
        "frozen": set[str](),
    }[upsampling]

    def learning(net: FCN) -> set[str]:
        variables = {variable.path.split("/")[-2] for variable in net.trainable_variables}
        return {name for name in variables if name.startswith("upscore")}

    assert learning(net) == expected
    assert learning(FCN.from_config(net.get_config())) == expected
    net.save(tmp_path / "net.keras")
    assert learning(keras.models.load_model(tmp_path / "net.keras")) == expected


def test_dropout_stands_after_fc6_and_fc7_and_acts_in_training_alone(thin_net: ThinNet) -> None:
    net = thin_net(dropout=0.4)
    dropouts = [layer for layer in net.layers if isinstance(layer, keras.layers.Dropout)]
    assert [(layer.name, layer.rate) for layer in dropouts] == [("fc6_dropout", 0.4), ("fc7_dropout", 0.4)]
    for layer, before in zip(dropouts, ("fc6_relu", "fc7_relu"), strict=True):
        assert layer.input is net.get_layer(before).output
    image = np.full((1, 40, 40, 3), 80, np.float32)
    np.testing.assert_array_equal(net(image), net(image, training=False))
    first, second = (convert_to_numpy(net(image, training=True)) for _ in range(2))
    assert np.abs(first - second).max() > 1e-4


@pytest.mark.parametrize("stride", STRIDES)
def test_batch_normalization_follows_every_convolution_but_the_scores(stride: int) -> None:
    net = FCN(2, stride=stride, width=1 / 64, batch_normalization=True)
    convolutions = [layer for layer in net.layers if isinstance(layer, keras.layers.Conv2D)]
    for layer in convolutions:
        scores = layer.name.startswith("score_")
        assert layer.use_bias == scores
        assert (f"{layer.name}_bn" in {other.name for other in net.layers}) != scores
    assert sum(not layer.use_bias for layer in convolutions) == 15


def count_parameters(stride: int, num_classes: int, channels: Callable[[int], int]) -> int:
    """Counts by hand: kernel height * width * in * out, and a bias for each channel out."""
    total, last, pools = 0, 3, []
    for out, convolutions in VGG16_BLOCKS:
        for _ in range(convolutions):
            total += 3 * 3 * last * channels(out) + channels(out)
            last = channels(out)
        pools.append(last)
    fc = channels(4096)
    total += 7 * 7 * last * fc + fc + fc * fc + fc
    total += fc * num_classes + num_classes
    for pool in {32: [], 16: [pools[3]], 8: [pools[3], pools[2]]}[stride]:
        total += pool * num_classes + num_classes + 4 * 4 * num_classes**2
    return total + (2 * stride) ** 2 * num_classes**2


@pytest.mark.parametrize("stride", STRIDES)
def test_a_thin_net_has_as_many_parameters_as_counted_by_hand(stride: int) -> None:
    net = FCN(7, stride=stride, width=1 / 32)
    assert net.count_params() == count_parameters(stride, 7, lambda count: count // 32)


@pytest.mark.slow
def test_the_full_fcn8s_has_134_million_parameters() -> None:
    net = FCN()
    # VGG16 (configuration D, Simonyan & Zisserman) without the layer of its 1000 classes.
    backbone = 138_357_544 - (4096 * 1000 + 1000)
    scores = (4096 + 512 + 256 + 3) * 21
    upsampling = (4**2 + 4**2 + 16**2) * 21**2
    assert net.count_params() == backbone + scores + upsampling
    assert net.count_params() == count_parameters(8, 21, lambda count: count)


def test_a_saved_net_comes_back_whole(net: FCN, thin_net: ThinNet, tmp_path: Path) -> None:
    odd = thin_net(
        stride=16, num_classes=2, channel_order="bgr", mean=(1, 2, 3), scale=(0.1, 0.2, 0.3),
        batch_normalization=True,
        class_names=("Grund", "Kätzchen"), palette=((1, 2, 3), (4, 5, 6)), upsampling="frozen", dropout=0.25,
    )  # fmt: skip
    image = np.random.default_rng(0).integers(0, 256, (1, 45, 38, 3)).astype(np.float32)
    for saved in (net, odd):
        path = tmp_path / "net.keras"
        saved.save(path)
        loaded = keras.models.load_model(path)
        assert isinstance(loaded, FCN)
        assert loaded.get_config() == saved.get_config()
        assert loaded.classes == saved.classes
        assert convert_to_numpy(saved(image)).any()
        np.testing.assert_array_equal(loaded(image), saved(image))
    assert loaded.classes == Classes(("Grund", "Kätzchen"), ((1, 2, 3), (4, 5, 6)))


def test_the_configuration_makes_the_same_net_and_fits_json(net: FCN) -> None:
    config = net.get_config()
    copy = FCN.from_config(json.loads(json.dumps(config)))
    assert copy.get_config() == config
    assert [layer.name for layer in copy.layers] == [layer.name for layer in net.layers]
    assert [weights.shape for weights in copy.weights] == [weights.shape for weights in net.weights]
    arguments = set(inspect.signature(FCN.__init__).parameters) - {"self", "kwargs"}
    assert arguments - set(config) == {"channels", "temperatures"}  # which few nets have


def test_classes_are_those_of_voc_or_their_ids_unless_named() -> None:
    thin: dict[str, Any] = {"width": 1 / 64, "fc_channels": 2, "stride": 32}
    assert FCN(**thin).classes == Classes.named(VOC_CLASS_NAMES)
    assert FCN(3, **thin).classes == Classes.named(("0", "1", "2"))
    assert FCN(2, class_names=["a", "b"], **thin).classes == Classes.named(("a", "b"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"stride": 4}, "32, 16 or 8. Received: stride=4"),
        ({"stride": "8"}, "32, 16 or 8"),
        ({"upsampling": "bilinear"}, "Received: 'bilinear'"),
        ({"num_classes": 0}, "1 to 255 classes. Received: num_classes=0"),
        ({"num_classes": 256}, "Received: num_classes=256"),
        ({"class_names": ["a", "b"]}, "3 classes. Received: 2 names"),
        ({"palette": [(0, 0, 0)]}, "Received: 3 names, 1 colors"),
        ({"channel_order": "gbr"}, "rgb"),
        ({"dropout": 1.5}, "1.5"),
        ({"fc_channels": 0}, "0"),
        ({"width": 0}, "width"),
        ({"width": -0.5}, "width"),
        ({"mean": (1.0,)}, "mean"),
        ({"scale": (1.0, 2.0)}, "scale"),
        ({"palette": [(0, 0)] * 3}, "color"),
    ],
)
def test_an_argument_that_does_not_fit_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        FCN(**{"num_classes": 3, "width": 1 / 64, **options})


def test_defaults_are_those_of_the_configuration() -> None:
    parameters = inspect.signature(FCN.__init__).parameters
    # Not configured, they are those of the net, of which fcn8s_at_once has others.
    shared = set(parameters) & set(ModelConfig.model_fields) - {"skip_scales"}
    assert "skip_scales" not in ModelConfig().options()
    assert shared >= {"width", "fc_channels", "upsampling", "dropout", "batch_normalization"}
    for key in shared:
        assert parameters[key].default == ModelConfig.model_fields[key].default, key


def test_only_keras_and_numpy_are_imported() -> None:
    package = Path(fcn.__file__).parent
    files = [package / "evaluation" / "metrics.py", package / "classes.py"]
    files += sorted((package / "models").glob("*.py"))
    assert len(files) >= 6
    for file in files:
        imported = set()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, file
                imported.add(node.module or "")
        third_party = {name.partition(".")[0] for name in imported} - set(sys.stdlib_module_names)
        assert third_party <= {"keras", "numpy", "fcn"}, file
        within = {name for name in imported if name.startswith("fcn.")}
        assert all(name == "fcn.classes" or name.startswith("fcn.models") for name in within), file


@pytest.mark.exhaustive
@pytest.mark.parametrize(("stride", "batch_normalization"), [(32, False), (16, True), (8, False)])
def test_it_learns_two_images(stride: int, batch_normalization: bool) -> None:
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    labels = np.repeat(np.repeat(np.array([[[0, 1]], [[2, 0]]]), 32, axis=1), 16, axis=2)
    colors = np.array([[200, 40, 40], [40, 200, 40], [40, 40, 200]])
    images = (colors[labels] + rng.integers(-30, 30, (2, 32, 32, 3))).astype(np.float32)
    labels[:, :, 15:17] = VOID
    net = FCN(
        3, stride=stride, width=1 / 32, fc_channels=16, dropout=0, batch_normalization=batch_normalization
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=VOID)
    # XLA takes longer to compile the net than the net to learn.
    net.compile(keras.optimizers.Adam(1e-2), loss, jit_compile=False)
    history = net.fit(images, labels, batch_size=2, epochs=40, verbose=0).history["loss"]
    assert history[0] > 0.5
    assert min(history[-5:]) < history[0] / 10
