"""Tests of the arguments of nets: written once, and refused where a net does not have them."""

import inspect
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest

import fcn
from fcn.config.sections import ModelConfig
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
    assert set(config) == {field.name for field in fields(kind)}
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


def test_arguments_fields_and_configurations_are_read_without_keras() -> None:
    code = "import sys, fcn.config.file, fcn.models.fields; print('keras' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
