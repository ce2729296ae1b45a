"""Remedies name what the caller can use."""

import argparse
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from fcn.cli.train import add_parser
from fcn.system.remedies import naming_options, other_run, resume_run, score_run, set_keys

HERE = Path(__file__).parents[2]


def test_remedies_are_python_unless_the_command_line_runs() -> None:
    assert eval(resume_run("a b"), {"fcn": Recorder()}) == ((None, "a b"), {"resume": True})
    assert eval(score_run("a b", "c", "val"), {"fcn": Recorder()}) == (("a b", "c", "val"), {})
    assert other_run() == "run_path=NAME"
    with naming_options():
        assert other_run() == "--run NAME"
        with naming_options():
            pass
        assert shlex.split(resume_run("a b")) == ["python", "-m", "fcn", "train", "--resume", "a b"]
    assert set_keys("train.steps=1") == "overrides=['train.steps=1']"


def test_values_are_quoted_for_a_shell() -> None:
    with naming_options():
        settings = ["augmentation.crop_size=[3, 4]", 'data.root="a #1"', "train.steps=1"]
        words = shlex.split(set_keys(*settings))
        command = shlex.split(score_run("a b", "it's", "val"))
    assert words == ["--set", settings[0], "--set", settings[1], "--set", settings[2]]
    assert command[-5:] == ["a b", "--data", "it's", "--split", "val"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("started", "training"),
    [
        ((sys.executable, "-m", "fcn", "infer"), f"{sys.executable} -m fcn train"),
        ((sys.executable, "infer.py"), f"{sys.executable} -m fcn train"),
        (("fcn", "infer"), "fcn train"),
    ],
)
def test_a_message_names_commands_as_the_program_was_started(
    started: tuple[str, ...], training: str, tmp_path: Path
) -> None:
    config = tmp_path / "configs" / "mine.yaml"  # a file of the user, and no recipe
    config.parent.mkdir()
    config.touch()
    program = [str(Path(sys.executable).parent / "fcn") if word == "fcn" else word for word in started[:1]]
    done = subprocess.run(
        [*program, *started[1:], config, "photographs", "--output", tmp_path / "labels"],
        cwd=HERE,
        env=os.environ | {"PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert f"Train it first ({training} {config} --run runs/mine)" in done.stderr


@pytest.mark.parametrize(
    ("program", "training"),
    [
        ("/usr/bin/fcn", ["fcn", "train"]),
        ("train.py", ["train.py"]),
        ("../a b/train.py", ["../a b/train.py"]),
    ],
)
def test_a_run_is_resumed_with_a_whole_command(
    program: str, training: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [program])
    monkeypatch.setattr(sys, "orig_argv", ["python3", program])
    with naming_options():
        words = shlex.split(resume_run("runs/a", "train.steps=9"))
    python = [] if program.endswith("fcn") else ["python3"]
    assert words == [*python, *training, "--resume", "runs/a", "--set", "train.steps=9"]


def test_help_as_fcn_names_recipes_that_have_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    for program, example in (
        ("/usr/bin/fcn", "fcn train voc_fcn8s --run"),
        ("train.py", "train.py configs/voc_fcn8s.yaml --run"),
    ):
        monkeypatch.setattr(sys, "argv", [program])
        commands = argparse.ArgumentParser().add_subparsers()
        add_parser(commands)
        assert example in commands.choices["train"].format_help()


class Recorder:
    def train(self, *arguments: object, **options: object) -> tuple[object, object]:
        return arguments, options

    evaluate = train
