"""Tests of the proof: what it measures, and that it catches a net that is not the same."""

import re
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from fcn.data.image_io import Pixels
from fcn.errors import RunError
from fcn.models.surgery import convolutionalize
from fcn.proof.text import render
from fcn.proof.windows import Proof, prove

SIDES = {"padded": (64, 64, 3), "unpadded": (32, 36, 1)}


def build(padding: str, *end: layers.Layer) -> keras.Model:
    """A thin net with stride 4, and a window that is not square where the image is not."""
    keras.utils.set_random_seed(0)
    mode = "same" if padding == "padded" else "valid"
    return keras.Sequential(
        [
            keras.Input(SIDES[padding]),
            layers.Rescaling(1 / 128, -1),
            layers.Conv2D(4, 5, padding=mode, activation="relu", name="conv1"),
            layers.MaxPooling2D(2),
            layers.Conv2D(4, 5, padding=mode, activation="relu", name="conv2"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(8, activation="tanh", name="fc"),
            layers.Dense(5, name="score"),
            *end,
        ]
    )


def run(model: keras.Model, **options: Any) -> Proof:
    return prove(model, convolutionalize(model), repetitions=1, **options)


@pytest.fixture(scope="module")
def padded() -> Proof:
    return run(build("padded", layers.Softmax()))


def test_a_padded_net_is_exact_on_maps_and_not_on_crops(padded: Proof) -> None:
    assert (padded.window, padded.crop_size, padded.strides) == ((16, 16), (64, 64), (4, 4))
    assert (padded.pass_size, padded.num_windows) == ((84, 84), 36)
    assert max(padded.window_score_error, padded.window_answer_error, padded.same_size_error) <= 1e-5
    assert padded.padded.shape == (6, 6)
    # Every crop has a border of zeros where the one pass has pixels, at least on two sides.
    assert padded.padded.min() > 1e-4
    assert padded.padding_layers == ("conv1", "conv2")
    assert padded.vanishes
    assert padded.unpadded.shape == (6, 6)
    assert padded.unpadded_pass_size == tuple(side + 20 for side in padded.unpadded_crop_size)
    assert padded.unpadded_crop_size > padded.crop_size
    assert min(padded.crops_seconds, padded.pass_seconds) > 0


def test_a_net_without_padding_is_exact_on_crops_too() -> None:
    proof = run(build("unpadded", layers.Activation("softmax")))
    assert (proof.window, proof.pass_size, proof.strides) == ((5, 6), (52, 56), (4, 4))
    assert proof.padding_layers == ()
    assert proof.padded.max() <= 1e-5
    assert proof.same_class == 36


def test_differences_are_those_between_the_net_and_crops(rng: np.random.Generator) -> None:
    model = build("padded")
    converted = convolutionalize(model)
    image = rng.integers(0, 256, (84, 84, 3), np.uint8)
    proof = run(model, image=image)
    one_pass = converted(image[np.newaxis].astype(np.float32)).numpy()[0]
    expected = np.zeros((6, 6))
    crops = np.zeros_like(one_pass)
    for row in range(6):
        for column in range(6):
            crop = image[4 * row : 4 * row + 64, 4 * column : 4 * column + 64]
            crops[row, column] = model(crop[np.newaxis].astype(np.float32)).numpy()[0]
            expected[row, column] = np.abs(one_pass[row, column] - crops[row, column]).max()
    np.testing.assert_allclose(proof.padded, expected / np.abs(crops).max(), atol=1e-5)
    assert proof.same_class == (one_pass.argmax(-1) == crops.argmax(-1)).sum()


@pytest.mark.parametrize("size", [(84, 84, 3), (20, 300, 3), (200, 90, 3)])
def test_a_photograph_of_any_size_will_do(size: tuple[int, ...], rng: np.random.Generator) -> None:
    proof = run(build("padded"), image=rng.integers(0, 256, size, np.uint8))
    assert proof.window_score_error <= 1e-5
    assert proof.padded.shape == (6, 6)


def test_a_grey_net_takes_a_color_photograph(rng: np.random.Generator) -> None:
    assert run(build("unpadded"), image=rng.integers(0, 256, (60, 60, 3), np.uint8)).vanishes


def test_preprocessing_comes_in_front_of_both(padded: Proof) -> None:
    seen = []

    def preprocess(pixels: Any) -> Any:
        seen.append(pixels.shape[1:])
        return pixels / 2

    proof = run(build("padded", layers.Softmax()), preprocess=preprocess)
    assert set(seen) == {(84, 84, 3), (*proof.unpadded_pass_size, 3)}
    assert not np.allclose(proof.padded, padded.padded)


def sabotage(converted: keras.Model, name: str, change: Any) -> None:
    layer = converted.get_layer(name)
    layer.set_weights([change(value) if value.ndim == 4 else value for value in layer.get_weights()])


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("fc", lambda kernel: kernel.transpose(1, 0, 2, 3)),
        ("fc", lambda kernel: kernel[::-1, ::-1]),
        ("fc", lambda kernel: kernel[:, :, ::-1]),
        ("score", lambda kernel: kernel[..., ::-1]),
        ("score", lambda kernel: kernel * 1.0001),
        ("score", lambda kernel: kernel * np.nan),
        ("conv1", lambda kernel: kernel[::-1]),
    ],
    ids=["transposed", "flipped", "channels", "classes", "a ten-thousandth", "not a number", "backbone"],
)
def test_a_net_that_is_not_the_same_is_caught(name: str, change: Any) -> None:
    model = build("padded")
    converted = convolutionalize(model)
    sabotage(converted, name, change)
    with pytest.raises(RunError, match=r"does not agree with the classifier\..*at most 1e-05"):
        prove(model, converted, repetitions=1)


def test_a_net_whose_last_layer_was_cut_cannot_be_compared() -> None:
    model = build("padded")
    with pytest.raises(RunError, match=r"of 5 classes\. Received: 3\. A new last layer"):
        prove(model, convolutionalize(model, num_classes=3))


def test_a_layer_that_looks_at_the_whole_image_is_told_from_padding() -> None:
    model = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            layers.Conv2D(4, 3, padding="same"),
            layers.GroupNormalization(2),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(3),
        ]
    )
    proof = run(model)
    assert proof.window_score_error <= 1e-5
    assert not proof.vanishes
    assert "more than rounding" in render(proof)


def test_a_net_of_five_channels_is_proven_on_noise_only() -> None:
    layers_ = [keras.Input((8, 8, 5)), layers.MaxPooling2D(2), layers.Flatten(), layers.Dense(3)]
    model = keras.Sequential(layers_)
    assert run(model).vanishes
    with pytest.raises(RunError, match="5 channels"):
        run(model, image=np.zeros((8, 8, 3), np.uint8))


def test_the_text_has_three_parts_and_a_table(padded: Proof) -> None:
    text = render(padded)
    assert re.findall(r"^(\d)\. (\w+)", text, re.M) == [("1", "Exact"), ("2", "Approximate"), ("3", "Time")]
    rows = [line.split() for line in text.splitlines() if line.count("%") == 6]
    values = np.array([[float(cell.rstrip("%")) for cell in row] for row in rows])
    np.testing.assert_allclose(values, 100 * padded.padded, atol=0.006)
    assert "84x84 against 36 crops of 64x64 at stride 4" in text
    assert "zero padding (conv1, conv2)" in text
    assert max(map(len, text.splitlines())) <= 110


def test_the_text_says_when_nothing_pads(padded: Proof) -> None:
    text = render(
        padded._replace(padding_layers=(), padded=np.full((6, 6), 2e-7), pass_seconds=0.5, crops_seconds=4)
    )
    assert "2. Exact here" in text
    assert text.count("2e-07") == 36
    assert "No layer of the backbone pads" in text
    assert "36 crops 4.00 s, one pass 500.0 ms: 8.0 times as fast" in text


@pytest.mark.slow
def test_a_photograph_through_a_net_of_vgg16s_geometry(voc_root: Any) -> None:
    from fcn.data.image_io import read_image

    image: Pixels = read_image(sorted((voc_root / "JPEGImages").glob("*.jpg"))[0])
    x = inputs = keras.Input((224, 224, 3))
    for block, count in enumerate((2, 2, 3, 3, 3)):
        for index in range(count):
            x = layers.Conv2D(
                8,
                3,
                padding="same",
                activation="relu",
                kernel_initializer="he_normal",
                name=f"b{block}_{index}",
            )(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Dense(32, activation="relu")(layers.Flatten()(x))
    proof = run(keras.Model(inputs, layers.Dense(10, activation="softmax")(x)), image=image)
    assert (proof.window, proof.strides, proof.pass_size) == ((7, 7), (32, 32), (384, 384))
    assert (proof.padded.shape, len(proof.padding_layers)) == ((6, 6), 13)
    assert proof.padded.max() > 1e-3
    assert proof.vanishes
