import keras
import pytest

from fcn.errors import ConfigError
from fcn.models.fcn import FCN
from fcn.training.patterns import check_multipliers, freeze, multiplier, variable_key


def thin(**options: object) -> FCN:
    return FCN(num_classes=2, width=1 / 32, fc_channels=8, **options)


def test_keys_name_layer_and_variable_however_the_net_was_built() -> None:
    net = thin(batch_normalization=True, upsampling="frozen")
    again = FCN.from_config(net.get_config())
    for each in (net, again, keras.Sequential([keras.Input((9, 9, 3)), net])):
        keys = [variable_key(variable) for variable in each.variables]
        assert keys[:3] == ["block1_conv1/kernel", "block1_conv1_bn/gamma", "block1_conv1_bn/beta"]
        assert "score_pool4/bias" in keys


def test_all_patterns_that_fit_are_multiplied() -> None:
    factors = {"*/bias": 2.0, "score_*": 10.0, "score_fr/kernel": 0.5}
    assert multiplier("score_fr/bias", factors) == 20.0
    assert multiplier("score_fr/kernel", factors) == 5.0
    assert multiplier("fc7/kernel", factors) == 1.0
    assert multiplier("SCORE_fr/kernel", factors) == 1.0


def test_a_multiplier_without_a_variable_is_refused() -> None:
    net = thin(stride=32)
    check_multipliers(["*/bias", "score_*"], net)
    with pytest.raises(ConfigError, match=r"'score_pool4/\*' fits no variable .* score_fr/bias"):
        check_multipliers(["*/bias", "score_pool4/*"], net)


def test_a_multiplier_of_frozen_variables_only_is_refused() -> None:
    with pytest.raises(ConfigError, match="upscore"):
        check_multipliers(["upscore*"], thin(upsampling="frozen"))


def test_frozen_layers_are_not_trained() -> None:
    net = thin(batch_normalization=True)
    names = freeze(net, ["block1_conv1*", "fc7"])
    assert names == ("block1_conv1", "block1_conv1_bn", "fc7")
    left = {variable_key(variable) for variable in net.trainable_variables}
    assert not left & {"block1_conv1/kernel", "block1_conv1_bn/gamma", "block1_conv1_bn/beta", "fc7/kernel"}
    assert {"block1_conv2/kernel", "fc7_bn/gamma", "upscore8/kernel"} <= left


def test_frozen_batch_normalization_keeps_its_statistics(rng) -> None:
    net = thin(batch_normalization=True)
    freeze(net, ["block1_*"])
    before = [variable.numpy() for variable in net.get_layer("block1_conv1_bn").variables]
    other = net.get_layer("block2_conv1_bn").moving_mean.numpy()
    net(rng.uniform(0, 255, (2, 16, 16, 3)).astype("float32"), training=True)
    for array, variable in zip(before, net.get_layer("block1_conv1_bn").variables, strict=True):
        assert (array == variable.numpy()).all()
    assert (other != net.get_layer("block2_conv1_bn").moving_mean.numpy()).any()


def test_frozen_upsampling_stays_frozen() -> None:
    net = thin(upsampling="frozen")
    assert freeze(net, ["block1_conv1"]) == ("block1_conv1",)
    assert not net.get_layer("upscore8").trainable
    assert freeze(net, ()) == ()


@pytest.mark.parametrize("pattern", ["block9_*", "fc6_relu", "fc6/kernel"])
def test_a_freeze_without_a_layer_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigError, match=r"fits no layer with weights.*score_fr"):
        freeze(thin(), ["fc6", pattern])


def test_something_must_be_left_to_train() -> None:
    with pytest.raises(ConfigError, match="nothing to train"):
        freeze(thin(), ["*"])
