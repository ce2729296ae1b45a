"""Tests of the arguments of nets: written once, and refused where a net does not have them."""

import inspect
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fcn
from fcn.config.sections import ModelConfig
from fcn.models.architecture import CONVOLUTION_CHANNELS, FULLY_CONNECTED
from fcn.models.arguments import DilatedNetArguments, FCNArguments, NetArguments
from fcn.models.dilated import DilatedNet
from fcn.models.fcn import FCN
from fcn.models.net import SegmentationNet

THIN: dict[str, Any] = {"width": 1 / 64, "fc_channels": 2}
NETS = [(FCN, FCNArguments), (DilatedNet, DilatedNetArguments)]


@pytest.mark.parametrize(("net", "kind"), NETS)
def test_a_net_shows_its_arguments_and_keeps_them(
    net: type[SegmentationNet], kind: type[NetArguments]
) -> None:
    assert dict(inspect.signature(net).parameters) == dict(inspect.signature(kind).parameters)
    built = net(3, **THIN)
    config = built.get_config()
    # Files without these can be read by versions that did not have them.
    names = {field.name for field in fields(kind)}
    assert names - set(config) == {"channels", "temperatures"}
    full = net(3, channels={"fc7": 5}, temperatures=(2,), **THIN).get_config()  # a slim and calibrated one
    assert set(full) == names
    assert all(getattr(built, name) == value for name, value in config.items())
    assert (config["num_classes"], config["class_names"], config["width"]) == (3, ("0", "1", "2"), 1 / 64)


def test_a_net_may_be_named_and_frozen_as_any_model_of_keras() -> None:
    net = FCN(2, name="mine", trainable=False, **THIN)
    assert (net.name, net.trainable) == ("mine", False)
    net.trainable = True
    config = net.get_config()
    assert (config["name"], config["trainable"]) == ("mine", True)


def test_the_configuration_has_the_same_defaults_and_no_key_of_its_own_but_the_net_and_its_start() -> None:
    shared = {field.name: field.default for field in fields(NetArguments)}
    own = ModelConfig.model_fields.keys() - shared.keys()
    assert own == {"net", "context", "skip_scales", "weights"}  # the second and third are of some nets
    for key in ModelConfig.model_fields.keys() - own:
        assert ModelConfig.model_fields[key].default == shared[key], key


@pytest.mark.parametrize("build", [fcn.build_model, FCN, DilatedNet])
def test_an_unknown_argument_is_named_with_one_like_it(build: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match=r"'num_clases'\. Did you mean num_classes\? It has: num_classes, "):
        build(num_clases=4, **THIN)
    with pytest.raises(ValueError, match=r"no argument 'zzz'\. It has: .*, input_scale, "):
        build(zzz=1, **THIN)


@pytest.mark.parametrize(
    ("net", "option"),
    [("fcn8s", {"context": "basic"}), ("context", {"stride": 16}), ("fcn8s", {"dtype": "x"})],
)
def test_what_another_net_has_is_refused(net: str, option: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"has no argument '{next(iter(option))}'"):
        fcn.build_model(net, **option, **THIN)


CHANNELS = {"block1_conv2": 3, "block4_conv3": 5, "fc6": 4, "fc7": 7}


@pytest.mark.parametrize(
    ("net", "options"),
    [
        ("fcn8s", {"channels": CHANNELS}),
        ("fcn16s", {"channels": CHANNELS, "geometry": "reference", "batch_normalization": True}),
        ("fcn8s_largefov", {"channels": CHANNELS}),
        ("context", {"channels": CHANNELS}),
        ("largefov", {"channels": CHANNELS, "geometry": "reference"}),
    ],
)
def test_single_layers_may_have_channels_of_their_own(
    net: str, options: dict[str, Any], tmp_path: Path
) -> None:
    built = fcn.build_model(net, num_classes=3, **THIN, **options)
    usual = fcn.build_model(net, num_classes=3, **THIN)
    for name in (*CONVOLUTION_CHANNELS, *FULLY_CONNECTED):
        assert built.get_layer(name).filters == CHANNELS.get(name, usual.get_layer(name).filters)
    assert built.get_config()["channels"] == CHANNELS
    built.save(tmp_path / "net.keras")
    loaded = fcn.load_model(tmp_path / "net.keras")
    assert loaded.get_config() == built.get_config()
    image = np.random.default_rng(0).uniform(0, 255, (1, 33, 40, 3))
    np.testing.assert_array_equal(loaded.predict(image, verbose=0), built.predict(image, verbose=0))


@pytest.mark.parametrize(
    ("channels", "message"),
    [
        ({"fc8": 3}, r"block1_conv1 to block5_conv3, fc6 and fc7, but there is no layer 'fc8'.*'fc8': 3"),
        ({"score_fr": 3}, "no layer 'score_fr'"),
        ({"fc6": 0}, "at least 1 as the `channels` of fc6.*0"),
        ({"fc6": 2.0}, "at least 1 as the `channels` of fc6"),
        ({"fc6": True}, "at least 1 as the `channels` of fc6"),
    ],
)
def test_channels_that_no_layer_can_have_are_refused(channels: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FCN(2, channels=channels, **THIN)


def test_arguments_fields_and_configurations_are_read_without_keras() -> None:
    code = "import sys, fcn.config.file, fcn.models.fields; print('keras' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
