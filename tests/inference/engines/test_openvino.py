"""Tests of labeling with OpenVINO."""

import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf
from process_memory import anonymous_bytes

from fcn.errors import BackendError, RunError
from fcn.inference.engines.choose import open_engine
from fcn.inference.engines.openvino import OpenVinoEngine, import_openvino
from fcn.inference.engines.openvino_graph import convert_exported
from fcn.models.fcn import FCN
from fcn.outputs.probabilities import softmax
from fcn.system.bfloat16 import bfloat16_instructions

import_openvino()

SIZES = ((1, 1), (40, 57), (33, 32), (7, 90), (1, 50))


@pytest.fixture(scope="module")
def engine(net: FCN) -> OpenVinoEngine:
    return open_engine(net, "openvino")


def images(size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (2, *size, 3), np.uint8)


def keras_logits(net: FCN, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    return np.asarray(net(pixels.astype(np.float32)))


@pytest.mark.slow
def test_a_net_is_read_where_openvino_cannot_tell_which_tensorflow_there_is(
    plain_export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from openvino.frontend.tensorflow import utils

    def forgetful(framework: str) -> dict[str, str]:
        raise NameError("name 'tensorflow' is not defined")  # as on Python 3.13

    monkeypatch.setattr(utils, "get_environment_setup", forgetful)
    assert convert_exported(plain_export).input().any_name == "images"


@pytest.mark.parametrize("size", SIZES)
def test_logits_labels_and_confidence_equal_those_of_keras(
    net: FCN, engine: OpenVinoEngine, size: tuple[int, int]
) -> None:
    expected = keras_logits(net, images(size))
    logits = engine.logits(images(size))
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4 * expected.std())
    label, confidence = engine.label(images(size))
    assert label.dtype == np.uint8
    np.testing.assert_array_equal(label, logits.argmax(-1))
    np.testing.assert_allclose(confidence, softmax(expected).max(-1), rtol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"geometry": "reference"},
        {"input_scale": 0.5},
        {"stride": 32, "batch_normalization": True},
        {"num_classes": 255},
        {"num_classes": 1},
    ],
    ids=str,
)
def test_every_kind_of_net(thin_net, options: dict) -> None:
    net = thin_net(**options)
    engine = open_engine(net, "openvino")
    expected = keras_logits(net, images((45, 67)))
    np.testing.assert_allclose(
        engine.logits(images((45, 67))), expected, rtol=0, atol=1e-4 * (expected.std() or 1)
    )
    label = engine.label(images((45, 67))).label
    assert label.shape == (2, 45, 67)
    assert (label == expected.argmax(-1)).mean() > 0.999


def test_equal_scores_are_the_first_class(thin_net) -> None:
    asleep = thin_net(awake=False)
    label, confidence = open_engine(asleep, "openvino").label(images((20, 30)))
    assert not label.any()
    np.testing.assert_allclose(confidence, 1 / 3, rtol=1e-6)


def test_large_scores_do_not_overflow(thin_net) -> None:
    net = thin_net()
    layer = net.get_layer("score_fr")
    layer.set_weights([array * 1e5 for array in layer.get_weights()])
    confidence = open_engine(net, "openvino").label(images((40, 57))).confidence
    assert np.isfinite(confidence).all()
    assert confidence.max() <= 1


def test_memory_of_maps_is_given_back_and_taken_again(net: FCN) -> None:
    engine = open_engine(net, "openvino")
    engine.release()  # nothing yet
    before = engine.label(images((600, 800)))
    kept = anonymous_bytes()
    engine.release()
    assert anonymous_bytes() < kept - 20_000_000
    after = engine.label(images((600, 800)))
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)


def test_results_are_not_overwritten_by_the_next_images(engine: OpenVinoEngine) -> None:
    first = engine.label(images((33, 32)))
    kept = first.label.copy(), first.confidence.copy()
    engine.label(images((33, 32))[::-1])
    np.testing.assert_array_equal(first.label, kept[0])
    np.testing.assert_array_equal(first.confidence, kept[1])


@pytest.mark.skipif(not bfloat16_instructions(), reason="needs a CPU with bfloat16 instructions")
def test_bfloat16_rounds_and_float32_does_not(net: FCN, engine: OpenVinoEngine) -> None:
    expected = keras_logits(net, images((40, 57)))
    rounded = open_engine(net, "openvino", "bfloat16")
    error = np.abs(rounded.logits(images((40, 57))) - expected).max() / expected.std()
    # 8 bits of mantissa: well above what float32 may differ by, and small all the same.
    assert 1e-4 < error < 0.1
    assert (rounded.label(images((40, 57))).label == expected.argmax(-1)).mean() > 0.98


@pytest.mark.slow
def test_an_export_without_openvinos_form_is_converted(net: FCN, plain_export: Path) -> None:
    engine = open_engine(plain_export.parent, "openvino")
    assert (engine.name, engine.precision, engine.classes) == ("openvino", "float32", net.classes)
    expected = keras_logits(net, images((40, 57)))
    np.testing.assert_allclose(engine.logits(images((40, 57))), expected, rtol=0, atol=1e-4 * expected.std())


def test_a_run_or_file_is_converted(net: FCN, model_path: Path) -> None:
    label = open_engine(model_path, "openvino").label(images((33, 32))).label
    assert (label == keras_logits(net, images((33, 32))).argmax(-1)).all()


def test_a_net_that_openvino_reads_as_another_is_refused(thin_net, tmp_path: Path) -> None:
    class OldReference(tf.Module):
        """The graph of exports made before: 99 zeros, and a convolution that adds one more."""

        def __init__(self) -> None:
            self.kernel = tf.Variable(
                np.random.default_rng(0).standard_normal((3, 3, 3, 2)), dtype=tf.float32
            )

        @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")])
        def predict(self, images):
            padded = tf.pad(tf.cast(images, tf.float32), [(0, 0), (99, 99), (99, 99), (0, 0)])
            convolved = tf.nn.conv2d(padded, self.kernel, 1, "SAME")
            return {"logits": convolved[:, 98 : 98 + tf.shape(images)[1], 98 : 98 + tf.shape(images)[2]]}

    module = OldReference()
    tf.saved_model.save(module, str(tmp_path), signatures={"predict_logits": module.predict})
    with pytest.raises(BackendError, match="converts this net wrongly"):
        convert_exported(tmp_path)


def test_int8_needs_an_export_that_has_it(net: FCN, plain_export: Path) -> None:
    for model, name in ((plain_export, "openvino"), (plain_export, "auto"), (net, "auto")):
        with pytest.raises((RunError, BackendError), match="--calibrate"):
            open_engine(model, name, "int8")
    with pytest.raises(BackendError, match="engine=openvino"):
        open_engine(plain_export, "tensorflow", "int8")


@pytest.mark.slow
def test_without_openvino_the_error_says_what_to_install(model_path: Path, python: Path) -> None:
    script = (
        "import importlib.util, sys\n"
        "assert 'openvino' not in sys.modules\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('openvino', 'nncf'): raise ModuleNotFoundError(name)\n"
        "found = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *a: None if name == 'openvino' else found(name, *a)\n"
        "sys.meta_path.insert(0, Missing())\n"
        "from fcn.errors import BackendError\n"
        "from fcn.inference.engines.choose import open_engine\n"
        "assert open_engine(sys.argv[1]).name == 'tensorflow'\n"
        "try: open_engine(sys.argv[1], 'openvino')\n"
        "except BackendError as error: print(error)\n"
    )
    done = subprocess.run([python, "-c", script, model_path], capture_output=True, text=True, check=False)
    assert "pip install 'keras-fcn[openvino]'" in done.stdout, done.stderr


def test_openvino_cannot_report_its_use(engine: OpenVinoEngine) -> None:
    with pytest.raises(ImportError):
        import openvino_telemetry  # noqa: F401
