"""Tests of nets built from configurations."""

from pathlib import Path

from fcn.classes import Classes
from fcn.config.file import Config
from fcn.config.sections import DataConfig, ModelConfig
from fcn.runs.configured_net import build_configured


def test_a_net_has_what_its_configuration_and_its_classes_say() -> None:
    model = ModelConfig(net="context", width=1 / 64, fc_channels=4, context="large", weights="never/read")
    config = Config(data=DataConfig(root=Path("data"), input_scale=0.5), model=model)
    net = build_configured(config, Classes.named(("ground", "cat")))
    assert (net.name, net.context, net.input_scale) == ("context", "large", 0.5)
    assert (net.class_names, net.get_layer("ctx_conv1_1").filters) == (("ground", "cat"), 4)
