"""Tests of labeling in windows: equal to labeling whole images, on every kind of net."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from net_kinds import randomize

from fcn.errors import RunError
from fcn.exports.export import export
from fcn.inference.engines.choose import open_engine
from fcn.inference.engines.engine import NetEngine
from fcn.inference.engines.exported import MODEL_ASSET
from fcn.inference.predictor import Predictor
from fcn.inference.tiling.memory import labeling_bytes, least_map_bytes
from fcn.inference.tiling.tiles import TiledEngine, tiled
from fcn.models.factory import AT_ONCE_SKIP_SCALES, build_model

KINDS: dict[str, dict[str, Any]] = {
    "fcn32s": {"stride": 32},
    "fcn16s": {"stride": 16},
    "fcn8s": {"stride": 8},
    "fcn8s_at_once": {"stride": 8, "skip_scales": AT_ONCE_SKIP_SCALES},
}


class Watched:
    """An engine that notes the sizes it is asked for; it still computes the net."""

    def __init__(self, engine: NetEngine) -> None:
        self.classes, self.name, self.precision = engine.classes, engine.name, engine.precision
        self.bits = engine.bits
        self.net, self.engine = engine.net, engine
        self.sizes: list[tuple[int, ...]] = []

    def label(self, images):
        self.sizes.append(images.shape)
        return self.engine.label(images)

    def logits(self, images):
        self.sizes.append(images.shape)
        return self.engine.logits(images)

    def shrunk_logits(self, images):
        self.sizes.append(images.shape)
        return self.engine.shrunk_logits(images)


def noise(*size: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)


def check(engine: NetEngine, images: np.ndarray, calls: int, side: int = 0) -> None:
    """Compares labels, confidences and logits in windows with those of the whole.

    Args:
        engine: The net.
        images: `uint8[B, H, W, 3]`.
        calls: Windows it should take.
        side: Of the windows; 0 for the smallest.
    """
    watched = Watched(engine)
    map_bytes = engine.net.map_bytes(side, side) if side else least_map_bytes(engine)
    windows = TiledEngine(watched, map_bytes)
    wanted, found = engine.logits(images), windows.logits(images)
    assert len(watched.sizes) == calls
    assert all(engine.net.map_bytes(height, width) <= map_bytes for _, height, width, _ in watched.sizes)
    deviation = wanted.std()
    assert deviation > 0.01
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4 * deviation)
    label, confidence = windows.label(images)
    assert (label.dtype, confidence.dtype) == (np.uint8, np.float32)
    np.testing.assert_allclose(confidence, engine.label(images).confidence, rtol=0, atol=1e-4)
    # Where two classes are as good as each other, rounding decides.
    best = np.take_along_axis(wanted, label[..., np.newaxis].astype(int), -1)[..., 0]
    np.testing.assert_allclose(best, wanted.max(axis=-1), rtol=0, atol=2e-4 * deviation)
    assert len(np.unique(label)) > 1


@pytest.mark.parametrize(
    ("kind", "geometry"),
    [
        ("fcn8s", "same"),
        ("fcn16s", "reference"),
        pytest.param("fcn8s", "reference", marks=pytest.mark.slow),
        pytest.param("fcn32s", "reference", marks=pytest.mark.slow),
        pytest.param("fcn8s_at_once", "same", marks=pytest.mark.slow),
        pytest.param("fcn8s_at_once", "reference", marks=pytest.mark.exhaustive),
        pytest.param("fcn16s", "same", marks=pytest.mark.exhaustive),
        pytest.param("fcn32s", "same", marks=pytest.mark.exhaustive),
    ],
)
def test_windows_of_rows_or_columns_equal_the_whole(kind: str, geometry: str, thin_net) -> None:
    engine = open_engine(thin_net(**KINDS[kind], geometry=geometry, width=1 / 64, fc_channels=8))
    # A window of 35 columns may have more rows than one of 544; padding makes narrow ones costly.
    # Those of a stride of 32 have fewer rows.
    length, breadth = (5757 if kind == "fcn32s" else 8757, 35) if geometry == "same" else (1411, 217)
    check(engine, noise(1, length, breadth), calls=2)
    check(engine, noise(1, breadth, length), calls=2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "geometry", "input_scale", "size"),
    [
        ("fcn8s", "same", 1.0, (689, 703)),
        ("fcn8s", "reference", 1.0, (701, 690)),
        ("fcn8s", "same", 0.5, (1383, 1401)),
        pytest.param("fcn8s_at_once", "same", 0.37, (1873, 1893), marks=pytest.mark.exhaustive),
        pytest.param("fcn16s", "same", 0.37, (1869, 1881), marks=pytest.mark.exhaustive),
        pytest.param("fcn32s", "reference", 0.37, (1875, 1887), marks=pytest.mark.exhaustive),
    ],
)
def test_corners_too_and_nets_that_make_images_smaller(
    kind: str, geometry: str, input_scale: float, size: tuple[int, int], thin_net
) -> None:
    options = {"geometry": geometry, "input_scale": input_scale, "width": 1 / 64, "fc_channels": 8}
    check(open_engine(thin_net(**KINDS[kind], **options)), noise(1, *size), calls=4, side=608)


@pytest.mark.parametrize(
    ("kind", "geometry", "size"),
    [
        ("frontend", "same", (459, 463)),
        pytest.param("largefov", "reference", (463, 459), marks=pytest.mark.slow),
        pytest.param("context", "same", (971, 975), marks=pytest.mark.exhaustive),
        pytest.param("context", "reference", (975, 971), marks=pytest.mark.slow),
        pytest.param("fcn8s_largefov", "same", (555, 559), marks=pytest.mark.slow),
    ],
)
def test_nets_with_dilated_layers_are_cut_too(kind: str, geometry: str, size: tuple[int, int]) -> None:
    net = build_model(kind, num_classes=3, width=1 / 64, fc_channels=8, geometry=geometry)
    randomize(net)
    check(open_engine(net), noise(1, *size), calls=4)


@pytest.mark.slow
@pytest.mark.parametrize("input_scale", [1.0, pytest.param(0.5, marks=pytest.mark.exhaustive)])
def test_windows_equal_the_whole_in_openvino(input_scale: float, thin_net, tmp_path: Path) -> None:
    net = thin_net(8, width=1 / 64, fc_channels=8, input_scale=input_scale)
    version = export(net, tmp_path / "exported", ["openvino"])
    for model in (net, version):
        check(open_engine(model, "openvino"), noise(1, *(round(692 / input_scale),) * 2), calls=4, side=608)


def test_small_images_and_batches_of_them_pass_as_they_are(net) -> None:
    watched = Watched(open_engine(net))
    engine = TiledEngine(watched, least_map_bytes(watched))
    images = noise(3, 40, 57)
    np.testing.assert_array_equal(engine.label(images).label, watched.engine.label(images).label)
    np.testing.assert_array_equal(engine.logits(images), watched.engine.logits(images))
    assert watched.sizes == [images.shape] * 2


@pytest.mark.slow
def test_a_batch_that_is_too_large_passes_in_parts(net) -> None:
    watched = Watched(open_engine(net))
    images = noise(5, 400, 450)
    engine = TiledEngine(watched, 2 * labeling_bytes(open_engine(net).net, 400, 450))
    np.testing.assert_array_equal(engine.label(images).label, watched.engine.label(images).label)
    assert engine.logits(images).shape == (5, 400, 450, 3)
    assert watched.sizes == [(2, 400, 450, 3), (2, 400, 450, 3), (1, 400, 450, 3)] * 2


def test_memory_that_is_too_little_is_refused(net) -> None:
    engine = open_engine(net)
    with pytest.raises(ValueError, match=r"Expected `map_bytes` of at least [\d,]+ for this net"):
        TiledEngine(engine, least_map_bytes(engine) - 1)
    for gigabytes in (0, -1, 2.5, float("nan")):
        with pytest.raises(ValueError, match=rf"Expected `memory_gigabytes` .*Received: {gigabytes}"):
            Predictor(net, memory_gigabytes=gigabytes)


@pytest.mark.slow
@pytest.mark.parametrize("input_scale", [0.5, pytest.param(1.0, marks=pytest.mark.exhaustive)])
def test_an_exported_net_knows_how_to_be_cut(input_scale: float, thin_net, tmp_path: Path) -> None:
    net = thin_net(32, width=1 / 64, fc_channels=4, input_scale=input_scale)
    version = export(net, tmp_path / "exported")
    engine = open_engine(version)
    assert engine.net == open_engine(net).net
    side = round(694 / input_scale)
    check(engine, noise(1, side, side), calls=4, side=608)
    # As exports were written before: whole images are labeled, but not large ones.
    (version / "assets" / MODEL_ASSET).unlink()
    older = Predictor(version, memory_gigabytes=tiled_least(open_engine(version)))
    assert older.predict(noise(40, 50)).label.shape == (40, 50)
    with pytest.raises(RunError, match=f"{version}: .*700 x 600 pixels .*Export it again"):
        older.predict(noise(600, 700))


def tiled_least(engine: NetEngine) -> float:
    """Returns the least memory, in gigabytes, that is not refused."""
    with pytest.raises(ValueError, match="at least") as caught:
        tiled(engine, 0)
    return float(str(caught.value).split("at least ")[1].split(" ")[0]) + 0.01
