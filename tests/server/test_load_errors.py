from pathlib import Path

import pytest

from fcn.errors import FcnError, RunError
from fcn.server.load_errors import describe_load_error


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/srv/my models/voc/3: cannot be read.", "cannot be read."),
        ("/srv/my models/voc/3/variables/data: is damaged.", "variables/data: is damaged."),
        ("Expected files in /srv/my models/voc/3.", "Expected files in the version."),
        ("No room (/var/lib/cache/x.bin). Received: 1/3 of 2.", "No room (x.bin). Received: 1/3 of 2."),
        ("See https://example.com/a/b; try fcn/cli.", "See https://example.com/a/b; try fcn/cli."),
    ],
)
def test_paths_of_the_server_are_left_out(text, expected):
    assert describe_load_error(RunError(text), Path("/srv/my models/voc/3")) == expected


def test_a_relative_version_is_left_out_under_each_of_its_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "voc" / "3").mkdir(parents=True)
    (tmp_path / "voc" / "link").symlink_to("3")
    for place in ("voc/link", f"{tmp_path}/voc/link", f"{tmp_path}/voc/3"):
        assert describe_load_error(FcnError(f"{place}: is damaged."), Path("voc/link")) == "is damaged."


def test_the_text_of_an_unexpected_error_stays_in_the_log():
    assert "secret" not in describe_load_error(KeyError("/srv/secret"), Path("/srv/voc/3"))
