"""Tests of building a net by its name."""

from typing import get_args

import pytest

from fcn.models.factory import NETS, build_model
from fcn.models.fcn import FCN
from fcn.sections import ModelConfig

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


def test_another_name_or_argument_is_refused() -> None:
    with pytest.raises(ValueError, match=r"fcn32s, fcn16s, fcn8s, fcn8s_at_once\. Received: net='fcn4s'"):
        build_model("fcn4s")
    with pytest.raises(ValueError, match="num_classes=0"):
        build_model("fcn8s", num_classes=0)
