import hashlib
from pathlib import Path

import pytest

from fcn.system.download.file import Checksum
from fcn.weights.catalog import NETS
from fcn.weights.checksum import identify

CONTENT = b"weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
STATED = [name for name, net in NETS.items() if net.file.checksum is not None]


@pytest.mark.parametrize(
    "name", ["mine.h5", f"vgg16-{SHA256[:8]}.pth", "vgg16-12345678.npy", "fcn32s-heavy-pascal.caffemodel"]
)
def test_what_nothing_contradicts_is_hashed(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(CONTENT)
    assert identify(tmp_path / name) == (SHA256, None, None)


@pytest.mark.parametrize("name", ["vgg19-dcbb9e9d.pth", *(NETS[name].file.name for name in STATED)])
def test_another_file_under_a_published_name_is_known(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(CONTENT)
    found = identify(tmp_path / name)
    assert found.name is None
    assert "which" in found.problem
    assert name in found.problem


@pytest.mark.parametrize("name", STATED)
def test_a_published_file_is_known_by_its_checksum_under_any_name(tmp_path: Path, name: str) -> None:
    net = NETS[name]
    kind = net.file.checksum.kind
    checksum = Checksum(kind, hashlib.new(kind, CONTENT).hexdigest(), "this test")
    file = net.file._replace(name="weights.pth", checksum=checksum)
    for own in ("weights.pth", "renamed"):
        (tmp_path / own).write_bytes(CONTENT)
        assert identify(tmp_path / own, {name: net._replace(file=file)}) == (SHA256, name, None)
