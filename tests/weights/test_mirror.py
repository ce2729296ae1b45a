from pathlib import Path

import pytest

from fcn.errors import DownloadError, PlaceError
from fcn.weights.mirror import find_in_mirror


def test_folders_are_taken_in_every_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / "my weights"
    for mirror in (
        str(folder),
        folder.as_uri(),
        f"file://localhost{folder}",
        f"file:{folder}",
        "~/my weights",
    ):
        assert find_in_mirror(mirror, "net.npz") == folder / "net.npz"
    assert find_in_mirror("disk:1", "net.npz") == Path("disk:1/net.npz")


@pytest.mark.parametrize("mirror", ["ftp://host/m", "s3://bucket", "file://host/m", "htps://host", "://"])
def test_another_kind_of_url_is_refused(mirror: str) -> None:
    with pytest.raises(
        DownloadError, match=r"expected a folder of this machine, or a URL .* FCN_WEIGHTS_MIRROR"
    ):
        find_in_mirror(mirror, "net.npz")


def test_no_name_leads_out_of_a_folder(tmp_path: Path) -> None:
    with pytest.raises(PlaceError):
        find_in_mirror(str(tmp_path), "../net.npz")
