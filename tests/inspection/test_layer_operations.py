"""Tests of what layers read of the image, against gradients on random nets."""

from fractions import Fraction

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from fcn.inspection.facts import charts, inspect_model
from fcn.inspection.graph import read_graph
from fcn.inspection.layer_operations import steps_of
from fcn.models.axis_operations import seen_by
from fcn.models.factory import NETS, build_model
from fcn.models.fields import COARSEST_STRIDE, NetDescription
from fcn.models.reflection import ReflectionPadding
from fcn.models.resizing import Shrink

layers = keras.layers

# Nothing that reaches an output cancels out where all weights are positive.
POSITIVE = {"kernel_initializer": "ones", "use_bias": False}
PADDINGS = st.sampled_from(["same", "valid"])
SMALL, FACTOR = st.integers(1, 3), st.integers(1, 2)


def computes_dilated_transposed() -> bool:
    """Returns whether TensorFlow has a kernel for dilated transposed convolutions on this processor."""
    try:
        layers.Conv2DTranspose(1, 2, dilation_rate=2)(tf.ones((1, 4, 4, 1)))
    except tf.errors.InvalidArgumentError:  # those of oneDNN are used on some processors alone
        return False
    return True


TRANSPOSED_DILATION = SMALL if computes_dilated_transposed() else st.just(1)
KINDS = st.one_of(
    st.builds(
        lambda k, s, p: layers.Conv2D(1, k, s, p, **POSITIVE), st.tuples(SMALL, SMALL), SMALL, PADDINGS
    ),
    st.builds(lambda k, d, p: layers.Conv2D(1, k, 1, p, dilation_rate=d, **POSITIVE), SMALL, SMALL, PADDINGS),
    st.builds(
        lambda k, d, p: layers.DepthwiseConv2D(
            k, 1, p, dilation_rate=d, depthwise_initializer="ones", use_bias=False
        ),
        *(SMALL, SMALL, PADDINGS),
    ),
    st.builds(
        lambda k, d, p: layers.Conv2DTranspose(1, k, 1, p, dilation_rate=d, **POSITIVE),
        *(SMALL, TRANSPOSED_DILATION, PADDINGS),
    ),
    st.builds(lambda s, p: layers.AveragePooling2D(s, padding=p), st.integers(2, 3), PADDINGS),
    st.builds(
        lambda k, s, p: layers.Conv2DTranspose(1, k + s - 1, s, p, **POSITIVE), SMALL, FACTOR, PADDINGS
    ),
    st.builds(lambda a, b: layers.ZeroPadding2D(((a, 1), (b, 0))), SMALL, SMALL),
    st.builds(lambda a, b: layers.Cropping2D(((a, 0), (b, 1))), SMALL, SMALL),
    st.builds(ReflectionPadding, SMALL),
    st.builds(lambda s: layers.UpSampling2D(s, interpolation="bilinear"), FACTOR),
    st.builds(lambda s: layers.UpSampling2D(s), FACTOR),
)
CUTTING = (layers.ZeroPadding2D, layers.Cropping2D, ReflectionPadding)
KEEPING_PLACES = (layers.Conv2D, layers.DepthwiseConv2D, layers.AveragePooling2D, *CUTTING)
PUBLISHED = ("fcn32s", "fcn8s", "context")


def chained(stack: list[keras.layers.Layer], scale: float, joint: type[keras.layers.Layer] | None):
    """Returns a net of copies of these layers; those that keep the size get a skip around them."""
    images = keras.Input((None, None, 1))
    x = images if scale == 1 else Shrink(scale)(images)
    for number, layer in enumerate(stack):
        before, x = x, type(layer).from_config(layer.get_config() | {"name": f"layer{number}"})(x)
        if joint and isinstance(layer, layers.Conv2D) and layer.padding == "same" and layer.strides == (1, 1):
            x = joint()([before, x])
    return keras.Model(images, x)


def gradient_hulls(model, size: tuple[int, int], elements: list[tuple[int, int]]) -> np.ndarray:
    """Returns the first and last row and column with a gradient of each element: `int[elements, 2, 2]`."""
    chosen = [(number, *element) for number, element in enumerate(elements)]

    # In a graph: outside, TensorFlow also computes the gradients of the weights, and dies of some.
    @tf.function
    def gradients(images: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(images)
            answer = tf.gather_nd(model(images, training=False), chosen)
        return tape.gradient(answer, images)

    found = np.abs(gradients(tf.ones((len(elements), *size, 1)))[..., 0])
    hulls = []
    for gradient in found:
        seen = [
            np.flatnonzero(one > 1e-6 * one.max()) for one in (gradient.sum(axis=1), gradient.sum(axis=0))
        ]
        hulls.append([(one[0], one[-1]) for one in seen])
    return np.array(hulls)


@pytest.mark.slow
@settings(max_examples=15)
@given(
    scale=st.sampled_from([1, 0.5, 0.75]),
    stack=st.lists(KINDS, min_size=1, max_size=3),
    joint=st.sampled_from([None, layers.Add, layers.Concatenate]),
    size=st.tuples(st.integers(25, 30), st.integers(25, 30)),
)
def test_fields_are_those_that_gradients_show(scale, stack, joint, size) -> None:
    # Multiples of 4 become smaller by exactly these scales, with no weight so small that rounding hides it.
    size = (4 * size[0], 4 * size[1])
    model = chained(stack, scale, joint)
    *_, facts = inspect_model(model, size).layers
    rows, columns = facts.output_shape[1:3]
    assert (rows, columns) == tuple(model(tf.ones((1, *size, 1))).shape[1:3])
    if min(rows, columns) < 8:
        return
    plain = scale == 1 and not joint and all(isinstance(layer, KEEPING_PLACES) for layer in stack)
    by_axis = charts(read_graph(model, size), 2)
    # A few neighbors in the middle, far from what the borders change.
    elements = [(rows // 2 + phase, columns // 2 + phase) for phase in range(3)]
    for element, hull in zip(elements, gradient_hulls(model, size, elements), strict=True):
        for chart, place, seen, field in zip(by_axis, element, hull, facts.fields, strict=True):
            assert seen_by(chart, len(chart) - 1, place) == tuple(seen)
            assert seen[1] - seen[0] + 1 <= field.size
            if plain:  # an output of an upsampling does not lie in the middle of the few inputs it meets
                assert Fraction(int(sum(seen)), 2) == field.center + place * field.stride


@pytest.mark.parametrize(
    ("net", "geometry"),
    [*((net, "same") for net in NETS if net != "fcn8s_at_once"), *((net, "reference") for net in PUBLISHED)],
)
def test_nets_see_what_their_halo_says(net: str, geometry: str) -> None:
    # `fcn.models.fields` derives it from the arguments, here it follows from the layers.
    model = build_model(net, num_classes=2, width=1 / 64, fc_channels=1, geometry=geometry)
    before, behind = NetDescription.from_config(model.get_config()).halo()
    rows, columns = charts(read_graph(model, (64, 96)), 2)
    for chart in (rows, columns):
        seen = [seen_by(chart, len(chart) - 1, place) for place in range(COARSEST_STRIDE)]
        assert max(place - span.first for place, span in enumerate(seen)) == before
        assert max(span.last - place for place, span in enumerate(seen)) == behind


def test_a_maximum_reads_what_an_average_reads() -> None:
    shapes = [(1, 9, 12, 1)], (1, 4, 6, 1)
    largest, mean = layers.MaxPooling2D((3, 2), 2), layers.AveragePooling2D((3, 2), 2)
    assert steps_of(largest, *shapes) == steps_of(mean, *shapes) != steps_of(layers.ReLU(), *shapes)


def test_causal_convolutions_read_what_gradients_show() -> None:
    images = keras.Input((40, 1))
    x = layers.Conv1D(1, 3, padding="causal", dilation_rate=4, **POSITIVE)(images)
    model = keras.Model(images, layers.Conv1D(1, 2, 2, padding="causal", **POSITIVE)(x))
    with tf.GradientTape() as tape:
        pixels = tf.Variable(tf.ones((1, 40, 1)))
        answer = model(pixels)[0, 10, 0]
    seen = np.flatnonzero(tape.gradient(answer, pixels)[0, :, 0])
    (chart,) = charts(read_graph(model, (40,)), 1)
    assert seen_by(chart, len(chart) - 1, 10) == (seen[0], seen[-1]) == (11, 20)


@pytest.mark.parametrize(
    "join", [keras.ops.add, lambda a, b: a - b, keras.ops.multiply, lambda a, b: a / b, keras.ops.maximum]
)
def test_operations_on_two_maps_join_them_place_by_place(join) -> None:
    images = keras.Input((None, None, 2))
    x = layers.Conv2D(2, 3, padding="same")(images)
    facts = inspect_model(keras.Model(images, join(x, images) * 2.0), (9, 8)).layers[-1]
    assert [(field.size, field.first) for field in facts.fields] == [(3, -1)] * 2
    assert facts.multiply_adds == 0
