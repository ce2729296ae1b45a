from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from fcn.config.file import Config
from fcn.config.sections import DataConfig, TrainConfig
from fcn.models.fcn import FCN
from fcn.training.compiling import compile_net

FROZEN = ("block1", "block2", "block3")


def operations_of_a_step(freeze: tuple[str, ...]) -> set[Any]:
    """The operations of the compiled training step of a thin net that TensorFlow runs."""
    net = FCN(num_classes=2, width=1 / 32, fc_channels=8)
    compile_net(net, Config(data=DataConfig(root=Path()), train=TrainConfig(freeze=freeze)), None)
    batch = tf.TensorSpec([1, 32, 32, 3]), tf.TensorSpec([1, 32, 32], tf.int32)
    graph = tf.function(net.train_step).get_concrete_function(batch).graph
    # The tape also records gradients that nothing reads; TensorFlow removes them before it runs a graph.
    needed, left = set(), [*graph.control_outputs, *(output.op for output in graph.outputs)]
    while left:
        operation = left.pop()
        if operation not in needed:
            needed.add(operation)
            left += [*operation.control_inputs, *(tensor.op for tensor in operation.inputs)]
    return needed


@pytest.fixture(scope="module")
def steps() -> tuple[set[Any], set[Any]]:
    return operations_of_a_step(()), operations_of_a_step(tuple(f"{block}_*" for block in FROZEN))


def test_frozen_blocks_cost_nothing_backward(steps: tuple[set[Any], set[Any]]) -> None:
    whole, frozen = (Counter(operation.type for operation in step) for step in steps)
    # The three blocks have seven convolutions; the first has no gradient of its input in any case. With
    # frozen blocks those of block4_conv1 and score_pool3, which read block 3, have none either.
    expected = {
        "Conv2DBackpropFilter": 7,
        "Conv2DBackpropInput": 8,
        "ReluGrad": 7,
        "MaxPoolGrad": 3,
        "ResourceApplyMomentum": 14,  # kernels and biases, each with its velocity
    }
    assert {name: whole[name] - frozen[name] for name in expected} == expected


def test_maps_of_frozen_blocks_are_not_kept_for_the_way_back(steps: tuple[set[Any], set[Any]]) -> None:
    # block3_pool is what block 4 and score_pool3 read, for the gradients of their kernels.
    whole, frozen = (
        {
            tensor.name
            for operation in step
            if "gradient_tape" in operation.name
            for tensor in operation.inputs
        }
        for step in steps
    )
    assert any("block1_conv1" in name for name in whole)
    assert {name.split("/")[1] for name in frozen if any(block in name for block in FROZEN)} == {
        "block3_pool_1"
    }
