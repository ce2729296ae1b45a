"""Tests of what is derived of a net: by hand and by Keras' own counts."""

import keras
import numpy as np
import pytest

from fcn.errors import RunError
from fcn.inspection.facts import LayerFacts, inspect_model
from fcn.models.dilated import DilatedNet
from fcn.models.fcn import FCN

layers = keras.layers


def net(*stack: keras.layers.Layer, axes: int = 2, channels: int = 1) -> keras.Model:
    return keras.Sequential([keras.Input((*[None] * axes, channels)), *stack])


def last(model: keras.Model, *size: int) -> LayerFacts:
    return inspect_model(model, size).layers[-1]


def test_9x9_with_3x3_stride_2_gives_4x4() -> None:
    facts = last(net(layers.Conv2D(1, 3, 2)), 9, 9)
    assert facts.output_shape == (1, 4, 4, 1)
    assert [(field.size, field.stride) for field in facts.fields] == [(3, 2)] * 2


def test_a_3x3_transposed_convolution_without_padding_grows_9_to_11() -> None:
    transposed = layers.Conv2DTranspose(1, 3, use_bias=False)
    assert last(net(transposed), 9, 9).output_shape == (1, 11, 11, 1)
    # It is a convolution over its input padded by 2, with the kernel turned around.
    padded = net(layers.ZeroPadding2D(2), layers.Conv2D(1, 3, use_bias=False))
    padded.layers[-1].set_weights([transposed.get_weights()[0][::-1, ::-1]])
    facts, same = last(net(transposed), 9, 9), last(padded, 9, 9)
    assert (facts.output_shape, facts.fields) == (same.output_shape, same.fields)
    image = np.random.default_rng(0).normal(size=(1, 9, 9, 1)).astype(np.float32)
    np.testing.assert_allclose(padded(image), transposed(image), atol=1e-5)


def test_a_3x3_kernel_dilated_by_4_sees_9x9_with_9_values() -> None:
    facts = last(net(layers.Conv2D(1, 3, dilation_rate=4, use_bias=False)), 9, 9)
    assert (facts.output_shape, facts.parameters) == ((1, 1, 1, 1), 9)
    assert [field.size for field in facts.fields] == [9, 9]


def test_wavenets_stack_sees_1024_samples_before_and_at_its_own() -> None:
    stack = (layers.Conv1D(1, 2, padding="causal", dilation_rate=2**n) for n in range(10))
    (field,) = last(net(*stack, axes=1), 2000).fields
    assert (field.size, field.first, field.stride) == (1024, -1023, 1)


@pytest.mark.parametrize(("context", "field"), [("none", None), ("basic", 67), ("large", 67)])
def test_the_context_module_alone_sees_67_scores(context: str, field: int | None) -> None:
    for geometry in ("same", "reference"):
        dilated = DilatedNet(2, context=context, width=1 / 64, fc_channels=1, geometry=geometry)
        assert inspect_model(dilated, (64, 72)).context_field == field


def test_dilated_nets_keep_their_resolution() -> None:
    stack = (layers.Conv2D(2, 3, padding="same", dilation_rate=2**n) for n in range(5))
    facts = inspect_model(net(*stack), (70, 80)).layers[1:]
    assert [layer.fields[0].size for layer in facts] == [3, 7, 15, 31, 63]
    assert {layer.output_shape for layer in facts} == {(1, 70, 80, 2)}


# Worked by hand for 384x512: rows and columns of what each kernel is applied to, the kernel, channels in and
# out. A transposed kernel meets every input.
FCN8S = {
    **{"block1_conv1": (384, 512, 3, 3, 64), "block1_conv2": (384, 512, 3, 64, 64)},
    **{"block2_conv1": (192, 256, 3, 64, 128), "block2_conv2": (192, 256, 3, 128, 128)},
    **{"block3_conv1": (96, 128, 3, 128, 256), "block3_conv2": (96, 128, 3, 256, 256)},
    **{"block3_conv3": (96, 128, 3, 256, 256), "block4_conv1": (48, 64, 3, 256, 512)},
    **{"block4_conv2": (48, 64, 3, 512, 512), "block4_conv3": (48, 64, 3, 512, 512)},
    **{f"block5_conv{number}": (24, 32, 3, 512, 512) for number in (1, 2, 3)},
    **{"fc6": (12, 16, 7, 512, 4096), "fc7": (12, 16, 1, 4096, 4096), "score_fr": (12, 16, 1, 4096, 21)},
    **{"upscore2": (12, 16, 4, 21, 21), "score_pool4": (24, 32, 1, 512, 21)},
    **{"upscore_pool4": (24, 32, 4, 21, 21), "score_pool3": (48, 64, 1, 256, 21)},
    "upscore8": (48, 64, 16, 21, 21),
}
# Pixels that an element sees. A transposed layer joins two elements of the map before it: 404 + 32; the next
# two see up to three elements of score_fr: 404 + 64.
FIELDS = {
    **{"block1_pool": 6, "block2_pool": 16, "block3_pool": 44, "block4_pool": 100, "block5_pool": 212},
    **{"fc6": 404, "score_fr": 404, "upscore2": 436, "upscore_pool4": 468, "logits": 468},
}
STRIDES = {"block1_conv2": 1, "block5_pool": 32, "fc6": 32, "upscore2": 16, "fuse_pool3": 8, "logits": 1}


@pytest.mark.slow
def test_fcn8s_by_hand() -> None:
    inspection = inspect_model(FCN(), (384, 512))
    found = {layer.name: layer for layer in inspection.layers}
    for name, (rows, columns, kernel, inputs, outputs) in FCN8S.items():
        assert found[name].multiply_adds == rows * columns * kernel**2 * inputs * outputs, name
        biases = 0 if name.startswith("upscore") else outputs
        assert found[name].parameters == kernel**2 * inputs * outputs + biases, name
    assert sum(layer.multiply_adds > 0 for layer in found.values()) == len(FCN8S)
    assert inspection.gflop == pytest.approx(167, abs=0.5)
    assert inspection.parameters == 134_489_759
    assert found["fc6"].gflop / inspection.gflop == pytest.approx(0.24, abs=0.005)
    for name, size in FIELDS.items():
        assert [field.size for field in found[name].fields] == [size, size], name
    for name, stride in STRIDES.items():
        assert [field.stride for field in found[name].fields] == [stride, stride], name
    assert found["fc6"].output_shape == (1, 12, 16, 4096)
    assert found["logits"].output_shape == (1, 384, 512, 21)
    assert found["block1_conv1"].activation_bytes == 4 * 384 * 512 * 64
    # While block1_conv2 computes: what it reads and what it writes.
    assert inspection.peak_bytes == 2 * 4 * 384 * 512 * 64
    assert all(layer.fields[0].center == 0 for layer in (found["images"], found["logits"]))


@pytest.mark.parametrize(("stride", "geometry"), [(32, "same"), (16, "reference"), (8, "same")])
def test_parameters_and_shapes_are_those_keras_counts(thin_net, stride: int, geometry: str) -> None:
    model = thin_net(stride, geometry=geometry, input_scale=0.5, batch_normalization=True)
    inspection = inspect_model(model, (50, 71))
    assert inspection.parameters == model.count_params()
    trainable = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert inspection.trainable_parameters == trainable
    assert inspection.layers[-1].output_shape == (1, 50, 71, 3)
    for layer in inspection.layers:
        assert layer.parameters == model.get_layer(layer.name).count_params()
        assert layer.fields is not None
    assert not inspection.uncounted


def test_a_layer_that_stands_twice_computes_twice_and_has_its_weights_once() -> None:
    convolution = layers.Conv2D(2, 3, padding="same", name="twice")
    images = keras.Input((None, None, 2))
    model = keras.Model(images, convolution(convolution(images)))
    inspection = inspect_model(model, (5, 6))
    assert inspection.parameters == model.count_params()
    assert sum(layer.multiply_adds for layer in inspection.layers) == 2 * 5 * 6 * 9 * 2 * 2
    assert inspection.field[0].size == 5


def test_nets_in_nets_are_followed() -> None:
    inner = net(layers.Conv2D(2, 3), layers.ReLU(), channels=2)
    outer = net(layers.Conv2D(2, 3, 2), inner, layers.Conv2D(1, 1))
    inspection = inspect_model(outer, (20, 20))
    assert inspection.field[0].size == 7
    assert inspection.parameters == outer.count_params()


def test_what_lies_behind_an_unknown_layer_is_left_open() -> None:
    model = net(layers.Conv2D(4, 3), layers.GlobalAveragePooling2D(), layers.Dense(2))
    inspection = inspect_model(model, (9, 9))
    assert [layer.fields is None for layer in inspection.layers] == [False, False, True, True]
    assert inspection.layers[-1].multiply_adds == 8
    unknown = net(layers.LSTM(3), axes=1, channels=2)
    assert inspect_model(unknown, (7,)).uncounted == (unknown.layers[0].name,)


def test_models_that_are_not_of_one_image_with_one_answer_are_refused() -> None:
    images = keras.Input((None, None, 1))
    both = keras.Model(images, [layers.ReLU()(images), layers.Conv2D(1, 1)(images)], name="both")
    with pytest.raises(RunError, match=r"both: expected a model with one output\. Received: 2 outputs"):
        inspect_model(both, (9, 9))
    turned = keras.Sequential(
        [keras.Input((3, None, None)), layers.MaxPooling2D(data_format="channels_first", name="turned")]
    )
    with pytest.raises(RunError, match=r"channels-last .*\(None, 3, None, None\), and turned is"):
        inspect_model(turned, (9, 9))
    words = keras.Sequential([keras.Input((None,)), layers.Embedding(5, 2)])
    with pytest.raises(RunError, match=r"of one image or signal.*shape \(None, None\)\."):
        inspect_model(words, (9, 9))


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(RunError, match="larger --size"):
        inspect_model(net(layers.Conv2D(1, 9)), (5, 5))
    with pytest.raises(RunError, match=r"Received: 5x5"):
        inspect_model(keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(1, 3)]), (5, 5))
    with pytest.raises(RunError, match="expected images of the size"):
        inspect_model(net(layers.Conv2D(1, 3)), (5,))
