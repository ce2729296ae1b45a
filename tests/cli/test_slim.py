"""What `fcn slim` refuses before it reads anything, and its defaults."""

import argparse
import inspect
from pathlib import Path

import pytest

from fcn.cli import slim as command
from fcn.cli.main import main
from fcn.slimming.options import CHANNELS_BY
from fcn.slimming.slim import slim
from fcn.slimming.until_drop import slim_until_drop


def refuse(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stopped:
        main(["slim", *arguments])
    assert stopped.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", "--size", "200"], "argument --size: expected HxW in pixels"),
        (["run", "--images", "-1"], "argument --images: expected a whole number of 0 or more"),
        (["run", "--limit", "-1"], "argument --limit: expected a whole number of 0 or more"),
        (["run", "--until-drop", "1", "--most-steps", "0"], "argument --most-steps: expected a whole number"),
        (["run", "--most-steps", "3"], "--most-steps: is only used by --until-drop"),
        (["run", "--factor", "0.5"], "--factor: is only used by --until-drop"),
        (["run", "--set", "train.steps=1"], "--set: is only used by --until-drop"),
        (["run", "--until-drop", "1", "--fc-channels", "9"], "--fc-channels: is not used by --until-drop"),
        (["/"], "/: has no name to call the small net by. Give --output."),
    ],
)
def test_options_that_cannot_be_used_are_refused(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert expected in refuse(arguments, capsys)


@pytest.mark.parametrize("run", [".", "../here", "below/.."])
def test_a_run_that_is_the_current_folder_has_a_name(
    run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "here" / "below").mkdir(parents=True)
    (tmp_path / "here-small").mkdir()
    (tmp_path / "here-small" / "kept").touch()
    monkeypatch.chdir(tmp_path / "here")
    assert "here-small" in refuse([run], capsys)


def test_defaults_are_those_of_the_functions() -> None:
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    options = parser.parse_args(["slim", "run"])
    for function in (slim, slim_until_drop):
        defaults = inspect.signature(function).parameters
        assert options.images == defaults["images"].default
        assert options.size == defaults["size"].default
        assert options.limit == defaults["scored_images"].default
    assert options.channels_by is None  # a series goes on as it began
    assert inspect.signature(slim).parameters["channels_by"].default == CHANNELS_BY
    assert inspect.signature(slim_until_drop).parameters["channels_by"].default is None
