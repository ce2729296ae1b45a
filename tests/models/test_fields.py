"""Tests of what an output pixel sees, against what changes when a pixel of the image does."""

from itertools import product

import numpy as np
import pytest
from net_kinds import NET_KINDS

from fcn.inference.tiling.memory import labeling_bytes
from fcn.models.architecture import REFLECTION_PADDING
from fcn.models.axis_operations import Sliding, Source, Span, Transposing, grids, seen_by, seen_by_neighbors
from fcn.models.dilated import DilatedNet
from fcn.models.factory import NETS, build_model
from fcn.models.fcn import FCN
from fcn.models.fields import COARSEST_STRIDE, NetDescription

LENGTH = 1216


def seeing(net: str, geometry: str, pixels: list[int]) -> list[tuple[int, int]]:
    """Returns the first and last row of the logits that change with each row of the image.

    Weights are positive and the image is black but for one row, so nothing that reaches an output cancels
    out, is cut by a ReLU, loses in a pooling or drowns in rounding: what is not 0 has seen it.
    """
    model = build_model(
        net, num_classes=1, width=1 / 64, fc_channels=1, geometry=geometry, mean=(0, 0, 0), scale=(1, 1, 1)
    )
    model.set_weights(
        [np.full(w.shape, 0.0 if w.ndim == 1 else w.shape[-1] / w.size) for w in model.get_weights()]
    )
    images = np.zeros((len(pixels), LENGTH, 1, 3), np.float32)
    images[np.arange(len(pixels)), pixels] = 255
    rows = [np.flatnonzero(logits[:, 0, 0]) for logits in model.predict_on_batch(images)]
    return [(int(seen[0]), int(seen[-1])) for seen in rows]


@pytest.mark.parametrize("geometry", ["same", "reference"])
@pytest.mark.parametrize("net", [net for net in NETS if net != "fcn8s_at_once"])
def test_no_output_sees_more_than_its_field_and_some_see_all_of_it(net: str, geometry: str) -> None:
    config = build_model(net, width=1 / 64, fc_channels=1, geometry=geometry).get_config()
    before, behind = NetDescription.from_config(config).halo()
    # Every phase of the coarsest grid; fewer where an image is padded to 200 columns, and takes long.
    step = 1 if geometry == "same" else 8
    pixels = [LENGTH // 2 + phase for phase in range(0, COARSEST_STRIDE, step)]
    found = seeing(net, geometry, pixels)
    assert all(first > 0 and last < LENGTH - 1 for first, last in found), "the image is too small to tell"
    above = max(pixel - first for pixel, (first, _) in zip(pixels, found, strict=True))
    below = max(last - pixel for pixel, (_, last) in zip(pixels, found, strict=True))
    assert behind - step < above <= behind
    assert before - step < below <= before


def test_what_elements_see_lies_around_their_grid() -> None:
    steps = (Sliding(3, 2, 1), Sliding(5, 1, 4, 2), Sliding(2, 2), Transposing(4, 2, 1))
    chart = [[], *([Source(index, step)] for index, step in enumerate(steps))]
    places = grids(chart)
    grid = places[-1]
    spans = seen_by_neighbors(chart, places, len(steps))
    first = min(span.first - element * grid.stride for element, span in enumerate(spans))
    last = max(span.last - element * grid.stride for element, span in enumerate(spans))
    assert (first + last) / 2 == grid.offset


def test_what_an_element_sees_by_hand() -> None:
    # Two 3x3 convolutions see 5 pixels; every second of them, and three of those, 9.
    steps = [Sliding(3, padding=1), Sliding(3, padding=1), Sliding(3, 2, 1), Sliding(padding=-1)]
    chart = [[], *([Source(index, step)] for index, step in enumerate(steps))]
    assert seen_by(chart, 2, 0) == Span(-2, 2)
    assert (seen_by(chart, 3, 0), seen_by(chart, 3, 1)) == (Span(-3, 3), Span(-1, 5))
    assert seen_by(chart, 4, 0) == Span(-1, 5)
    # Added to another map, an element sees what either sees.
    joined = [*chart[:3], [Source(0, Sliding(11, padding=9)), Source(2, Sliding())]]
    assert seen_by(joined, 3, 0) == Span(-9, 2)


HALOS = {None: {32: 233, 16: 241, 8: 245}, "none": {8: 197}, "basic": {8: 461}, "large": {8: 461}}


@pytest.mark.parametrize(("fc6", "geometry"), [*product(("full", "largefov"), ("same", "reference"))])
def test_halos_are_known_numbers(fc6: str, geometry: str) -> None:
    for context, halos in HALOS.items():
        for stride, halo in halos.items():
            description = NetDescription(stride, geometry, 1.0, 1.0, 21, fc6, context)
            assert description.halo() == (halo, halo), description


KNOWN_HALOS = {
    **{"fcn32s": 233, "half": 241, "fcn8s": 245, "normalized": 245},
    **{"fcn32s_reference": 233, "shrunk_reference": 241, "fcn8s_reference": 245},
    **{"largefov": 197, "context": 461, "context_reference": 461},
}


def test_halos_of_all_kinds_of_nets_are_known_numbers() -> None:
    assert KNOWN_HALOS.keys() == NET_KINDS.keys()
    for kind, options in NET_KINDS.items():
        build = DilatedNet if "context" in options else FCN
        net = build(num_classes=2, width=1 / 64, fc_channels=1, **options)
        assert NetDescription.from_config(net.get_config()).halo() == (KNOWN_HALOS[kind],) * 2, kind


def test_what_labeling_in_pieces_knows_comes_from_the_net() -> None:
    net = build_model("fcn16s", num_classes=4, width=1 / 64, fc_channels=2, input_scale=0.5)
    description = NetDescription.from_config(net.get_config())
    assert description == NetDescription(16, "same", 0.5, 1 / 64, 4, fc_channels=2)
    wide = description._replace(width=1.0)
    assert wide.map_bytes(320, 320) == 320**2 * 4 * (3 * 64 + 2 * 4)
    whole = wide._replace(input_scale=1.0)
    assert labeling_bytes(whole, 320, 320) == whole.map_bytes(320, 320) == wide.map_bytes(320, 320)
    assert wide.map_bytes(160, 160) < labeling_bytes(wide, 320, 320) < wide.map_bytes(320, 320)


def test_the_memory_of_a_net_follows_from_the_channels_of_its_layers() -> None:
    usual = NetDescription(8, "same", 1.0, 1.0, 21)
    named = {f"block{block}_conv{index}": 16 for block in (1, 2) for index in (1, 2)}
    config = usual._asdict() | {"channels": named | {"block1_conv2": 32}}
    few = NetDescription.from_config(config)
    assert few.halo() == usual.halo()
    # The image becomes 16 channels, these 32, of which two are kept; the scores are as before.
    assert few.map_bytes(320, 320) == 320**2 * 4 * (16 + 2 * 32 + 2 * 21)
    # Channels that are those of VGG16 anyway change nothing.
    same = NetDescription.from_config(usual._asdict() | {"channels": {"block1_conv1": 64, "fc7": 4096}})
    for size in ((320, 320), (1, 4000)):
        assert same.map_bytes(*size) == usual.map_bytes(*size)


def test_nets_that_were_written_before_there_were_others_are_fcns() -> None:
    old = {"stride": 8, "geometry": "same", "input_scale": 1.0, "width": 1.0, "num_classes": 21}
    assert NetDescription.from_config(old) == NetDescription(8, "same", 1.0, 1.0, 21)
    del old["stride"]
    with pytest.raises(KeyError, match="stride"):
        NetDescription.from_config(old)


def test_what_labeling_in_pieces_knows_of_nets_that_dilate() -> None:
    net = build_model("context", num_classes=4, width=1 / 64, fc_channels=2, context="large")
    description = NetDescription.from_config(net.get_config())
    assert description == NetDescription(8, "same", 1.0, 1 / 64, 4, "full", "large", 2)
    # With 255 classes most is taken by the last upsampling: its blocks, twice, its output, and what it reads
    # at a 64th of the size. Then the logits and their exponentials.
    many = NetDescription(8, "same", 1.0, 1.0, 255, "full", "large")
    for context in ("large", "basic"):
        found = many._replace(context=context).map_bytes(2**15, 2**15) / 2**30
        assert found == pytest.approx(4 * (3 * 255 + 255 / 64 + 2 * 255), rel=1e-3)


def test_a_row_of_pixels_takes_more_by_hand() -> None:
    fcn8s = NetDescription(8, "same", 1.0, 1.0, 21)
    assert fcn8s.map_bytes(320, 320) == 320**2 * 4 * (3 * 64 + 2 * 21)
    # fc6 gathers 49 patches of 512 channels, twice, from a map of a 32nd of the length.
    pool5, fc6 = 512, 4096
    assert fcn8s.map_bytes(1, 3200) == 4 * (100 * (pool5 + fc6 + 2 * 49 * 512) + 2 * 21 * 3200)
    # Of FCN-32s the last upsampling: two rows of blocks of 32 x 32, twice, and an output of 32 rows.
    fcn32s = fcn8s._replace(stride=32)
    blocks, output = 2 * 101 * 32 * 32, 32 * 3200
    assert fcn32s.map_bytes(1, 3200) == 4 * 21 * (100 + output + 2 * blocks + 2 * 3200)
    # Padding of 100 makes 199 rows of one; block1 is largest again.
    reference = fcn8s._replace(geometry="reference")
    assert reference.map_bytes(1, 3200) == 4 * (3 * 64 * 199 * 3398 + 2 * 21 * 3200)


def test_halos_of_nets_that_dilate_by_hand() -> None:
    def halo(geometry: str, fc6: str, context: str) -> int:
        before, behind = NetDescription(8, geometry, 1.0, 1.0, 21, fc6, context).halo()
        assert before == behind
        return before

    # fc6 sees 6 * 4 = 2 * 12 elements of stride 8 beyond the first, as 6 elements of stride 32 are.
    full = halo("same", "full", "none")
    assert halo("same", "largefov", "none") == full
    # 1 + 1 + 2 + 4 + 8 + 16 + 1 = 33 elements to each side: 67 of them.
    assert halo("same", "full", "basic") - full == 33 * 8
    # Five blocks and fc6, and what a 16x16 kernel that begins 4 outputs in front adds to each side.
    seen = 2 * 1 + 2 * 2 + 3 * 4 + 3 * 8 + 3 * 2 * 8 + 3 * 4 * 8
    assert seen == REFLECTION_PADDING
    assert full == seen + 11
    assert halo("reference", "full", "none") == full
