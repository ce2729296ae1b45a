"""`fcn compare`, as a user types it."""

import json
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import pytest
from html_page import Page

from fcn.cli.main import main
from fcn.config.file import load_config
from fcn.evaluation.evaluate import evaluate
from fcn.inspection.facts import inspect_model
from fcn.models.fcn import FCN
from fcn.runs.model_file import load_model

pytestmark = pytest.mark.usefixtures("eager")

CONFIG = """
data: {{root: {root}}}
augmentation: {{crop_size: [24, 24]}}
model: {{width: 0.03125, fc_channels: 8}}
train: {{steps: 5, batch_size: 2, learning_rate: 0.01}}
"""


class Ran(NamedTuple):
    code: int
    output: str
    errors: str


def run(*arguments: object) -> Ran:
    output, errors = StringIO(), StringIO()
    with (
        redirect_stdout(output),
        redirect_stderr(errors),
        pytest.raises(SystemExit) as stopped,
    ):
        main([str(argument) for argument in arguments])
    return Ran(int(stopped.value.code or 0), output.getvalue(), errors.getvalue())


def times_of(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


class Compared(NamedTuple):
    root: Path
    config: Path
    output: Path
    model: Path
    ran: Ran


@pytest.fixture(scope="module")
def compared(make_dataset, tmp_path_factory: pytest.TempPathFactory) -> Compared:
    """A net that is trained, and one that is loaded and of no run."""
    folder = tmp_path_factory.mktemp("compare")
    root = make_dataset(folder / "data", {"train": ["a", "b"], "val": ["x", "y", "z"]})
    config, output, model = folder / "thin.yaml", folder / "out", folder / "alone.keras"
    config.write_text(CONFIG.format(root=root))
    FCN(3, stride=32, width=1 / 32, fc_channels=8, class_names=("ground", "cat", "dog")).save(model)
    ran = run(
        *("compare", config, model, "--nets", "frontend", "--steps", 2, "--output", output),
        *("--images", 2, "--json"),
    )
    assert ran.code == 0, ran.errors
    return Compared(root, config, output, model, ran)


@pytest.mark.slow
def test_a_configuration_is_trained_into_a_run(compared: Compared) -> None:
    run_path = compared.output / "frontend"
    assert f"Training frontend (1 of 1) in {run_path}." in compared.ran.errors
    assert "absl" not in compared.ran.errors
    wanted = load_config(compared.config, ["model.net=frontend", "train.steps=2"])
    assert load_config(run_path / "config.yaml") == wanted


@pytest.mark.slow
def test_numbers_are_those_of_the_other_commands(compared: Compared) -> None:
    document = json.loads(compared.ran.output)
    assert document == json.loads((compared.output / "comparison.json").read_text())
    assert (document["size"], document["num_images"]) == ([20, 26], 3)
    trained, loaded = document["nets"]
    assert (trained["name"], trained["net"]) == ("frontend", "frontend")
    assert (loaded["name"], loaded["net"]) == ("alone", "fcn32s")
    for found, path in ((trained, compared.output / "frontend"), (loaded, compared.model)):
        model = load_model(path)
        assert found["parameters"] == model.count_params()
        assert found["gflop"] == inspect_model(model, (20, 26)).gflop
        assert 0 < found["label_ms_fastest"] <= found["label_ms"] <= found["label_ms_slowest"]
        # TensorFlow alone takes some hundred MiB.
        assert 100 < found["label_idle_mib"] < found["label_peak_mib"] < 4000
    evaluation = evaluate(compared.output / "frontend", compared.root, boundary=True)
    assert trained["mean_iou"] == evaluation.scores.mean_iou
    assert trained["pixel_accuracy"] == evaluation.scores.pixel_accuracy
    assert trained["mean_boundary_iou"] == evaluation.boundary.mean_boundary_iou
    assert (trained["steps"], trained["seed"], trained["batch_size"]) == (2, 0, 2)
    assert 0 < trained["training_minutes"] < 10
    assert trained["train_step_ms"] > 0
    assert trained["train_step_peak_mib"] > trained["train_step_idle_mib"]
    unknown = [loaded[key] for key in ("train_step_ms", "steps", "seed", "training_minutes")]
    assert unknown == [None] * 4


@pytest.mark.slow
def test_the_page_shows_both(compared: Compared) -> None:
    text = (compared.output / "comparison.html").read_text().replace("<br>", "")
    page = Page(text)
    assert page.open == []
    assert len(page.all("img")) == 2 * (2 + 2)
    assert len(page.all("circle")) == 2
    assert "fcn compare" in page.text
    assert "--steps 2" in page.text


@pytest.mark.slow
def test_another_configuration_of_a_run_is_refused(compared: Compared) -> None:
    before = times_of(compared.output)
    ran = run("compare", compared.config, "--nets", "fcn16s,frontend", "--output", compared.output)
    assert (ran.code, ran.output) == (2, "")
    assert f"{compared.output / 'frontend'}: was trained with another configuration" in ran.errors
    assert "train.steps: 2 -> 5" in ran.errors
    assert times_of(compared.output) == before


@pytest.mark.exhaustive
def test_what_was_trained_by_itself_is_taken(compared: Compared, tmp_path: Path) -> None:
    output = tmp_path / "out"
    changes = ("--set", "model.net=fcn32s", "--set", "train.steps=2", "--set", "train.seed=4")
    assert run("train", compared.config, "--run", output / "fcn32s", *changes).code == 0
    before = times_of(output)
    ran = run(
        *("compare", compared.config, "--nets", "fcn32s,fcn16s", "--output", output),
        *("--set", "train.steps=2", "--seed", 4),
    )
    assert ran.code == 0, ran.errors
    assert "Training fcn16s (1 of 1)" in ran.errors
    assert before.items() <= times_of(output).items()


@pytest.mark.exhaustive
def test_models_as_a_table(compared: Compared, tmp_path: Path) -> None:
    folder = compared.output / "frontend"
    ran = run(
        *("compare", folder, folder / "checkpoints" / "last.keras", compared.model, "--split", "train"),
        *("--size", "16x32", "--output", tmp_path / "out"),
    )
    assert ran.code == 0, ran.errors
    lines = ran.output.splitlines()
    assert max(map(len, lines)) <= 100
    cells = [line.split() for line in lines if line.strip()]
    rows = {name: row for name, *row in cells if len(row) > 11 and row[0].endswith("%")}
    assert rows.keys() == {"frontend", "frontend-last", "alone"}
    # Of a model of no run, nobody knows how it was trained.
    assert rows["alone"][-4:] == ["-"] * 4
    assert rows["frontend-last"][-2] == "2"
    assert "one image of 16x32" in ran.output
    assert "Warning: frontend: " in ran.errors
    assert "was trained on 2 of the 2 scored images" in ran.errors
    assert f"Wrote {tmp_path / 'out'}/: comparison.html, comparison.json." in ran.output


@pytest.mark.exhaustive
def test_a_net_that_cannot_be_trained_ends_it_and_what_was_trained_stays(
    compared: Compared, tmp_path: Path
) -> None:
    good = tmp_path / "good.yaml"
    good.write_text(CONFIG.format(root=compared.root))
    wild = tmp_path / "wild.yaml"
    wild.write_text(good.read_text().replace("0.01", "1.0e+30"))
    command = ("compare", good, wild, "--steps", 3, "--output", tmp_path / "out")
    ran = run(*command)
    assert (ran.code, ran.output) == (1, "")
    assert "Training wild (2 of 2)" in ran.errors
    assert "step" in ran.errors.splitlines()[-1]
    kept = times_of(tmp_path / "out" / "good")
    assert kept
    ran = run(*command)
    assert ran.code == 1
    assert "Training wild (1 of 1)" in ran.errors
    assert times_of(tmp_path / "out" / "good") == kept


def test_a_place_that_cannot_be_written_is_told_first(make_dataset, tmp_path: Path) -> None:
    root = make_dataset(tmp_path / "data", {"train": ["a"], "val": ["x"]})
    config = tmp_path / "thin.yaml"
    config.write_text(CONFIG.format(root=root))
    (tmp_path / "file").touch()
    (tmp_path / "taken" / "comparison.html").mkdir(parents=True)
    for output, said in (("file", "comparison.json: cannot be written"), ("taken", "Received: a folder")):
        ran = run("compare", config, "--output", tmp_path / output)
        assert (ran.code, ran.output) == (2, "")
        assert f"{tmp_path / output}/" in ran.errors
        assert said in ran.errors
        assert "inspecting" not in ran.errors
    assert [path.name for path in (tmp_path / "taken").iterdir()] == ["comparison.html"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "CONFIG_OR_MODEL"),
        (["a.yaml", "--nets", "fcn8s,fcn7s"], "expected names separated by commas"),
        (["a.yaml", "--nets", "fcn8s,fcn8s"], "each once"),
        (["a.yaml", "--size", "64"], "expected HxW in pixels"),
        (["a.yaml", "--steps", "0"], "1 or more"),
        (["none.yaml"], "none.yaml: cannot be read"),
        (["none.keras"], "none.keras: no such model"),
    ],
)
def test_mistakes_are_told(arguments: list[str], said: str) -> None:
    ran = run("compare", *arguments)
    assert (ran.code, ran.output) == (2, "")
    assert said in ran.errors


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--vary", "train.seed=1,01"], "--vary train.seed: expected different values. Received: 1, 01"),
        (["--vary", "train.learningrate=1,2"], "Did you mean train.learning_rate?"),
        (["--vary", "train.seed=1", "--vary", "train.steps=2,3", "--halving"], "--halving: sets the steps"),
        (["--halving"], "--halving: expected at least 2 nets"),
    ],
)
def test_mistakes_in_a_grid_are_told(arguments: list[str], said: str, make_dataset, tmp_path: Path) -> None:
    root = make_dataset(tmp_path / "data", {"train": ["a"], "val": ["x"]})
    config = tmp_path / "thin.yaml"
    config.write_text(CONFIG.format(root=root))
    ran = run("compare", config, *arguments, "--output", tmp_path / "out")
    assert (ran.code, ran.output) == (2, "")
    assert said in ran.errors
    assert not (tmp_path / "out").exists()


@pytest.mark.exhaustive
def test_a_grid_in_rungs_with_a_rate_that_is_too_high(compared: Compared, tmp_path: Path) -> None:
    ran = run(
        *("compare", compared.config, "--vary", "train.learning_rate=1e-2,1e30", "--steps", 8, "--json"),
        *("--nets", "fcn32s,frontend", "--halving", "--output", tmp_path / "out", "--images", 1),
    )
    assert ran.code == 1
    first_line = "4 trainings in rungs: 4 to step 2, 2 to step 4, 1 to step 8; 16 steps in place of 32."
    assert ran.errors.startswith(first_line)
    document = json.loads(ran.output)
    failed = {"fcn32s, 1e+30", "frontend, 1e+30"}
    assert document["failures"].keys() == failed
    assert {net["name"]: net["steps"] for net in document["nets"]}.keys() == {
        "fcn32s, 0.01",
        "frontend, 0.01",
    }
    # Of the two that are left, the better half goes through both rungs that remain.
    assert sorted(net["steps"] for net in document["nets"]) == [2, 8]
    last = ran.errors.splitlines()[-1]
    assert all(name in last for name in failed)
    assert "could not be trained; see the reason above" in last
    page = Page((tmp_path / "out" / "comparison.html").read_text().replace("<br>", ""))
    assert "train.learning_rate" in page.text
    assert "Successive halving" in page.text
    # As a table, from what is there: only what failed is tried again.
    ran = run(
        *("compare", compared.config, "--vary", "train.learning_rate=1e-2,1e30", "--steps", 8, "--images", 1),
        *("--nets", "fcn32s,frontend", "--halving", "--output", tmp_path / "out"),
    )
    assert ran.code == 1
    assert "Training fcn32s, 0.01" not in ran.errors
    assert "Mean IoU in each rung" in ran.output
