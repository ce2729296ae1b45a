"""Tests of net surgery: a converted net says on every window what the classifier says."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from keras.ops import convert_to_numpy

from fcn.models.surgery import convolutionalize, find_tail

Net = keras.Model


def wake(model: Net, seed: int = 0) -> Net:
    """Random weights for all layers, biases and statistics too; variances stay positive."""
    rng = np.random.default_rng(seed)
    model.set_weights(
        [
            rng.uniform(0.2, 1, value.shape) if value.ndim == 1 else rng.normal(0, 0.3, value.shape)
            for value in model.get_weights()
        ]
    )
    return model


def stack(*rest: layers.Layer, size: tuple[int | None, int | None, int] = (12, 16, 3)) -> Net:
    return wake(keras.Sequential([keras.Input(size), *rest]))


def images(net: Net, seed: int = 1, extra: tuple[int, int] = (0, 0), count: int = 2) -> np.ndarray:
    _, height, width, channels = net.input_shape
    shape = (count, height + extra[0], width + extra[1], channels)
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def lenet() -> Net:
    return stack(
        layers.Conv2D(6, 5, activation="tanh"),
        layers.AveragePooling2D(2),
        layers.Conv2D(16, 5, activation="tanh"),
        layers.AveragePooling2D(2),
        layers.Flatten(),
        layers.Dense(120, activation="tanh", name="C5"),
        layers.Dense(84, activation="tanh"),
        layers.Dense(10, activation="softmax"),
        size=(32, 32, 1),
    )


def vgg(counts: tuple[int, ...]) -> Net:
    x = inputs = keras.Input((64, 64, 3))
    for block, count in enumerate(counts, 1):
        for index in range(1, count + 1):
            name = f"block{block}_conv{index}"
            x = layers.Conv2D(4, 3, padding="same", activation="relu", name=name)(x)
        x = layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
    x = layers.Flatten(name="flatten")(x)
    for name in ("fc1", "fc2"):
        x = layers.Dense(12, activation="relu", name=name)(x)
        x = layers.Dropout(0.5)(x)
    return wake(keras.Model(inputs, layers.Dense(5, activation="softmax", name="predictions")(x)))


def alexnet() -> Net:
    return stack(
        layers.Conv2D(6, 11, strides=4, activation="relu"),
        layers.Lambda(lambda x: x / (1 + abs(x))),
        layers.MaxPooling2D(3, 2),
        layers.ZeroPadding2D(2),
        layers.Conv2D(8, 5, activation="relu", groups=2),
        layers.MaxPooling2D(3, 2),
        layers.Flatten(),
        layers.Dropout(0.5),
        layers.Dense(10),
        layers.ReLU(),
        layers.Dense(4),
        layers.Softmax(),
        size=(99, 99, 3),
    )


def normalized() -> Net:
    return stack(
        layers.Rescaling(2.0),
        layers.Normalization(mean=[0.1, 0.2, 0.3], variance=[1, 2, 3]),
        layers.Conv2D(4, 3, 2, use_bias=False),
        layers.BatchNormalization(),
        layers.Activation("relu"),
        layers.Flatten(),
        layers.Dropout(0.1),
        layers.Dense(7, use_bias=False),
        layers.BatchNormalization(axis=1),
        layers.PReLU(),
        layers.Dense(6, activation=keras.activations.gelu),
        layers.LeakyReLU(),
        layers.Dense(3),
        layers.Softmax(axis=1),
    )


def residual() -> Net:
    inputs = keras.Input((16, 20, 2))
    x = layers.Conv2D(4, 3, padding="same", name="twice")(inputs)
    shared = layers.Conv2D(4, 3, padding="same", name="shared")
    x = layers.Add()([x, shared(layers.ReLU()(shared(x)))]) * 2.0
    x = layers.Concatenate()([x, layers.MaxPooling2D(3, 1, padding="same")(x)])
    x = layers.Flatten()(layers.MaxPooling2D(4)(x))
    return wake(keras.Model(inputs, layers.Dense(3)(layers.Dense(5, "relu")(x))))


def nested() -> Net:
    x = inputs = keras.Input((16, 16, 3))
    x = layers.BatchNormalization(name="first")(layers.Conv2D(4, 3, name="conv")(x))
    backbone = keras.Model(inputs, layers.Add()([x, layers.ReLU()(x)]), name="backbone")
    more = keras.Sequential([layers.Conv2D(3, 3, name="conv"), layers.MaxPooling2D(2), layers.Flatten()])
    outer = keras.Input((16, 16, 3))
    tail = keras.Sequential([layers.Dense(6, "relu"), layers.Dense(4)])
    return wake(keras.Model(outer, tail(more(backbone(outer, training=False)))))


def sequential_around_functional() -> Net:
    backbone = keras.applications.VGG16(include_top=False, weights=None, input_shape=(32, 32, 3))
    thin = [layers.Conv2D(2, 1), backbone, layers.Flatten(), layers.Dense(4, "relu"), layers.Dense(3)]
    return keras.Sequential([keras.Input((32, 32, 3)), layers.Conv2D(3, 1), *thin[1:]])


NETS: dict[str, Callable[[], Net]] = {
    "LeNet-5": lenet,
    "VGG16": lambda: vgg((2, 2, 3, 3)),
    "VGG19": lambda: vgg((2, 2, 4, 4)),
    "AlexNet": alexnet,
    "normalized": normalized,
    "residual": residual,
    "nested": nested,
    "one place": lambda: stack(layers.AveragePooling2D((12, 16)), layers.Flatten(), layers.Dense(4)),
}


def assert_close(values: np.ndarray, expected: np.ndarray) -> None:
    assert np.ptp(expected) > 1e-3, "a net that says the same everywhere proves nothing"
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("build", NETS.values(), ids=NETS.keys())
def test_the_answer_at_the_size_of_the_classifier_is_the_same(build: Callable[[], Net]) -> None:
    model = build()
    converted = convolutionalize(model)
    assert converted.input_shape == (None, None, None, model.input_shape[-1])
    batch = images(model)
    answers = convert_to_numpy(converted(batch))
    assert answers.shape == (2, 1, 1, model.output_shape[-1])
    assert_close(answers[:, 0, 0], convert_to_numpy(model(batch)))


@pytest.mark.parametrize("build", [normalized, nested, lenet])
def test_a_larger_image_gets_an_answer_for_each_window_of_the_map(build: Callable[[], Net]) -> None:
    model = build()
    converted = convolutionalize(model)
    tail = find_tail(model)
    first = converted.get_layer(next(layer.name for layer in tail.layers if layer.get_weights()))
    batch = images(model, extra=(12, 20))
    features = convert_to_numpy(keras.Model(converted.input, first.input)(batch))
    answers = convert_to_numpy(converted(batch))
    height, width, _ = tail.window
    rows, columns = features.shape[1] - height + 1, features.shape[2] - width + 1
    assert answers.shape[1:3] == (rows, columns)
    assert min(rows, columns) > 2
    expected = np.zeros_like(answers)
    for row in range(rows):
        for column in range(columns):
            x = features[:, row : row + height, column : column + width].reshape(2, -1)
            for layer in tail.layers:
                x = layer(x)
            expected[:, row, column] = x
    assert_close(answers, expected)


def test_an_unpadded_net_says_of_each_crop_what_the_classifier_says() -> None:
    model = lenet()
    image = images(model, extra=(8, 12), count=1)
    answers = convert_to_numpy(convolutionalize(model)(image))[0]
    assert answers.shape == (3, 4, 10)
    crops = [
        image[0, y : y + 32, x : x + 32] for y in range(0, 9, 4) for x in range(0, 13, 4)
    ]  # LeNet's stride is 4.
    assert_close(answers.reshape(-1, 10), convert_to_numpy(model(np.stack(crops))))


def test_the_textbook_layer_on_a_map_of_one_place() -> None:
    model = keras.Sequential([keras.Input((1, 1, 3)), layers.Flatten(), layers.Dense(2, activation="relu")])
    weights = np.array([[0, 1, 1], [2, 3, 5]], np.float32)
    model.layers[-1].set_weights([weights.T, np.array([8, 13])])
    converted = convolutionalize(model)
    assert converted.layers[-1].kernel.shape == (1, 1, 3, 2)
    # W x + b by hand, then ReLU: [0+2+3, 2+6+15] + [8, 13]; [0-9+0, -20-27+0] + [8, 13] < 0.
    image = np.array([[[[1, 2, 3], [-10, -9, 0]]]], np.float32)
    assert convert_to_numpy(converted(image)).tolist() == [[[[13, 36], [0, 0]]]]


def test_c5_of_lenet_is_a_convolution_of_five_by_five() -> None:
    model = lenet()
    c5 = convolutionalize(model).get_layer("C5")
    assert isinstance(c5, layers.Conv2D)
    assert (c5.kernel.shape, c5.padding, c5.strides) == ((5, 5, 16, 120), "valid", (1, 1))
    kernel = model.get_layer("C5").get_weights()[0]
    # Row 2, column 3, channel 7 of a map is at this place of the vector.
    np.testing.assert_array_equal(c5.get_weights()[0][2, 3, 7], kernel[(2 * 5 + 3) * 16 + 7])


@pytest.mark.exhaustive
def test_the_first_layer_of_vgg16_becomes_seven_by_seven() -> None:
    model = keras.applications.VGG16(weights=None)
    converted = convolutionalize(model)
    assert model.get_layer("fc1").kernel.shape == (25088, 4096)
    assert converted.get_layer("fc1").kernel.shape == (7, 7, 512, 4096)
    assert converted.get_layer("fc2").kernel.shape == (1, 1, 4096, 4096)
    assert [layer.name for layer in converted.layers] == [
        layer.name for layer in model.layers if layer.name != "flatten"
    ]
    image = images(model, count=1) * 100
    np.testing.assert_allclose(
        convert_to_numpy(converted(image))[:, 0, 0], convert_to_numpy(model(image)), rtol=1e-5
    )


@pytest.mark.slow
def test_a_backbone_of_keras_within_a_sequential_model() -> None:
    keras.utils.set_random_seed(0)
    model = sequential_around_functional()
    converted = convolutionalize(model)
    assert "block5_conv3" in [layer.name for layer in converted.layers]
    batch = 100 * images(model)  # sixteen layers, as Keras draws them, leave little of an image
    assert_close(convert_to_numpy(converted(batch))[:, 0, 0], convert_to_numpy(model(batch)))


def test_batch_normalization_behind_flatten_becomes_part_of_the_kernel() -> None:
    model = stack(
        layers.MaxPooling2D(4),
        layers.Flatten(),
        layers.ReLU(),
        layers.BatchNormalization(),
        layers.Dropout(0.5),
        layers.Dense(5, use_bias=False, activation="tanh", name="fc"),
    )
    converted = convolutionalize(model)
    assert [type(layer).__name__ for layer in converted.layers[2:]] == ["ReLU", "Dropout", "Conv2D"]
    assert converted.get_layer("fc").use_bias
    batch = images(model)
    assert_close(convert_to_numpy(converted(batch))[:, 0, 0], convert_to_numpy(model(batch)))


def test_settings_of_the_layers_are_kept() -> None:
    model = stack(
        layers.Conv2D(2, 3, name="conv", trainable=False),
        layers.Flatten(),
        layers.Dense(4, use_bias=False, kernel_regularizer="l2", kernel_constraint="max_norm", name="fc"),
        layers.Dropout(0.25, name="drop"),
        layers.Dense(3, activation="softmax", name="score", trainable=False),
    )
    converted = convolutionalize(model)
    conv, fc, drop, score = converted.layers[1:]
    assert [layer.name for layer in converted.layers[1:]] == ["conv", "fc", "drop", "score"]
    assert [layer.trainable for layer in (conv, fc, score)] == [False, True, False]
    assert (fc.use_bias, drop.rate) == (False, 0.25)
    assert (fc.activation, score.activation) == (keras.activations.linear, keras.activations.softmax)
    assert isinstance(fc.kernel_regularizer, keras.regularizers.L2)
    # The norm of what reaches one channel, as before.
    assert fc.kernel_constraint.axis == [0, 1, 2]
    for layer in converted.layers:
        for value, expected in zip(layer.get_weights(), model_weights(model, layer.name), strict=True):
            np.testing.assert_array_equal(value.ravel(), expected.ravel())


def model_weights(model: Net, name: str) -> list[np.ndarray]:
    return next((layer.get_weights() for layer in model.layers if layer.name == name), [])


def test_a_shared_layer_stays_one_layer() -> None:
    converted = convolutionalize(residual())
    assert [layer.name for layer in converted.layers].count("shared") == 1


def test_repeated_names_of_nested_models_are_told_apart() -> None:
    names = [layer.name for layer in convolutionalize(nested()).layers]
    assert {"conv", "conv_2"} <= set(names)
    assert len(set(names)) == len(names)


def test_the_given_model_is_not_changed() -> None:
    model = nested()
    batch = images(model)
    weights, config, answers = model.get_weights(), model.to_json(), convert_to_numpy(model(batch))
    converted = convolutionalize(model)
    converted.set_weights([0 * value for value in converted.get_weights()])
    assert model.to_json() == config
    for value, expected in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(value, expected)
    np.testing.assert_array_equal(model(batch), answers)
    _ = [layer.input for layer in model.layers]  # Raises if a layer had been called once more.


@pytest.mark.parametrize("build", [lenet, normalized, residual, nested])
def test_a_saved_net_says_the_same(build: Callable[[], Net], tmp_path: Path) -> None:
    model = build()
    converted = convolutionalize(model)
    converted.save(tmp_path / "net.keras")
    loaded = keras.models.load_model(tmp_path / "net.keras")
    batch = images(model, extra=(8, 8))
    np.testing.assert_array_equal(loaded(batch), converted(batch))


def test_the_last_layer_is_cut_and_starts_at_zero() -> None:
    model = lenet()
    converted = convolutionalize(model, num_classes=4)
    whole = convolutionalize(model)
    last = converted.layers[-1]
    assert (last.name, last.kernel.shape) == (whole.layers[-1].name, (1, 1, 84, 4))
    assert all(not value.any() for value in last.get_weights())
    np.testing.assert_array_equal(converted(images(model)), np.full((2, 1, 1, 4), 0.25))
    for ours, theirs in zip(converted.layers[:-1], whole.layers[:-1], strict=True):
        for value, expected in zip(ours.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_array_equal(value, expected)


def flat(*rest: layers.Layer, **options: object) -> Net:
    return stack(layers.Conv2D(2, 3), layers.Flatten(name="flat"), *rest, **options)


def two_inputs() -> Net:
    first, second = keras.Input((8, 8, 1)), keras.Input((8, 8, 1))
    return keras.Model([first, second], layers.Dense(2)(layers.Flatten()(layers.Add()([first, second]))))


def two_outputs() -> Net:
    inputs = keras.Input((8, 8, 1))
    x = layers.Flatten()(inputs)
    return keras.Model(inputs, [layers.Dense(2)(x), layers.Dense(3)(x)])


def branches() -> Net:
    inputs = keras.Input((8, 8, 1))
    x = layers.Flatten()(inputs)
    return keras.Model(inputs, layers.Add(name="join")([layers.Dense(2)(x), layers.Dense(2)(x)]))


class Subclass(keras.Model):
    def call(self, x: object) -> object:
        return x


REFUSED: dict[str, tuple[Callable[[], Net], str]] = {
    "channels_first Flatten": (
        lambda: stack(layers.Flatten(data_format="channels_first", name="flat"), layers.Dense(2)),
        "'flat' .*channels_last",
    ),
    "channels_first pooling": (
        lambda: stack(layers.MaxPooling2D(2, data_format="channels_first", name="p"), layers.Flatten()),
        "'p' .*channels_last",
    ),
    "Dense in front": (
        lambda: stack(layers.Dense(2, name="early"), layers.Flatten(), layers.Dense(2)),
        "'early' .*not in the tail",
    ),
    "no Flatten": (lambda: stack(layers.Conv2D(2, 3)), "has no Flatten layer"),
    "no Dense": (lambda: flat(layers.ReLU(name="r")), r"Dense layers after Flatten layer 'flat'.*\['r'\]"),
    "global average": (
        lambda: stack(layers.GlobalAveragePooling2D(name="gap"), layers.Dense(2)),
        r"'gap' .*needs no conversion.*remove the pooling.*get_layer\('gap'\)",
    ),
    "global maximum": (lambda: stack(layers.GlobalMaxPooling2D(name="gmp")), "'gmp' .*needs no conversion"),
    "Reshape": (
        lambda: stack(layers.Reshape((16, 12, 3), name="turn"), layers.Flatten()),
        "'turn' .*rearranges",
    ),
    "Permute": (
        lambda: stack(layers.Permute((2, 1, 3), name="turn"), layers.Flatten()),
        "'turn' .*rearranges",
    ),
    "Reshape behind": (
        lambda: flat(layers.Dense(4), layers.Reshape((2, 2), name="turn")),
        "'turn' .*only Dense.*'flat'",
    ),
    "Resizing": (
        lambda: stack(layers.Resizing(4, 4, name="size"), layers.Flatten(), layers.Dense(2)),
        "'size' .*same size",
    ),
    "alpha of places": (
        lambda: stack(layers.PReLU(name="alpha"), layers.Flatten(), layers.Dense(2)),
        "'alpha' .*any size",
    ),
    "softmax of all places": (
        lambda: flat(layers.Softmax(name="all"), layers.Dense(2)),
        "'all' .*between Flatten and the first Dense",
    ),
    "activation behind folded statistics": (
        lambda: flat(layers.BatchNormalization(), layers.ReLU(name="bent"), layers.Dense(2)),
        "'bent' .*between Flatten and the first Dense",
    ),
    "vectors": (lambda: keras.Sequential([keras.Input((8,)), layers.Dense(2)]), r"images \[B, H, W, C\]"),
    "two inputs": (two_inputs, "one input and one output.*2 inputs and 1 outputs"),
    "two outputs": (two_outputs, "1 inputs and 2 outputs"),
    "branches": (branches, "'join' .*joins several branches"),
    "subclass": (Subclass, "Sequential or functional.*Subclass"),
    "unbuilt": (lambda: keras.Sequential([layers.Flatten(), layers.Dense(2)]), "input shape.*none yet"),
    "map without places": (
        lambda: stack(
            layers.UnitNormalization(axis=1), layers.Conv2D(2, 12), Mean(name="mean"), layers.ReLU()
        ),
        "'mean' .*something other than a map",
    ),
}


class Mean(layers.Layer):
    def call(self, x: object) -> object:
        return keras.ops.mean(x, axis=(1, 2))


@pytest.mark.parametrize(("build", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_converted_is_said(build: Callable[[], Net], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        convolutionalize(build())


def test_the_advice_for_a_net_with_global_pooling_works() -> None:
    dense = layers.Dense(3)
    model = stack(layers.Conv2D(4, 3), layers.GlobalAveragePooling2D(name="gap"), dense)
    scores = keras.Model(model.inputs[0], dense(model.get_layer("gap").input))
    batch = images(model)
    assert scores(batch).shape == (2, 10, 14, 3)
    assert_close(convert_to_numpy(scores(batch)).mean((1, 2)), convert_to_numpy(model(batch)))


def test_a_net_without_a_size_of_its_own_is_refused() -> None:
    inputs = keras.Input((None, 8, 3))
    x = layers.Flatten(name="flat")(layers.Conv2D(2, 3, padding="same")(inputs))
    # A Dense layer cannot take a vector of unknown length, so Keras itself allows no more than this.
    with pytest.raises(ValueError, match=r"'flat' has no fixed input size \(height None, width 8\)"):
        convolutionalize(keras.Model(inputs, x))


@pytest.mark.parametrize("num_classes", [0, -1])
def test_a_number_of_classes_that_is_none_is_refused(num_classes: int) -> None:
    with pytest.raises(ValueError, match=f"at least one class.*num_classes={num_classes}"):
        convolutionalize(lenet(), num_classes)


def test_weights_behind_a_cut_layer_are_refused() -> None:
    model = flat(layers.Dense(3, name="score"), layers.BatchNormalization(name="after"))
    with pytest.raises(ValueError, match=r"'after' .*num_classes.*'score'"):
        convolutionalize(model, num_classes=2)
    convolutionalize(model)


def test_the_tail_is_the_window_and_the_layers_behind_flatten() -> None:
    tail = find_tail(vgg((1, 1)))
    assert tail.window == (16, 16, 4)
    assert [layer.name for layer in tail.layers if isinstance(layer, layers.Dense)] == [
        "fc1",
        "fc2",
        "predictions",
    ]
    assert tail.last_dense.name == "predictions"
