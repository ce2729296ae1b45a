import hashlib
from pathlib import Path

import pytest

from fcn.errors import RunError
from fcn.weights.checksum import KERAS_MD5, checked_sha256

CONTENT = b"weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.mark.parametrize("name", ["mine.h5", f"vgg16-{SHA256[:8]}.pth", "vgg16-12345678.npy"])
def test_what_nothing_contradicts_is_hashed(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(CONTENT)
    assert checked_sha256(tmp_path / name) == SHA256


@pytest.mark.parametrize("name", ["vgg16-397923af.pth", *KERAS_MD5])
def test_another_file_under_a_published_name_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(CONTENT)
    with pytest.raises(RunError, match="publisher states") as raised:
        checked_sha256(tmp_path / name)
    assert name in str(raised.value)


@pytest.mark.parametrize("name", [*KERAS_MD5])
def test_keras_file_passes_by_its_md5(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setitem(KERAS_MD5, name, hashlib.md5(CONTENT).hexdigest())
    (tmp_path / name).write_bytes(CONTENT)
    assert checked_sha256(tmp_path / name) == SHA256
