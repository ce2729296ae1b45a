"""Tests of the operations that an ONNX model may have."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from net_kinds import NET_KINDS, random_net

from fcn.errors import RunError, TrustError
from fcn.exports.formats.onnx import write_onnx
from fcn.inference.engines.choose import open_engine
from fcn.inference.engines.onnx_check import read_checked_onnx

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

EXPORT = Path(__file__).parents[2] / "fixtures" / "export" / "1"
FIXTURE = EXPORT / "onnx" / "model.onnx"


def use_an_extension(model: Any) -> None:
    model.graph.node[3].domain = "evil.domain"


def import_an_extension(model: Any) -> None:
    model.opset_import.add(domain="evil.domain", version=1)


def hide_an_extension(model: Any) -> None:
    inner = onnx.helper.make_graph(
        [onnx.helper.make_node("Evil", [], ["a"], domain="evil.domain")], "b", [], []
    )
    branches = onnx.helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner)
    outer = onnx.helper.make_graph([branches], "c", [], [])
    model.graph.node.append(onnx.helper.make_node("Loop", [], ["z"], body=outer))


def define_a_function(model: Any) -> None:
    opset = onnx.helper.make_opsetid("", 17)
    model.functions.append(onnx.helper.make_function("evil.domain", "Evil", [], ["a"], [], [opset]))


def read_another_file(model: Any) -> None:
    weights = next(one for one in model.graph.initializer if one.raw_data)
    weights.data_location = onnx.TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="../../../etc/passwd")
    weights.ClearField("raw_data")


def read_another_file_in_a_constant(model: Any) -> None:
    tensor = onnx.TensorProto(name="a", data_type=1, dims=[1], data_location=onnx.TensorProto.EXTERNAL)
    model.graph.node.append(onnx.helper.make_node("Constant", [], ["a"], value=tensor))


def train(model: Any) -> None:
    model.training_info.add().initialization.node.add(op_type="Evil", domain="evil.domain")


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (use_an_extension, "'evil.domain'"),
        (import_an_extension, "'evil.domain'"),
        (hide_an_extension, "'evil.domain', with 'Evil'"),
        (define_a_function, "functions of its own"),
        (read_another_file, "weights in other files"),
        (read_another_file_in_a_constant, "weights in other files"),
        (train, "training"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_extensions_and_other_files_are_refused(
    edit: Callable[[Any], None], words: str, tmp_path: Path
) -> None:
    model = onnx.load(FIXTURE)
    edit(model)
    version = tmp_path / "1"
    shutil.copytree(EXPORT, version)
    (version / "onnx" / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(TrustError, match=rf"model\.onnx: holds .*{words}.*--trust") as caught:
        open_engine(version, "onnx")
    assert caught.value.exit_code == 2


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    good = FIXTURE.read_bytes()
    for damaged in (b"", b"\x0a", good[: len(good) // 2], b"\xff" * 100, b"\x0b" + good):
        path.write_bytes(damaged)
        with pytest.raises(RunError, match=r"model\.onnx: cannot be read by ONNX Runtime"):
            read_checked_onnx(path)
    path.write_bytes(b"\x08\x00" * 1_100_000)
    with pytest.raises(RunError, match="more than 1000000 fields"):
        read_checked_onnx(path)


def test_what_is_trusted_is_not_checked(tmp_path: Path) -> None:
    model = onnx.load(FIXTURE)
    model.training_info.add()  # ONNX Runtime ignores it
    version = tmp_path / "1"
    shutil.copytree(EXPORT, version)
    (version / "onnx" / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(TrustError, match="training"):
        open_engine(version, "onnx")
    assert open_engine(version, "onnx", trust=True).name == "onnx"


def test_exports_of_earlier_versions_pass() -> None:
    read_checked_onnx(FIXTURE)
    assert open_engine(EXPORT, "onnx").name == "onnx"


@pytest.mark.parametrize("kind", NET_KINDS)
def test_exports_of_every_kind_pass(kind: str, tmp_path: Path) -> None:
    read_checked_onnx(write_onnx(random_net(kind), tmp_path))
