"""Tests of the engines that compute the ONNX and the LiteRT form of an export."""

import gc
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from net_kinds import random_net
from photographs import write_image
from process_memory import anonymous_bytes, starved_program

from fcn.cli.main import main
from fcn.errors import BackendError, ImageTooLargeError, RunError
from fcn.exports.formats.litert import write_litert
from fcn.exports.formats.onnx import write_onnx
from fcn.inference.engines.choose import open_engine
from fcn.inference.engines.engine import FORMAT_ENGINES, NetEngine
from fcn.inference.engines.exported import classes_document, litert_file, onnx_file
from fcn.inference.engines.litert import LiteRtEngine
from fcn.inference.engines.onnx import OnnxEngine
from fcn.inference.engines.table import CPU, Choice, write_table
from fcn.inference.tiling.memory import least_map_bytes
from fcn.inference.tiling.tiles import TiledEngine
from fcn.jobs.settings import model_setting
from fcn.models.net import SegmentationNet
from fcn.outputs.probabilities import softmax

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("ai_edge_litert")

EXPORT = Path(__file__).parents[2] / "fixtures" / "export" / "1"
FILES = {"onnx": onnx_file, "litert": litert_file}
WRITERS = {"onnx": write_onnx, "litert": write_litert}

every_format = pytest.mark.parametrize("name", FORMAT_ENGINES)


@pytest.fixture(scope="module")
def reference() -> NetEngine:
    return open_engine(EXPORT, "tensorflow")


def noise(*size: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)


def write(net: SegmentationNet, name: str, version: Path) -> NetEngine:
    """Writes a net in a format, without a SavedModel, and opens it."""
    (version / "assets").mkdir(parents=True)
    (version / "assets" / "classes.json").write_text(json.dumps(classes_document(net.classes)))
    (version / "assets" / "model.json").write_text(json.dumps(net.get_config()))
    WRITERS[name](net, version)
    return OnnxEngine(version) if name == "onnx" else LiteRtEngine(version)


@every_format
def test_labels_confidence_and_logits_equal_those_of_tensorflow(name: str, reference: NetEngine) -> None:
    engine = open_engine(EXPORT, name)
    assert (engine.name, engine.precision, engine.classes) == (name, "float32", reference.classes)
    assert (engine.net, engine.bits) == (reference.net, reference.bits)
    seen = set()
    for size in ((2, 40, 57), (1, 1, 1), (1, 7, 90), (3, 33, 32), (2, 40, 57)):
        images = noise(*size)
        logits, expected = engine.logits(images), reference.logits(images)
        assert (logits.dtype, logits.shape) == (np.float32, (*size, 7))
        np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
        label, confidence = engine.label(images)
        assert (label.dtype, confidence.dtype) == (np.uint8, np.float32)
        np.testing.assert_array_equal(label, reference.label(images).label)
        np.testing.assert_allclose(confidence, softmax(expected).max(-1), rtol=1e-3)
        seen |= set(np.unique(label))
    assert len(seen) > 1


@every_format
def test_results_are_not_overwritten_by_the_next_images(name: str) -> None:
    engine = open_engine(EXPORT, name)
    images = noise(2, 33, 32)
    first = engine.label(images[:1]), engine.logits(images[:1])
    kept = (*(array.copy() for array in first[0]), first[1].copy())
    engine.label(images[1:]), engine.logits(images[1:])
    for array, before in zip((*first[0], first[1]), kept, strict=True):
        np.testing.assert_array_equal(array, before)


def test_memory_of_maps_is_given_back_and_taken_again() -> None:
    engine = open_engine(EXPORT, "litert")
    assert isinstance(engine, LiteRtEngine)
    before = engine.label(noise(1, 300, 400))
    kept = anonymous_bytes()
    engine.release()
    gc.collect()
    assert anonymous_bytes() < kept - 2_000_000
    for one, other in zip(before, engine.label(noise(1, 300, 400)), strict=True):
        np.testing.assert_array_equal(one, other)


@every_format
def test_other_precisions_and_models_without_the_format_are_refused(
    name: str, thin_net, tmp_path: Path
) -> None:
    with pytest.raises(BackendError, match=f"bfloat16: engine={name} computes in float32 only. Leave"):
        open_engine(EXPORT, name, "bfloat16")
    with pytest.raises(BackendError, match="int8: expected engine=openvino"):
        open_engine(EXPORT, name, "int8")
    with pytest.raises(BackendError, match=f"engine={name}: expected an exported model.* --format {name}"):
        open_engine(thin_net(), name)
    version = tmp_path / "1"
    shutil.copytree(EXPORT, version)
    path = FILES[name](version)
    path.write_bytes(path.read_bytes()[:10_000])
    with pytest.raises(RunError, match=rf"{path.name}: cannot be read by .* --format {name}"):
        open_engine(version, name)
    path.unlink()
    with pytest.raises(RunError, match=rf"{path.name}: cannot be read by .* --format {name}"):
        open_engine(version, name)


def change_litert(version: Path, change: Callable[[Any, Any], None]) -> None:
    """Changes a copy of the LiteRT file: `change` gets the schema of such files and the content."""
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    flatbuffers = pytest.importorskip("flatbuffers")
    shutil.copytree(EXPORT, version)
    path = litert_file(version)
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    change(schema, model)
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(builder.Output())


def test_operations_that_litert_does_not_have_are_refused(tmp_path: Path) -> None:
    def rename(schema: Any, model: Any) -> None:
        code = model.operatorCodes[0]
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
        code.customCode = b"FlexWriteFile"

    change_litert(tmp_path / "1", rename)
    with pytest.raises(RunError, match=r"model\.tflite: cannot be read by LiteRT .*not supported"):
        open_engine(tmp_path / "1", "litert")


def test_a_fault_of_a_file_is_not_missing_memory(tmp_path: Path) -> None:
    def divide_by_zero(schema: Any, model: Any) -> None:
        graph = model.subgraphs[0]
        for operation in graph.operators:
            kind = model.operatorCodes[operation.opcodeIndex].builtinCode
            if kind == schema.BuiltinOperator.FLOOR_MOD:
                divisor = model.buffers[graph.tensors[operation.inputs[1]].buffer]
                divisor.data = np.zeros_like(divisor.data)

    change_litert(tmp_path / "1", divide_by_zero)
    engine = open_engine(tmp_path / "1", "litert")
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"(?i)divi.*(0|zero)"):
            engine.label(noise(1, 20, 30))


@pytest.mark.parametrize(("name", "package"), [("onnx", "onnxruntime"), ("litert", "ai-edge-litert")])
def test_a_missing_package_is_named(name: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("onnxruntime", "ai_edge_litert", "ai_edge_litert.interpreter"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        BackendError, match=rf"engine={name}: the package {package} is not .*keras-fcn\[{name}\]"
    ):
        open_engine(EXPORT, name)


def test_auto_takes_them_only_if_the_table_names_them(tmp_path: Path) -> None:
    version = tmp_path / "1"
    shutil.copytree(EXPORT, version)
    assert open_engine(version).name not in FORMAT_ENGINES
    (version / "engines.json").unlink()
    assert open_engine(version).name not in FORMAT_ENGINES
    for name in FORMAT_ENGINES:
        write_table(version, [Choice(name, "float32", CPU, 1.0)])
        assert open_engine(version).name == name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(("onnx", "half"), ("onnx", "fcn8s"), ("litert", "half")),
        pytest.param("litert", "fcn8s", marks=pytest.mark.exhaustive),
        pytest.param("onnx", "context", marks=pytest.mark.exhaustive),
        pytest.param("onnx", "shrunk_reference", marks=pytest.mark.exhaustive),
    ],
)
def test_large_images_are_labeled_in_windows(name: str, kind: str, tmp_path: Path) -> None:
    net = random_net(kind)
    engine = write(net, name, tmp_path / "1")
    scale = engine.net.input_scale
    # Windows of nets with a context are larger.
    side = 608 if engine.net.context in (None, "none") else 1008
    height, width = (round(size / scale) for size in (side + 32, side + 92))
    windows = TiledEngine(engine, max(engine.net.map_bytes(side, side), least_map_bytes(engine)))
    image = noise(1, height, width)
    assert windows.is_large(image[0])
    wanted = open_engine(net).logits(image)
    np.testing.assert_allclose(windows.logits(image), wanted, rtol=0, atol=2e-4 * wanted.std())
    label, confidence = windows.label(image)
    assert (label == wanted.argmax(-1)).mean() >= 0.9999
    np.testing.assert_allclose(confidence, softmax(wanted).max(-1), rtol=1e-3)


@pytest.mark.slow
@every_format
def test_a_file_that_is_replaced_or_removed_later_changes_nothing(name: str, tmp_path: Path) -> None:
    version = tmp_path / "1"
    engine = write(random_net("half"), name, version)
    image = noise(1, 40, 60)
    shrunk = image.astype(np.float32)
    expected = engine.logits(image), type(engine)(version).shrunk_logits(shrunk)
    other = random_net("half")
    for weight in other.trainable_weights:
        weight.assign(-weight)
    WRITERS[name](other, version)
    if isinstance(engine, LiteRtEngine):
        engine.release()
    np.testing.assert_array_equal(engine.shrunk_logits(shrunk), expected[1])
    shutil.rmtree(version)
    if isinstance(engine, LiteRtEngine):
        engine.release()
    np.testing.assert_array_equal(engine.logits(image), expected[0])


@every_format
def test_a_file_without_the_layers_alone_refuses_large_images(name: str, tmp_path: Path) -> None:
    version = tmp_path / "1"
    shutil.copytree(EXPORT, version)  # of a net without `input_scale`, so its file has no such layers
    document = json.loads((version / "assets" / "model.json").read_text())
    (version / "assets" / "model.json").write_text(json.dumps(document | {"input_scale": 0.5}))
    engine = open_engine(version, name)
    with pytest.raises(ImageTooLargeError, match=rf"{FILES[name](version).name}: .*old version.*90 x 70"):
        engine.shrunk_logits(noise(1, 70, 90).astype(np.float32))


@every_format
def test_a_command_labels_with_them(name: str, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    write_image(images / "a.png")
    labels = []
    for engine in ("tensorflow", name):
        output = tmp_path / engine
        command = ["infer", str(EXPORT), str(images), "--output", str(output), "--engine", engine]
        with pytest.raises(SystemExit) as caught:
            main(command)
        assert caught.value.code == 0
        labels.append((output / "a.png").read_bytes())
    assert labels[0] == labels[1]


@every_format
def test_a_job_knows_the_file_that_its_engine_reads(name: str, tmp_path: Path) -> None:
    other = tmp_path / "1"
    shutil.copytree(EXPORT, other)
    path = FILES[name](other)
    path.write_bytes(path.read_bytes() + b"\0")
    assert model_setting(EXPORT).value == model_setting(other).value
    assert model_setting(EXPORT, name).value != model_setting(other, name).value
    others = set(FORMAT_ENGINES) - {name}
    assert all(model_setting(EXPORT, one).value == model_setting(other, one).value for one in others)


@pytest.mark.slow
@every_format
def test_one_that_runs_out_of_memory_goes_on(name: str) -> None:
    program = starved_program("engine = open_engine(sys.argv[1], sys.argv[2])", "small[:, 1:]")
    command = [sys.executable, "-c", program, EXPORT, name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "too large\n(1, 63, 64)\n", done.stderr
