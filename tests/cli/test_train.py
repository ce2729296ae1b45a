"""The arguments of `fcn train`: a configuration, a run to resume, or both."""

import shutil
from pathlib import Path

import pytest

from fcn.cli.main import main
from fcn.cli.train import _print_best_step
from fcn.report.page import is_finished_report
from fcn.runs.folder import RunFolder
from fcn.runs.log import COLUMNS, read_log

pytestmark = pytest.mark.usefixtures("eager")

RECIPE = """
data: {root: ROOT}
augmentation: {crop_size: [16, 16]}
model: {width: 0.03125, fc_channels: 8}
train: {steps: 2, batch_size: 2, learning_rate: 0.01}
"""


def run(*arguments: object) -> int:
    """Runs `fcn train` in this process; returns its exit code."""
    with pytest.raises(SystemExit) as stopped:
        main(["train", *map(str, arguments)])
    return int(stopped.value.code or 0)


@pytest.fixture(scope="module")
def folder(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recipe and a finished run."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "recipe.yaml").write_text(RECIPE.replace("ROOT", str(dataset)))
    assert run(folder / "recipe.yaml", "--run", folder / "run") == 0
    return folder


def scored_steps(path: Path) -> list[str]:
    return [row["step"] for row in read_log(path / "log.csv") if row["mean_iou"]]


@pytest.mark.slow
def test_a_finished_run_says_so_at_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (
        ["--resume", folder / "run"],
        ["--resume", folder / "recipe.yaml", "--run", folder / "run"],
        [folder / "recipe.yaml", "--resume", "--run", folder / "run"],
        [folder / "recipe.yaml", "--run", folder / "run", "--resume"],
        [folder / "recipe.yaml", "--resume", folder / "run"],
        [folder / "recipe.yaml", "--resume", folder / "run", "--set", "train.epochs=1"],
        ["--resume", folder / "run", "--run", folder / "elsewhere" / ".." / "run"],
        ["--run", folder / "run", "--resume"],
    ):
        capsys.readouterr()
        assert run(*arguments) == 0
        output = capsys.readouterr()
        place = arguments[1] if arguments[0] == "--resume" and len(arguments) == 2 else folder / "run"
        assert output.out.splitlines() == [
            f"{place}: finished at step 2.",
            f"To train longer: python -m fcn train --resume {place} --set train.steps=4",
        ]


@pytest.mark.slow
def test_a_run_is_made_longer_with_its_name_alone(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(folder / "run", tmp_path / "run")
    assert run("--resume", tmp_path / "run", "--set", "train.steps=3") == 0
    output = capsys.readouterr()
    assert "train.steps: 2 -> 3" in output.err
    assert scored_steps(tmp_path / "run") == ["2", "3"]
    assert run("--resume", tmp_path / "run") == 0
    assert "finished at step 3" in capsys.readouterr().out


@pytest.mark.slow
def test_what_cannot_be_resumed_is_one_message(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other").mkdir()
    for arguments, said in (
        ([], "Expected CONFIG, a YAML file, or --resume RUN, the folder of a run."),
        (["--resume"], "Expected CONFIG, a YAML file, or --resume RUN, the folder of a run."),
        (["--resume", tmp_path / "other"], f"{tmp_path / 'other'}: is not a run folder"),
        (["--resume", tmp_path / "missing"], f"{tmp_path / 'missing'}: is not a run folder"),
        (["--resume", tmp_path / "missing"], f"python train.py CONFIG --run {tmp_path / 'missing'}"),
        (["--resume", tmp_path / "other", "--stages"], "A training with --stages also needs CONFIG."),
        (["--resume", folder / "run", "--run", tmp_path / "new"], "name two run folders. Leave one out."),
        ([folder / "recipe.yaml", "--resume", tmp_path / "missing"], "is not a run folder"),
        (["--resume", tmp_path / "missing.yaml"], f"{tmp_path / 'missing.yaml'}: cannot be read"),
        (["--resume", folder / "run", "--set", "train.step=3"], "Did you mean train.steps?"),
        (["--resume", folder / "run", "--set", "train.seed=3"], "train.seed: 0 -> 3"),
        (
            [folder / "recipe.yaml", "--run", folder / "run"],
            "already holds a run. Resume it with python -m fcn train --resume",
        ),
    ):
        capsys.readouterr()
        assert run(*arguments) == 2
        errors = capsys.readouterr().err
        assert errors.startswith("Error: ")
        assert said in errors
    assert scored_steps(folder / "run") == ["2"]


@pytest.mark.slow
def test_a_run_without_its_last_report_is_not_finished(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(folder / "run", tmp_path / "run")
    report = tmp_path / "run" / "report.html"
    report.write_text('<meta http-equiv="refresh" content="30">')
    assert run("--resume", tmp_path / "run") == 0
    assert "finished at" not in capsys.readouterr().out
    assert is_finished_report(report)


@pytest.mark.parametrize(("scores", "told"), [('{"step": 2}', True), ('{"step": 4}', False), ("{}", False)])
def test_scores_that_are_not_the_last_are_said(
    scores: str, told: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = RunFolder(tmp_path)
    found.scores.write_text(scores)
    rows = [",".join(COLUMNS), *(f"{step},,,,,0.5,0.5,0.{step},0.5,1" for step in (2, 4))]
    found.log.write_text("\n".join(rows) + "\n")
    _print_best_step(found)
    line = "These are the scores after step 2, the best; those after step 4 are not higher.\n"
    assert capsys.readouterr().out == told * line
