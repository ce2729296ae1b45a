"""The version is written in `fcn/version.py`, repeated in CHANGELOG.md and CITATION.cff; read elsewhere."""

import re
import tomllib
from datetime import date
from pathlib import Path

from ruamel.yaml import YAML

import fcn

ROOT = Path(__file__).resolve().parents[2]
CITATION = YAML(typ="safe").load((ROOT / "CITATION.cff").read_text())
HEADINGS = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_the_newest_release_of_the_changelog_is_this_version() -> None:
    assert HEADINGS[0] == "Unreleased"
    version, day = re.fullmatch(r"(\S+) \((\S+)\)", HEADINGS[1]).groups()
    assert version == fcn.__version__
    assert date.fromisoformat(day)


def test_the_citation_is_of_this_version_and_day() -> None:
    assert str(CITATION["version"]) == fcn.__version__
    assert f"{CITATION['version']} ({CITATION['date-released']})" == HEADINGS[1]


def test_the_package_takes_its_version_from_the_code() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" in settings["project"]["dynamic"]
    assert settings["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "fcn.version.__version__"}


def test_releases_are_in_order() -> None:
    versions = [tuple(map(int, re.match(r"(\d+)\.(\d+)\.(\d+) ", one).groups())) for one in HEADINGS[1:]]
    assert versions == sorted(versions, reverse=True)
    assert len(versions) == len(set(versions))
