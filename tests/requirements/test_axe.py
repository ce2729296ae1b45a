"""Tests of `make axe`: only the package that is pinned is unpacked."""

import base64
import hashlib
import io
import tarfile
from pathlib import Path

import pytest
from axe import SHA512, FetchError, unpack


def package(path: Path, **files: bytes) -> str:
    """Writes a package as npm does; returns its digest."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"package/{name.replace('_', '.')}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()


def test_the_program_and_its_license_are_kept(tmp_path: Path) -> None:
    archive = tmp_path / "axe-core.tgz"
    digest = package(archive, axe_min_js=b"program", LICENSE=b"MPL", axe_js=b"longer program")
    unpack(archive, tmp_path / "new" / "axe", digest)
    found = {path.name: path.read_bytes() for path in (tmp_path / "new" / "axe").iterdir()}
    assert found == {"axe.min.js": b"program", "LICENSE": b"MPL"}


def test_another_package_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "axe-core.tgz"
    digest = package(archive, axe_min_js=b"another program", LICENSE=b"MPL")
    with pytest.raises(FetchError, match="is not the package that is pinned") as caught:
        unpack(archive, tmp_path / "axe", SHA512)
    assert digest in str(caught.value)
    assert not (tmp_path / "axe").exists()


def test_a_package_without_the_program_leaves_nothing(tmp_path: Path) -> None:
    archive = tmp_path / "axe-core.tgz"
    digest = package(archive, LICENSE=b"MPL")
    with pytest.raises(FetchError, match=r"axe-core\.tgz: has no axe\.min\.js"):
        unpack(archive, tmp_path / "axe", digest)
    assert not (tmp_path / "axe").exists()
