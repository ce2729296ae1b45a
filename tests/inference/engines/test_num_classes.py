"""Tests that the files of an export agree on the number of classes, whichever engine reads them."""

import json
import shutil
from pathlib import Path

import pytest
from net_kinds import random_net

from fcn.classes import Classes
from fcn.errors import RunError
from fcn.exports.formats.litert import write_litert
from fcn.exports.formats.onnx import write_onnx
from fcn.inference.engines.choose import open_engine
from fcn.inference.engines.exported import check_num_classes, classes_document
from fcn.inference.engines.litert import LiteRtEngine
from fcn.inference.engines.onnx import OnnxEngine

NET = {"stride": 8, "geometry": "same", "input_scale": 1, "width": 0.5, "num_classes": 2}


def write_assets(version: Path, classes: int | None = None, net: int | None = None) -> None:
    """Writes the assets of an export, with so many classes; of one that is there the numbers alone change."""
    assets = version / "assets"
    assets.mkdir(exist_ok=True)
    if classes is not None:
        names = Classes.named(tuple(map(str, range(classes))))
        (assets / "classes.json").write_text(json.dumps(classes_document(names)))
    if net is not None:
        path = assets / "model.json"
        arguments = json.loads(path.read_text()) if path.exists() else NET
        path.write_text(json.dumps(arguments | {"num_classes": net}))


def copy(version: Path, tmp_path: Path) -> Path:
    copied = tmp_path / "copied"
    shutil.copytree(version, copied)
    return copied


def refusal(version: Path, engine: str) -> str:
    with pytest.raises(RunError) as caught:
        open_engine(version, engine)
    message = str(caught.value)
    assert message.startswith(f"{version}: expected the same number of classes in all files. Received: ")
    assert message.endswith(". Export it again.")
    return message


@pytest.mark.parametrize(
    ("classes", "net", "scores", "words"),
    [
        (2, 2, 2, None),
        (2, None, 2, None),
        (None, None, 7, None),
        (2, 2, 3, "2 in assets/classes.json, 2 in assets/model.json, 3 in saved_model.pb."),
        (2, 3, 2, "2 in assets/classes.json, 3 in assets/model.json, 2 in saved_model.pb."),
        (3, 2, 2, "3 in assets/classes.json, 2 in assets/model.json, 2 in saved_model.pb."),
        (1, None, 255, "1 in assets/classes.json, 255 in saved_model.pb."),
        (2, 2, None, "an unknown number in saved_model.pb."),
        (2, 2, "classes", "an unknown number in saved_model.pb."),
    ],
)
def test_all_files_have_one_number_of_classes(
    classes: int | None, net: int | None, scores: object, words: str | None, tmp_path: Path
) -> None:
    write_assets(tmp_path, classes, net)
    graph = tmp_path / "saved_model.pb"
    if words is None:
        check_num_classes(tmp_path, graph, scores)
        return
    with pytest.raises(RunError) as caught:
        check_num_classes(tmp_path, graph, scores)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}: expected the same number of classes in all files. Received: ")
    assert words in message


def num_classes(version: Path) -> int:
    return len(json.loads((version / "assets" / "classes.json").read_text())["names"])


def test_tensorflow_refuses_a_graph_with_other_classes_than_its_files(
    plain_export: Path, tmp_path: Path
) -> None:
    version = copy(plain_export, tmp_path)
    right = num_classes(version)
    write_assets(version, right + 1, right + 1)
    assert f"{right} in saved_model.pb" in refusal(version, "tensorflow")


@pytest.mark.slow
def test_openvino_refuses_a_graph_with_other_classes_than_its_files(
    calibrated_export: Path, tmp_path: Path
) -> None:
    pytest.importorskip("openvino")
    version = copy(calibrated_export / "1", tmp_path)
    right = num_classes(version)
    write_assets(version, right + 1, right + 1)
    assert f"{right} in openvino/float32.xml" in refusal(version, "openvino")
    shutil.rmtree(version / "openvino")  # then it is converted
    assert f"{right} in saved_model.pb" in refusal(version, "openvino")


def test_onnx_refuses_a_graph_with_other_classes_than_its_files(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    write_onnx(random_net("fcn32s"), tmp_path)
    write_assets(tmp_path, 5, 5)
    assert OnnxEngine(tmp_path).classes.names == ("0", "1", "2", "3", "4")
    write_assets(tmp_path, 4, 4)
    with pytest.raises(RunError, match=r"4 in assets/model\.json, 5 in onnx/model\.onnx"):
        OnnxEngine(tmp_path)


@pytest.mark.slow
def test_litert_refuses_a_graph_with_other_classes_than_its_files(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    write_litert(random_net("fcn32s"), tmp_path)
    write_assets(tmp_path, 5, 5)
    assert LiteRtEngine(tmp_path).classes.names == ("0", "1", "2", "3", "4")
    write_assets(tmp_path, 4, 4)
    with pytest.raises(RunError, match=r"4 in assets/model\.json, 5 in litert/model\.tflite"):
        LiteRtEngine(tmp_path)
