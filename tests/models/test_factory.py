"""Tests of building a net by its name."""

from typing import get_args

import pytest

from fcn.config.sections import DILATED_NETS, ModelConfig
from fcn.models.dilated import DilatedNet
from fcn.models.factory import LARGEFOV_NETS, NETS, build_model
from fcn.models.fcn import FCN

THIN = {"width": 1 / 64, "fc_channels": 2}


@pytest.mark.parametrize(("name", "stride"), [("fcn32s", 32), ("fcn16s", 16), ("fcn8s", 8)])
def test_a_name_is_a_stride(name: str, stride: int) -> None:
    net = build_model(name, num_classes=2, upsampling="frozen", **THIN)
    assert isinstance(net, FCN)
    assert (net.name, net.stride, net.num_classes, net.upsampling) == (name, stride, 2, "frozen")


def test_the_names_and_the_default_are_those_of_the_configuration() -> None:
    field = ModelConfig.model_fields["net"]
    assert tuple(NETS) == get_args(field.annotation)
    assert build_model(num_classes=2, **THIN).name == field.default


def test_the_lists_of_nets_agree() -> None:
    kinds = {name: build_model(name, num_classes=2, **THIN) for name in NETS}
    assert [name for name, net in kinds.items() if isinstance(net, DilatedNet)] == list(DILATED_NETS)
    assert [name for name, net in kinds.items() if net.fc6 == "largefov"] == list(LARGEFOV_NETS)


def test_another_name_or_argument_is_refused() -> None:
    with pytest.raises(ValueError, match=r"fcn8s_at_once, .*largefov\. Received: net='fcn4s'"):
        build_model("fcn4s")
    with pytest.raises(ValueError, match="num_classes=0"):
        build_model("fcn8s", num_classes=0)
