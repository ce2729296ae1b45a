import hashlib
from pathlib import Path

import pytest

from fcn.errors import DataError, DownloadError
from fcn.system.download.check import check_file, digest
from fcn.system.download.file import Checksum, PublishedFile

DATA = b"content" * 1000
FILE = PublishedFile("set.tar", (), Checksum("md5", hashlib.md5(DATA).hexdigest(), "this test"), len(DATA))
ADVICE = "Take another one."


@pytest.mark.parametrize("kind", ["md5", "sha1", "sha256"])
def test_each_kind_of_checksum_is_compared(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "mine"
    path.write_bytes(DATA)
    found = hashlib.new(kind, DATA).hexdigest()
    assert digest(path, kind) == found
    for digits in (found, found[:8]):
        check_file(path, FILE._replace(checksum=Checksum(kind, digits, "a test")), ADVICE)
    with pytest.raises(
        DownloadError, match=rf"expected the {kind[:2].upper()}.* 0123\. Received: {found}\. Take"
    ):
        check_file(path, FILE._replace(checksum=Checksum(kind, "0123", "a test")), ADVICE)


def test_a_file_of_another_size_or_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine"
    path.write_bytes(DATA[:-1])
    with pytest.raises(DownloadError, match=r"mine: is not set\.tar .* expected 7000 bytes\. Received: 6999"):
        check_file(path, FILE, ADVICE)
    with pytest.raises(DataError, match="MD5"):
        check_file(path, FILE._replace(size=None), ADVICE)
    check_file(path, FILE._replace(size=None, checksum=None), ADVICE)
    with pytest.raises(DownloadError, match="cannot be read"):
        check_file(tmp_path / "none", FILE, ADVICE)
