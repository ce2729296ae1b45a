"""Tests of which words refuse a value of a configuration."""

import json
from pathlib import Path

import pytest

from fcn.config.file import Config, load_config
from fcn.errors import ConfigError


def refusal(path: Path, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("model: {widht: 1}", ["model.widht", "unknown key", "Did you mean model.width?"]),
        ("train: {lr: 1}", ["train.lr", "unknown key", "Did you mean train.learning_rate?"]),
        ("train: {batch: 1}", ["train.batch", "unknown key", "Did you mean train.batch_size?"]),
        ("model: {colour: 1}", ["model.colour", "unknown key", "Known keys: net, width,"]),
        (
            "model: {context: large}",
            ["model.context=large changes nothing in model.net=fcn8s", "leave it out"],
        ),
        (
            "model: {net: fcn32s, skip_scales: [1, 1]}",
            ["model.skip_scales changes nothing in model.net=fcn32s", "leave it out"],
        ),
        ("model: {skip_scales: [1, 0]}", ["model.skip_scales", "two numbers above 0", "[0.01, 0.002]"]),
        ("trian: {steps: 1}", ["trian", "unknown key", "Did you mean train?"]),
        ("serving: {}", ["serving", "unknown key", "Known keys: data, augmentation, model, loss, train."]),
        ("1: 2", ["1: unknown key"]),
        ("train: {steps: many}", ["train.steps", "integer", "'many'"]),
        ("train: {steps: 1.5}", ["train.steps", "integer", "1.5"]),
        ("train: {steps: true}", ["train.steps", "integer", "True"]),
        ("train: {learning_rate: '1'}", ["train.learning_rate", "number", "'1'"]),
        ("augmentation: {flip: 1}", ["augmentation.flip", "boolean"]),
        ("augmentation: {crop_size: 64}", ["augmentation.crop_size", "64"]),
        (
            "augmentation: {crop_size: [64, 64, 3]}",
            ["augmentation.crop_size: expected two whole", "[64, 64, 3]"],
        ),
        (
            "augmentation: {crop_size: [64, 0]}",
            ["augmentation.crop_size: expected two whole", "of at least 1", "[64, 0]"],
        ),
        (
            "augmentation: {scale: [2, 1]}",
            ["augmentation.scale=[2.0, 1.0]: expected the smaller scale first"],
        ),
        ("augmentation: {scale: [0, 1]}", ["augmentation.scale: expected two numbers above 0", "[0, 1]"]),
        ("augmentation: {color_jitter: 1}", ["augmentation.color_jitter", "less than 1"]),
        ("model: {net: fcn4s}", ["model.net", "'fcn8s'", "'fcn4s'"]),
        ("model: {weights: 3}", ["model.weights", "string"]),
        ("model: {dropout: 1.0}", ["model.dropout", "less than 1"]),
        ("model: {dropout: .nan}", ["model.dropout", "nan"]),
        ("model: {width: -1}", ["model.width", "greater than 0"]),
        ("model: {width: .inf}", ["model.width", "finite"]),
        ("model: {channels: {fc6: 0}}", ["model.channels: ", "of at least 1 for each layer", "{'fc6': 0}"]),
        ("model: {channels: {fc8: 5}}", ["model.channels: ", "no layer 'fc8'", "fc6 and fc7"]),
        ("model: {channels: 5}", ["model.channels: ", "of at least 1 for each layer", "Received: 5"]),
        ("train: {steps: 0}", ["train.steps", "greater than or equal to 1"]),
        ("train: {seed: -1}", ["train.seed", "greater than or equal to 0"]),
        ("train: {weight_decay: -0.1}", ["train.weight_decay", "greater than or equal to 0"]),
        ("train: 5", ["train", "5"]),
        ("train: [steps]", ["train", "steps"]),
        ("data: {root: 5}", ["data.root", "5"]),
        (
            "augmentation: {crop_size: null}\ntrain: {batch_size: 2}",
            ["augmentation.crop_size is null", "train.accumulate must equal train.batch_size"],
        ),
        ("train: {batch_size: 8, accumulate: 3}", ["train.accumulate=3", "divisor of train.batch_size=8"]),
        ("train: {devices: some}", ["train.devices", "'some'"]),
        (
            "train: {learning_rate_multipliers: {fc6: -1}}",
            ["train.learning_rate_multipliers: ", "of at least 0", "{'fc6': -1}"],
        ),
        ("model: {input_scale: 2}", ["model.input_scale", "less than or equal to 1", "Received: 2"]),
        ("data: {root: x, input_scale: 2}", ["model.input_scale", "less than or equal to 1", "Received: 2"]),
        ("data: {root: x, input_scale: 1}\nmodel: 5", ["model: ", "5", "data.input_scale: unknown key"]),
        (
            "data: {root: x, input_scale: 0.5}\nmodel: {input_scale: 0.25}",
            ["data.input_scale=0.5", "model.input_scale=0.25", "Keep model.input_scale"],
        ),
        ("loss: {terms: {}}", ["loss.terms"]),
        ("loss: {terms: {crossentropy: 1}}", ["loss.terms: ", "cross_entropy", "{'crossentropy': 1}"]),
        ("loss: {terms: {dice: 1}, reduction: sum}", ["loss.reduction=sum", "dice"]),
        (
            "data: {root: x, sampling_temperature: 0.1}",
            [
                "data.sampling_temperature changes nothing with data.sampling=uniform",
                "data.sampling=balanced, or data.sampling_temperature=0.01",
            ],
        ),
        ("data: {root: x, sampling: rare}", ["data.sampling: expected", "'balanced'", "'rare'"]),
        (
            "data: {root: x, sampling: balanced, sampling_temperature: 0}",
            ["data.sampling_temperature: expected a value greater than 0"],
        ),
        ("augmentation: {blur: 1.5}", ["augmentation.blur", "less than or equal to 1"]),
        ("augmentation: {rotation: 200}", ["augmentation.rotation", "less than or equal to 180"]),
        (
            "augmentation: {crop_size: null, rotation: 10}",
            ["augmentation.rotation=10: changes crops, but augmentation.crop_size is null"],
        ),
        ("loss: {class_weights: median}", ["loss.class_weights", "median_frequency"]),
        ("loss: {terms: {dice: 1}, label_smoothing: 0.1}", ["loss.label_smoothing", "in dice:", "or ohem"]),
        ("loss: {terms: {focal: 1}, label_smoothing: 0.1}", ["loss.label_smoothing", "in focal:"]),
        (
            "loss: {terms: {lovasz: 1, dice: 1}, class_weights: median_frequency}",
            [
                "loss.class_weights",
                "in dice and lovasz:",
                "or focal in loss.terms, or loss.class_weights=none",
            ],
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(tmp_path: Path, content: str, words: list[str]) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(content if "data:" in content else f"data: {{root: x}}\n{content}\n")
    message = refusal(path)
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    "content",
    ["sampling: balanced, sampling_temperature: 0.5", "sampling: uniform, sampling_temperature: 0.01"],
)
def test_a_temperature_that_sampling_uses_is_taken(tmp_path: Path, content: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(f"data: {{root: x, {content}}}\n")
    load_config(path)


@pytest.mark.parametrize(
    "content",
    [
        "terms: {dice: 1, ohem: 1}, label_smoothing: 0.1",
        "terms: {focal: 1}, class_weights: [1, 2]",
        "terms: {dice: 1}, label_smoothing: 0.0, class_weights: none, focal_gamma: 1",
    ],
)
def test_options_that_a_loss_uses_are_taken(tmp_path: Path, content: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(f"data: {{root: x}}\nloss: {{{content}}}\n")
    load_config(path)


WRONG = ["many", -1, 2.5, 1000.0, True, [], [0, 1], ["a", -1], {}, {"focal": 1, "x": -1}]


@pytest.mark.parametrize("value", WRONG)
def test_every_key_is_told_of_in_one_line_and_in_our_words(value: object, tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    for name, section in Config.model_fields.items():
        for key in section.annotation.model_fields:  # type: ignore[union-attr]
            path.write_text("data: {root: x}\n")
            message = ""
            try:
                load_config(path, [f"{name}.{key}={json.dumps(value)}"])
            except ConfigError as error:
                message = str(error).removeprefix(f"{path}: ")
            assert "\n" not in message
            assert not message or message.startswith((f"{name}.{key}", "augmentation.", "train.", "loss."))
            for word in ("[key]", "constrained", "tuple", "Input", "Literal", "dict", "instance"):
                assert word not in message


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        (
            "train.steps=1e3",
            "train.steps: expected a whole number (integer), written in digits alone, for example "
            "train.steps=20000. Received: 1000.0.",
        ),
        (
            "train.devices=0",
            "train.devices: expected a whole number of at least 1, or all, for example train.devices=2. "
            "Received: 0.",
        ),
        (
            "loss.terms={focal:1}",
            "loss.terms: expected a weight above 0 for each of one or more of cross_entropy, ohem, focal, "
            "dice, lovasz, for example loss.terms={cross_entropy: 1, dice: 0.5}. "
            "Received: {'focal:1': None}.",
        ),
        (
            "loss.class_weights=[1, -1]",
            "loss.class_weights: expected none, median_frequency, or a list with a number of at least 0 for "
            "each class, for example loss.class_weights=[0.5, 1, 2]. Received: [1, -1].",
        ),
        (
            "train.ema=1",
            "train.ema: expected a value less than 1, or null, for example train.ema=0.999. Received: 1.",
        ),
    ],
)
def test_what_is_expected_comes_with_an_example(tmp_path: Path, override: str, expected: str) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("data: {root: x}\n")
    assert refusal(recipe, override) == f"{recipe}: {expected}"
