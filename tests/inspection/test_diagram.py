"""Tests of the diagrams, by hand."""

import keras

from fcn.inspection.diagram import diagram_figure, diagrams, pattern
from fcn.inspection.facts import inspect_model
from fcn.models.axis_operations import Sliding, Transposing
from fcn.pages.render import render

layers = keras.layers


def test_patterns_by_hand() -> None:
    assert pattern(Sliding(3, dilation_rate=2)) == (True, False, True, False, True)
    # In front of output 0 there is padding: outputs 1 and 2 of a 4-tap kernel meet inputs 2 apart.
    assert pattern(Transposing(4, 2, 1), 1) == (False, True, False, True)
    assert pattern(Transposing(4, 2, 1), 2) == (True, False, True, False)
    assert pattern(Transposing(3), 7) == (True, True, True)
    assert pattern(Transposing(1, 3), 1) == (False,)


def test_layers_that_are_alike_share_a_diagram() -> None:
    stack = [
        layers.Conv2D(1, 3, padding="same"),
        layers.Conv2D(1, 3, dilation_rate=4, name="one"),
        layers.Conv2D(1, 3, dilation_rate=4, padding="same", name="two"),
        layers.Conv2D(1, (3, 1), dilation_rate=(2, 1), name="rows"),
        layers.Conv2DTranspose(1, 3, 2, name="up"),
    ]
    found = diagrams(inspect_model(keras.Sequential([keras.Input((None, None, 1)), *stack]), (30, 30)))
    assert [diagram.layers for diagram in found] == [("one", "two"), ("rows",), ("up",)]
    assert found[0].title == "3x3, dilated by 4"
    assert found[0].note == "9 of 81 inputs reach an output"
    assert found[0].line() == "●···●···●"
    assert [len(axis) for axis in found[1].patterns] == [5, 1]
    assert found[2].title == "3x3 transposed, strides 2"
    assert found[2].note == "1 to 4 inputs, spread 2 apart, reach an output"
    assert found[2].line() == "●·●"


def test_a_figure_has_a_square_for_each_place() -> None:
    net = keras.Sequential([keras.Input((None, None, 1)), layers.Conv2D(1, 3, dilation_rate=2)])
    (diagram,) = diagrams(inspect_model(net, (9, 9)))
    figure = render("diagram.html", diagram=diagram_figure(diagram))
    left, taps = figure.split('class="tap"')
    assert (left.count("M"), taps.count("M")) == (16, 9)


def test_a_net_of_one_axis_has_a_row() -> None:
    net = keras.Sequential([keras.Input((None, 1)), layers.Conv1D(1, 2, dilation_rate=8, name="dilated")])
    (diagram,) = diagrams(inspect_model(net, (30,)))
    assert diagram.line() == "●·······●"
    assert diagram_figure(diagram).empty.count("M") == 7
