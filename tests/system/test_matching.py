"""Tests of regular expressions of users, which are matched in a process of their own."""

import subprocess
import sys
from collections.abc import Callable

import pytest

from fcn.errors import BackendError, ConfigError
from fcn.system.matching import search_names


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        (r"^(.*)_frame", ["a b/été", None, "\udc80"]),
        (r"_frame", ["_frame", None, "_frame"]),
        (r"(x)?_", ["_", None, "_"]),
        (r"", ["", "", ""]),
    ],
)
def test_the_first_group_or_the_match_is_found(pattern: str, found: list[str | None]) -> None:
    assert search_names(pattern, ["a b/été_frame1", "\0", "\udc80_frame"], 60, "--group-by") == found


@pytest.mark.parametrize(
    "pattern", ["(", "[", "*", "(?P<a>a)(?P<a>b)", "(" * 5000 + ")" * 5000, "a{99999999999}"]
)
def test_what_is_not_a_regular_expression_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigError, match="is not a regular expression"):
        search_names(pattern, ["a"], 60, "--group-by")


def test_a_process_that_cannot_start_is_an_error_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(BackendError, match="Allow more processes or memory"):
        search_names("a", ["a"], 60, "--group-by")


def test_a_process_that_ends_is_an_error_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    run: Callable[..., object] = subprocess.run
    monkeypatch.setattr(
        subprocess, "run", lambda _, **options: run([sys.executable, "-c", "exit(3)"], **options)
    )
    with pytest.raises(BackendError, match="exit code 3"):
        search_names("a", ["a"], 60, "--group-by")
