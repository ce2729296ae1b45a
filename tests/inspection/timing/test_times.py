"""Tests of which operation belongs to which layer, by hand."""

import keras
import pytest

from fcn.inspection.graph import Node, read_graph
from fcn.inspection.timing.passes import Operation, Pass
from fcn.inspection.timing.peak import CONVOLUTION, GFLOP, MATRIX_PRODUCT, find_peak
from fcn.inspection.timing.text import time_cells, time_lines
from fcn.inspection.timing.times import Times, find_layer_times, other_seconds

layers = keras.layers
CONV_GFLOP = 2 * 8 * 6 * 9 * 3 * 4 / 1e9


@pytest.fixture(scope="module")
def nodes() -> list[Node]:
    """A convolution, its activation, a skip around a pooling, their sum, and what training needs."""
    image = keras.Input((8, 6, 3), name="image")
    maps = layers.ReLU(name="relu")(layers.Conv2D(4, 3, padding="same", name="conv_1")(image))
    pooled = layers.MaxPooling2D(1, name="pool")(maps)
    summed = layers.Add(name="sum")([layers.Dropout(0.5, name="dropout")(pooled), maps])
    return read_graph(keras.Model(image, layers.Conv2D(4, 1, name="conv_2")(summed)), (8, 6))


def passes(*times: dict[str, float]) -> list[Pass]:
    """Passes of operations: several names of one are separated by commas."""
    return [
        Pass(1.0, tuple(Operation(tuple(names.split(",")), seconds) for names, seconds in found.items()))
        for found in times
    ]


def test_operations_of_a_layer_add_up_and_the_median_of_passes_counts(nodes: list[Node]) -> None:
    one = {"conv_1/pad": 0.1, "net/conv_1/conv": 0.2, "relu/max": 0.1, "pool/max": 0.1, "conv_2/x": 0.3}
    slow = dict.fromkeys(one, 9.0)
    found = find_layer_times(nodes, passes(one, slow, one))
    assert found["conv_1"].seconds == pytest.approx(0.3)
    assert found["conv_1"].gflop == pytest.approx(CONV_GFLOP)
    assert [found[name].seconds for name in ("image", "dropout")] == [0, 0]
    assert [found[name].within for name in ("image", "dropout", "relu")] == [None] * 3
    # No operation of its own: it is a part of the one in front of it.
    assert found["sum"].within == "pool"


def test_an_operation_of_several_layers_is_that_of_the_one_with_most_work(nodes: list[Node]) -> None:
    fused = {"conv_1,relu": 0.4, "pool": 0.1, "sum/add,conv_2": 0.2}
    found = find_layer_times(nodes, passes(fused))
    assert (found["conv_1"].seconds, found["relu"].within) == (0.4, "conv_1")
    assert (found["conv_2"].seconds, found["sum"].within) == (0.2, "conv_2")
    # Its work is that of all of them; an activation and a sum add up no products.
    assert found["conv_1"].gflop == pytest.approx(CONV_GFLOP)


def test_an_operation_may_have_the_name_of_the_last_of_its_layers(nodes: list[Node]) -> None:
    found = find_layer_times(nodes, passes({"relu/Relu": 0.4, "pool": 0.1, "sum": 0.1, "conv_2": 0.1}))
    assert (found["conv_1"].seconds, found["conv_1"].gflop) == (0.4, pytest.approx(CONV_GFLOP))
    assert found["relu"].within == "conv_1"


def test_what_a_layer_does_with_its_weights_is_a_part_of_it(nodes: list[Node]) -> None:
    """The convolution itself has the name of the activation, and only its kernel is read in front of it."""
    operations = (
        Operation(("conv_1/read",), 0.1, "ReadVariableOp"),
        Operation(("relu/Relu",), 0.4, "_FusedConv2D"),
        Operation(("pool",), 0.1, "MaxPool"),
        Operation(("sum",), 0.1, "AddV2"),
        Operation(("conv_2",), 0.2, "Conv2D"),
    )
    found = find_layer_times(nodes, [Pass(1.0, operations)])
    assert found["conv_1"].seconds == pytest.approx(0.5)
    assert found["conv_1"].gflop == pytest.approx(CONV_GFLOP)
    assert found["relu"].within == "conv_1"
    assert (found["conv_2"].seconds, found["sum"].seconds) == (0.2, 0.1)


def test_a_sum_may_multiply_for_a_convolution_in_front_of_it() -> None:
    image = keras.Input((8, 6, 3), name="image")
    branches = [layers.Conv2D(4, 3, padding="same", name=f"branch_{name}")(image) for name in "ab"]
    nodes = read_graph(keras.Model(image, layers.Add(name="sum")(branches)), (8, 6))
    operations = (Operation(("branch_a",), 0.3, "Conv2D"), Operation(("sum",), 0.4, "_FusedConv2D"))
    found = find_layer_times(nodes, [Pass(1.0, operations)])
    assert [found[name].seconds for name in ("branch_a", "branch_b", "sum")] == [0.3, 0.4, 0]
    assert found["sum"].within == "branch_b"


def test_scopes_with_numbers_are_those_of_their_layers(nodes: list[Node]) -> None:
    found = find_layer_times(nodes, passes({"conv_1_1/conv": 0.4, "conv_2_3": 0.2, "relu_12/Relu": 0.1}))
    assert [found[name].seconds for name in ("conv_1", "conv_2", "relu")] == [0.4, 0.2, 0.1]
    assert other_seconds(nodes, passes({"conv_1_1_1/conv": 0.4, "argmax": 0.2})) == pytest.approx(0.6)


def test_text_of_times(nodes: list[Node]) -> None:
    found = find_layer_times(nodes, passes({"conv_1,relu": 0.0004, "conv_2": 0.0001, "argmax": 0.0002}))
    times = Times("openvino", "int8", 3, 0.001, 0.0002, 0.1, CONVOLUTION, found)
    # 2 * 8 * 6 * 9 * 3 * 4 operations in 0.4 ms are 0.02592 of 0.1 GFLOP/s.
    assert time_cells(times, "conv_1") == ("0.400", "25.9%")
    assert time_cells(times, "relu") == ("with conv_1", "")
    assert time_cells(times, "image") == ("0", "")
    lines = dict(time_lines(times, 0.00002))
    assert lines["in layers"] == "0.500 ms, 50.0%"
    assert lines["in other operations"] == "0.200 ms, 20.0%"
    assert lines["between operations"] == "0.300 ms, 30.0%"
    assert lines["whole net"] == "20.0% of the peak"


def test_the_peak_is_the_fastest_pass() -> None:
    slow, fast = passes({"conv": 2.0, "reorder": 0.5}, {"conv": 1.0, "reorder": 0.5})
    product = passes({"matmul": 0.5})
    assert find_peak({CONVOLUTION: [slow, fast], MATRIX_PRODUCT: product}) == (
        GFLOP[CONVOLUTION],
        CONVOLUTION,
    )
    assert find_peak({MATRIX_PRODUCT: product, CONVOLUTION: [slow]}).product == MATRIX_PRODUCT
