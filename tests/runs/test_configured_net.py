"""Tests of nets built from configurations."""

from pathlib import Path

from fcn.classes import Classes
from fcn.config.file import Config
from fcn.config.sections import DataConfig, ModelConfig
from fcn.runs.configured_net import build_configured


def test_a_net_has_what_its_configuration_and_its_classes_say() -> None:
    thin = {"width": 1 / 64, "fc_channels": 4}
    channels = {"block3_conv2": 7, "fc7": 5}
    options = {"context": "large", "input_scale": 0.5, "weights": "never/read", "channels": channels}
    model = ModelConfig(net="context", **options, **thin)
    config = Config(data=DataConfig(root=Path("data")), model=model)
    net = build_configured(config, Classes.named(("ground", "cat")))
    assert (net.name, net.context, net.input_scale) == ("context", "large", 0.5)
    filters = [net.get_layer(name).filters for name in ("block3_conv2", "block3_conv3", "fc6", "fc7")]
    assert filters == [7, 4, 4, 5]
    assert (net.class_names, net.get_layer("ctx_conv1_1").filters) == (("ground", "cat"), 4)
