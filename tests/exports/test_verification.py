"""Tests of the comparison of what was exported with the net it was made from."""

import json
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from fcn.config.sections import FORMATS
from fcn.data.image_io import read_image
from fcn.errors import DataError, RunError, VerificationError
from fcn.exports import verification
from fcn.exports.export import export
from fcn.exports.formats.onnx import write_onnx
from fcn.exports.formats.onnx_graph import OnnxGraph
from fcn.exports.photographs import LARGEST_SIDE
from fcn.exports.verification import read_verification, verify
from fcn.inference.engines.engine import ENGINES
from fcn.inference.engines.exported import openvino_file
from fcn.inference.engines.openvino import import_openvino
from fcn.inference.engines.openvino_graph import convert_net
from fcn.inference.predictor import Predictor
from fcn.models.fcn import FCN
from fcn.system.bfloat16 import bfloat16_instructions

pytestmark = pytest.mark.slow

onnx = pytest.importorskip("onnx")
import_openvino()

BFLOAT16 = ["openvino bfloat16"] if bfloat16_instructions() else []


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Smooth pictures in every form that files have, one of them too large to be compared whole."""
    folder = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(0)
    sizes = {
        "a.jpg": (40, 57),
        "b.png": (33, 32),
        "c.bmp": (17, 64),
        "d.webp": (30, 41),
        "e.tif": (21, 44),
        "f.jpg": (40, 40),
        "g.jpg": (LARGEST_SIDE + 20, 24),
    }
    for name, (height, width) in sizes.items():
        coarse = rng.integers(0, 256, (5, 6, 3), np.uint8)
        image = Image.fromarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))
        image.convert("CMYK" if name == "f.jpg" else "RGB").save(folder / name)
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def version(net: FCN, thin_net, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export whose int8 is another net."""
    version = export(net, tmp_path_factory.mktemp("export"), ["openvino"])
    other = convert_net(thin_net(seed=5))
    import_openvino().save_model(other, openvino_file(version, "int8"), compress_to_fp16=False)
    return version


@pytest.fixture(scope="module")
def verified(net: FCN, version: Path, photographs: list[Path]) -> verification.Verification:
    return verify(net, version, photographs, ["openvino"])


def test_every_form_of_float32_labels_as_the_net(verified, version: Path) -> None:
    required = {one.name: one.agreement for one in verified.comparisons if one.is_required}
    assert required == {"predict_tensor": 1, "serving_default": 1, "openvino float32": 1}
    assert all(one.expected == 0.9999 for one in verified.comparisons if one.is_required)
    assert read_verification(version) == verified


def test_of_large_photographs_the_middle_is_compared(verified) -> None:
    assert verified.num_images == 7
    others = 40 * 57 + 33 * 32 + 17 * 64 + 30 * 41 + 21 * 44 + 40 * 40
    assert verified.num_pixels == others + LARGEST_SIDE * 24


def test_fewer_bits_are_measured_and_never_fail(verified, version: Path, net: FCN, photographs) -> None:
    measured = {one.name: one for one in verified.comparisons if not one.is_required}
    assert list(measured) == [*BFLOAT16, "openvino int8"]
    int8 = measured["openvino int8"]
    assert int8.agreement < int8.expected == 0.98
    # Of the two PNG and BMP files, which are compared as they are, the worst is known.
    one, other = Predictor(net), Predictor(version, "openvino", "int8")
    shares = [
        float((one.predict(read_image(path)).label == other.predict(read_image(path)).label).mean())
        for path in photographs[:3]
    ]
    assert int8.worst_agreement <= min(shares)


def change_labels(path: Path, graph: OnnxGraph) -> None:
    """Adds a graph to an ONNX file, from `right`, what the file labels, to `label`."""
    model = onnx.load(path)
    for node in model.graph.node:
        node.output[:] = ["right" if name == "label" else name for name in node.output]
    graph.write(path)
    added = onnx.load(path).graph
    for node in added.node:  # both graphs number what has no name
        node.ClearField("name")
        node.input[:] = [name if name in ("right", "label") else f"added/{name}" for name in node.input]
        node.output[:] = [name if name in ("right", "label") else f"added/{name}" for name in node.output]
    for tensor in added.initializer:
        tensor.name = f"added/{tensor.name}"
    model.graph.node.extend(added.node)
    model.graph.initializer.extend(added.initializer)
    onnx.save(model, path)


def test_other_variables_and_wrong_formats_are_found(
    net: FCN, thin_net, version: Path, verified, photographs: list[Path], tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime")
    changed = tmp_path / "changed"
    shutil.copytree(version, changed)
    shutil.rmtree(changed / "variables")
    shutil.copytree(export(thin_net(seed=5), tmp_path / "other") / "variables", changed / "variables")
    three = photographs[:3]
    reference, other = Predictor(net), Predictor(changed, "tensorflow")

    graph = OnnxGraph("off by one pixel")
    place = graph.constant(np.array([[0, 0, 0]]))
    numbers = graph.cast("right", "int32")
    more = graph.add(
        "Add", [graph.add("GatherND", [numbers, place]), graph.constant(np.array([1], np.int32))]
    )
    graph.cast(graph.add("ScatterND", [numbers, place, more]), "uint8", "label")
    change_labels(write_onnx(net, changed), graph)
    with pytest.raises(VerificationError) as caught:
        verify(net, changed, three, ["openvino", "onnx"])
    message = str(caught.value)

    equal = [reference.predict(path).label == other.predict(path).label for path in three]
    agreement = sum(map(np.sum, equal)) / sum(map(np.size, equal))
    worst = min(range(3), key=lambda index: equal[index].mean())
    shares = f"{agreement:.4%}, at worst {equal[worst].mean():.4%} on {three[worst].name}"
    assert f"predict_tensor: {shares}; serving_default: {shares}; onnx float32: " in message
    total = sum(map(np.size, equal))
    # The smallest of the three has 33 x 32 pixels.
    assert f"{1 - 3 / total:.4%}, at worst {1 - 1 / (33 * 32):.4%} on b.png. Nothing" in message
    assert "openvino" not in message
    assert caught.value.exit_code == 1
    assert (changed / "verification.json").read_bytes() == (version / "verification.json").read_bytes()


def test_labels_of_another_size_agree_nowhere(net: FCN, version: Path, photographs, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    changed = tmp_path / "changed"
    shutil.copytree(version, changed)
    graph = OnnxGraph("turned")
    graph.add("Transpose", ["right"], "label", perm=[0, 2, 1])
    change_labels(write_onnx(net, changed), graph)
    with pytest.raises(VerificationError, match=r"onnx float32: 0\.0"):
        verify(net, changed, photographs[:1], ["onnx"])


def test_what_fails_is_not_written(net: FCN, photographs, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(verification, "EXACT_AGREEMENT", 1.01)
    path = tmp_path / os.fsdecode(b"f\xfcr.jpg")  # as older programs write it
    shutil.copyfile(photographs[0], path)
    with pytest.raises(
        VerificationError, match=r"1 images.*predict_tensor: 100.0000%, at worst 100.0000% on f\ufffdr.jpg"
    ):
        export(net, tmp_path / "out", photographs=path)
    assert not list((tmp_path / "out").iterdir())


def test_missing_and_damaged_photographs_are_told_before_the_work(photographs, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere"):
        export(tmp_path / "no net", tmp_path / "out", photographs=tmp_path / "nowhere")
    (tmp_path / "half.jpg").write_bytes(photographs[0].read_bytes()[:-200])
    with pytest.raises(DataError, match=r"half\.jpg: is truncated"):
        export(tmp_path / "no net", tmp_path / "out", photographs=tmp_path / "half.jpg")
    assert not (tmp_path / "out").exists()


def test_an_export_that_was_not_verified_says_nothing(tmp_path: Path) -> None:
    assert read_verification(tmp_path) is None
    (tmp_path / "verification.json").write_text(json.dumps({"num_images": 1}))
    with pytest.raises(RunError, match=r"verification\.json"):
        read_verification(tmp_path)


def test_every_format_is_compared() -> None:
    assert set(FORMATS) <= set(ENGINES)


@pytest.mark.slow
def test_a_photograph_that_cannot_be_labeled_is_named(net: FCN, version: Path, tmp_path: Path) -> None:
    path = tmp_path / "two colors.bmp"
    Image.fromarray(np.zeros((20, 20), np.uint8)).convert("1").save(path)  # which graphs do not decode
    with pytest.raises(VerificationError, match=r"two colors\.bmp: cannot .*exit code 1.*Leave"):
        verify(net, version, [path])
