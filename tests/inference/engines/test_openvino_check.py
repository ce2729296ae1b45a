"""Tests of the layers that an OpenVINO model may have."""

import shutil
from pathlib import Path

import pytest

from fcn.errors import RunError, TrustError
from fcn.inference.engines.openvino import read_model
from fcn.inference.engines.openvino_check import MOST_XML_BYTES, check_openvino

FIXTURE = Path(__file__).parents[2] / "fixtures" / "export" / "1" / "openvino" / "float32.xml"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    for suffix in (".xml", ".bin"):
        shutil.copyfile(FIXTURE.with_suffix(suffix), tmp_path / f"model{suffix}")
    return tmp_path / "model.xml"


@pytest.mark.parametrize("version", ["extension", "custom", "opset0", "opset16", "opset1x", "", "OPSET1"])
def test_layers_of_extensions_are_refused(version: str, path: Path) -> None:
    text = path.read_text()
    path.write_text(text.replace('type="ReLU" version="opset1"', f'type="Evil" version="{version}"', 1))
    for read in (check_openvino, read_model):
        with pytest.raises(TrustError, match=r"model\.xml: holds a layer of .*'Evil'.* --trust") as caught:
            read(path)
        assert caught.value.exit_code == 2


def test_a_layer_without_a_version_is_refused(path: Path) -> None:
    path.write_text(path.read_text().replace(' version="opset1"', "", 1))
    with pytest.raises(TrustError, match="a layer of None"):
        check_openvino(path)


def test_layers_inside_of_others_are_checked(path: Path) -> None:
    body = '<body><layers><layer id="0" name="x" type="Evil" version="evil"/></layers></body></layer>'
    path.write_text(path.read_text().replace("</layer>", body, 1))
    with pytest.raises(TrustError, match="Evil"):
        check_openvino(path)


def test_entities_are_refused(path: Path) -> None:
    bomb = '<!DOCTYPE net [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>'
    path.write_text(path.read_text().replace("<net ", f"{bomb}<net ", 1))
    with pytest.raises(TrustError, match="document type"):
        check_openvino(path)


def test_damaged_large_and_otherwise_encoded_files_are_refused(path: Path) -> None:
    text = path.read_text()
    others = [text.encode(name) for name in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le")]
    for damaged in (b"", b"no model", text[: len(text) // 2].encode(), *others):
        path.write_bytes(damaged)
        with pytest.raises(RunError, match=r"model\.xml: cannot be read by OpenVINO"):
            check_openvino(path)
    with path.open("wb") as file:
        file.truncate(MOST_XML_BYTES + 1)
    with pytest.raises(RunError, match="is larger than the 32 MB"):
        check_openvino(path)


def test_exports_of_earlier_versions_pass() -> None:
    check_openvino(FIXTURE)


@pytest.mark.slow
def test_exports_of_this_version_pass_in_every_precision(calibrated_export: Path) -> None:
    for precision in ("float32", "int8"):
        check_openvino(calibrated_export / "1" / "openvino" / f"{precision}.xml")
