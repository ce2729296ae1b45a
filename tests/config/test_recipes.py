"""Every file in configs/ can be read, built and trained with."""

import math
import re
from itertools import pairwise
from pathlib import Path

import pytest

from fcn.config.file import Config, is_configuration, load_config
from fcn.config.recipes import recipe_names
from fcn.errors import ConfigError
from fcn.models.factory import build_model
from fcn.models.net import SegmentationNet
from fcn.training.optimizer import build_optimizer
from fcn.training.patterns import freeze, multiplier, variable_key
from fcn.training.stages import STAGES
from fcn.training.start import start_weights

CONFIGS = Path(__file__).parents[2] / "configs"
RECIPES = sorted(CONFIGS.glob("*.yaml"))
VOC = [path for path in RECIPES if path.stem.startswith("voc_")]
SMALL = [CONFIGS / f"{name}.yaml" for name in ("camvid_imagenet", "own_classes", "voc_small")]


def name_of(path: Path) -> str:
    return path.stem


def thin(config: Config) -> SegmentationNet:
    options = config.model.options() | {"width": 1 / 32, "fc_channels": 8}
    return build_model(**options)


def test_a_recipe_is_found_by_its_name_unless_something_is_called_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert recipe_names() == [path.stem for path in RECIPES]
    for name in ("voc_fcn8s", "voc_fcn8s.yaml"):
        assert load_config(name) == load_config(CONFIGS / "voc_fcn8s.yaml")
        assert is_configuration(Path(name))
    assert not is_configuration(Path("voc_fcn9s"))
    with pytest.raises(ConfigError, match=r"configs/voc_fcn8s.yaml: .* by name, such as voc_fcn8s: camvid, "):
        load_config("configs/voc_fcn8s.yaml")
    (tmp_path / "voc_fcn8s").mkdir()
    assert not is_configuration(Path("voc_fcn8s"))


def test_every_recipe_is_there() -> None:
    nets = ("fcn32s", "fcn16s", "fcn8s")
    expected = {f"voc_{net}{kind}" for net in nets for kind in ("", "_heavy", "_cvpr2015")}
    expected |= {"voc_fcn8s_at_once", "voc_fcn8s_at_once_heavy", "voc_fcn8s_scratch", "quickstart"}
    expected |= {"camvid", "camvid_gpu", "voc_frontend", "voc_context", "voc_largefov"}
    expected |= {path.stem for path in SMALL}
    assert {path.stem for path in RECIPES} == expected


@pytest.mark.slow
@pytest.mark.parametrize("path", RECIPES, ids=name_of)
def test_a_recipe_builds_its_net_and_optimizer(path: Path) -> None:
    config = load_config(path)
    net = thin(config)
    freeze(net, config.train.freeze)
    optimizer = build_optimizer(config.train, net, config.loss)
    optimizer.build(net.trainable_variables)
    assert optimizer.accumulate == config.train.accumulate


@pytest.mark.parametrize("path", RECIPES, ids=name_of)
def test_a_recipe_says_where_it_is_from_how_long_it_takes_and_what_to_expect(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for title in ("Source:", "Command:", "Time:", "Expect:"):
        assert re.search(rf"^# {title} +\S", text, re.MULTILINE), title
    assert re.search(r"^# Expect: .*(mean IoU|not measured)", text, re.MULTILINE)


@pytest.mark.parametrize("path", VOC, ids=name_of)
def test_a_recipe_for_voc_is_named_after_its_net(path: Path) -> None:
    config, text = load_config(path), path.read_text(encoding="utf-8")
    assert re.search(r"^# Hardware: +\S", text, re.MULTILINE)
    assert f"train.py configs/{path.name}" in text
    assert path in SMALL or path.stem.startswith(f"voc_{config.model.net}")


@pytest.mark.parametrize("path", VOC, ids=name_of)
def test_a_recipe_starts_from_the_net_before_it(path: Path) -> None:
    config = load_config(path)
    folder, _, name = config.model.weights.rpartition("/")
    if folder:
        assert folder == "runs"  # where a run goes that is not named
        before = load_config(CONFIGS / f"{name}.yaml")
        assert (before.model.net, config.model.net) in {*pairwise(STAGES), ("frontend", "context")}
        assert name.split("_")[2:] == path.stem.split("_")[2:]
        assert before.model.geometry == config.model.geometry
    else:
        assert config.model.weights == ("none" if config.model.batch_normalization else "imagenet")


@pytest.mark.parametrize("path", SMALL, ids=name_of)
def test_a_small_recipe_needs_the_convolutions_alone(path: Path) -> None:
    config, text = load_config(path), path.read_text(encoding="utf-8")
    assert start_weights(config.model) == "vgg16-keras-notop"
    assert config.model.skip_scales == (0.01, 0.002)  # pool4 and pool3 are about 100 and 500 large
    # On VOC it made the net expect rare classes too often; whether yours are rare is for `fcn plan` to see.
    assert config.data.sampling == ("balanced" if path.stem == "camvid_imagenet" else "uniform")
    net = thin(config)
    freeze(net, config.train.freeze)
    frozen = {layer.name[:6] for layer in net.layers if layer.weights and not layer.trainable}
    assert frozen == {"block1", "block2", "block3"}
    assert re.search(rf"^# Command: +python train.py configs/{path.name}", text, re.MULTILINE)
    assert "--set train.precision=bfloat16" in text
    assert config.train.precision == "float32"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*_heavy.yaml")), ids=name_of)
def test_heavy_is_that_of_the_reference_code(path: Path) -> None:
    rates = {"fcn32s": 1e-10, "fcn16s": 1e-12, "fcn8s": 1e-14, "fcn8s_at_once": 1e-10}
    config = load_config(path)
    train, augmentation = config.train, config.augmentation
    assert train.learning_rate == rates[config.model.net]
    assert (train.batch_size, train.momentum, train.weight_decay) == (1, 0.99, 5e-4)
    assert train.steps == (300_000 if config.model.net == "fcn8s_at_once" else 100_000)
    assert (config.loss.reduction, config.model.upsampling) == ("sum", "frozen")
    assert (augmentation.crop_size, augmentation.flip, augmentation.color_jitter) == (None, False, 0)
    for variable in thin(config).trainable_variables:
        key = variable_key(variable)
        factor = 2 if key.endswith("/bias") else 1
        assert math.isclose(multiplier(key, train.learning_rate_multipliers), factor), key


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*_cvpr2015.yaml")), ids=name_of)
def test_cvpr2015_averages_twenty_whole_images(path: Path) -> None:
    config = load_config(path)
    assert (config.train.batch_size, config.train.accumulate) == (20, 20)
    assert (config.augmentation.crop_size, config.loss.reduction) == (None, "mean")
    net = thin(config)
    assert not net.get_layer(f"upscore{net.stride}").trainable
    assert all(
        layer.trainable
        for layer in net.layers
        if layer.name in ("upscore2", "upscore_pool4") and layer.weights
    )
