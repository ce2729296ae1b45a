"""Tests that every engine computes the confidence of a calibrated net, and no other label than before."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fcn.exports.formats.litert import write_litert
from fcn.exports.formats.onnx import write_onnx
from fcn.inference.engines.choose import open_engine
from fcn.inference.engines.engine import NetEngine
from fcn.inference.engines.exported import classes_document, exported_net
from fcn.inference.engines.litert import LiteRtEngine
from fcn.inference.engines.onnx import OnnxEngine
from fcn.inference.predictor import Predictor
from fcn.inference.tiling.memory import least_map_bytes
from fcn.inference.tiling.tiles import TiledEngine
from fcn.inference.views import MultiScaleEngine, Views
from fcn.models.fcn import FCN
from fcn.outputs.probabilities import Floats, softmax
from fcn.outputs.temperature import Temperatures

VALUES = {"one": (1.8,), "per class": (0.5, 1.8, 4.0)}
IMAGES = np.random.default_rng(0).integers(0, 256, (2, 40, 57, 3), np.uint8)


def expected(logits: Floats, values: tuple[float, ...]) -> Floats:
    """Returns confidences, one pixel's scores divided by the temperature of its best class."""
    chosen = np.array(values * (3 // len(values)))[logits.argmax(axis=-1)]
    powers = np.exp((logits - logits.max(axis=-1, keepdims=True)) / chosen[..., np.newaxis])
    return 1 / powers.sum(axis=-1)


@pytest.fixture(scope="module")
def plain(thin_net: Callable[..., FCN]) -> NetEngine:
    """The engine of the same net without temperatures."""
    return open_engine(thin_net(), "tensorflow")


def check(engine: NetEngine, plain: NetEngine, values: tuple[float, ...]) -> None:
    found, before = engine.label(IMAGES), plain.label(IMAGES)
    logits = plain.logits(IMAGES)
    np.testing.assert_array_equal(found.label, before.label)
    assert len(np.unique(found.label)) > 1
    np.testing.assert_allclose(before.confidence, softmax(logits).max(axis=-1), rtol=1e-3)
    np.testing.assert_allclose(found.confidence, expected(logits, values), rtol=1e-3)
    assert (found.confidence.dtype, found.confidence.shape) == (np.float32, (2, 40, 57))
    np.testing.assert_allclose(engine.logits(IMAGES), logits, rtol=0, atol=1e-4 * np.abs(logits).max())


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("tensorflow", "per class"),
        ("openvino", "one"),
        pytest.param("tensorflow", "one", marks=pytest.mark.exhaustive),
        pytest.param("openvino", "per class", marks=pytest.mark.exhaustive),
    ],
)
def test_nets(name: str, kind: str, plain: NetEngine, thin_net: Callable[..., FCN]) -> None:
    check(open_engine(thin_net(temperatures=VALUES[kind]), name), plain, VALUES[kind])


@pytest.mark.parametrize("name", ["onnx", "litert"])
def test_formats(name: str, plain: NetEngine, thin_net: Callable[..., FCN], tmp_path: Path) -> None:
    """The same file serves both: its description has the temperatures."""
    write, kind = {"onnx": (write_onnx, OnnxEngine), "litert": (write_litert, LiteRtEngine)}[name]
    net = thin_net()
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "classes.json").write_text(json.dumps(classes_document(net.classes)))
    write(net, tmp_path)
    for values in VALUES.values():
        net.temperatures = values
        (tmp_path / "assets" / "model.json").write_text(json.dumps(net.get_config()))
        description = exported_net(tmp_path)
        assert description is not None
        assert description.temperatures == values
        check(kind(tmp_path), plain, values)


@pytest.mark.exhaustive
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends(backend: str, thin_net: Callable[..., FCN], tmp_path: Path) -> None:
    pytest.importorskip(backend)
    thin_net().save(tmp_path / "plain.keras")
    thin_net(temperatures=VALUES["per class"]).save(tmp_path / "calibrated.keras")
    np.save(tmp_path / "images.npy", IMAGES)
    program = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from fcn.inference.engines.choose import open_engine\n"
        "folder = Path(sys.argv[1]); images = np.load(folder / 'images.npy')\n"
        "for name in ('plain', 'calibrated'):\n"
        "    engine = open_engine(folder / f'{name}.keras')\n"
        "    logits = engine.logits(images) if name == 'plain' else ()\n"
        "    np.savez(folder / name, logits, *engine.label(images), np.array(engine.name))\n"
    )
    # Programs of JAX that run once need not be optimized.
    environment = os.environ | {
        "KERAS_BACKEND": backend,
        "XLA_FLAGS": "--xla_backend_optimization_level=0",
    }
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, env=environment)
    logits, label, confidence, name = np.load(tmp_path / "plain.npz").values()
    assert name == backend
    np.testing.assert_allclose(confidence, softmax(logits).max(axis=-1), rtol=1e-5)
    _, own, found, _ = np.load(tmp_path / "calibrated.npz").values()
    np.testing.assert_array_equal(own, label)
    np.testing.assert_allclose(found, expected(logits, VALUES["per class"]), rtol=1e-4)


@pytest.mark.slow
def test_windows(thin_net: Callable[..., FCN]) -> None:
    """Of a net with an `input_scale`, the confidence in windows follows from enlarged logits."""
    values = VALUES["per class"]
    engine = open_engine(thin_net(stride=32, input_scale=0.5, temperatures=values), "tensorflow")
    image = np.random.default_rng(1).integers(0, 256, (700, 700, 3), np.uint8)[np.newaxis]
    windows = TiledEngine(engine, least_map_bytes(engine))
    assert windows.is_large(image[0])
    found, logits = windows.label(image), engine.logits(image)
    same = found.label == logits.argmax(axis=-1)
    assert same.mean() > 0.999
    np.testing.assert_allclose(found.confidence[same], expected(logits, values)[same], atol=1e-4)


def test_averages_over_views_are_of_probabilities_without_temperatures(
    plain: NetEngine, thin_net: Callable[..., FCN]
) -> None:
    views, values = Views(flip=True, scales=(0.75, 1.0)), VALUES["per class"]
    tiled = TiledEngine(open_engine(thin_net(temperatures=values), "tensorflow"), 1 << 30)
    averaged, before = MultiScaleEngine(tiled, views), MultiScaleEngine(plain, views)
    np.testing.assert_array_equal(averaged.label(IMAGES).label, before.label(IMAGES).label)
    logits = before.logits(IMAGES)
    np.testing.assert_array_equal(averaged.logits(IMAGES), logits)
    np.testing.assert_allclose(averaged.label(IMAGES).confidence, expected(logits, values), rtol=1e-4)


def test_a_prediction_says_the_same_with_and_without_scores(
    plain: NetEngine, thin_net: Callable[..., FCN]
) -> None:
    predictor = Predictor(thin_net(temperatures=VALUES["per class"]))
    assert predictor.temperatures is not None
    assert predictor.temperatures.values == VALUES["per class"]
    labeled, scored = predictor.predict(IMAGES[0]), predictor.predict(IMAGES[0], with_logits=True)
    assert scored.mean_confidence == pytest.approx(labeled.mean_confidence, rel=1e-5)
    assert np.abs(scored.uncertainty.astype(int) - labeled.uncertainty).max() <= 1
    assert scored.doubtful == pytest.approx(labeled.doubtful, abs=0.01)
    logits = plain.logits(IMAGES[:1])[0]
    np.testing.assert_array_equal(scored.scores(), logits)
    temperatures = Temperatures(VALUES["per class"])
    np.testing.assert_array_equal(predictor.probabilities(IMAGES[0]), softmax(logits, temperatures))


def test_a_net_that_is_not_calibrated_is_described_as_before(thin_net: Callable[..., FCN]) -> None:
    assert "temperatures" not in thin_net().get_config()
    with pytest.raises(ValueError, match=r"one for each of 3 classes. Received: temperatures=\(1, 2\)"):
        thin_net(temperatures=(1, 2))
    with pytest.raises(ValueError, match="one number above 0"):
        thin_net(temperatures=(0,))
