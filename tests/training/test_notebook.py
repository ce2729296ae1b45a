"""A training in an executed notebook: what its cells show."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
CELLS = [
    f"import sys; sys.path.insert(0, {str(ROOT)!r}); import fcn",
    "config = fcn.load_config('recipe.yaml')",
    "result = fcn.train(config, 'run')",
    "result",
    "fcn.train(None, 'run', resume=True);",
    "config.train.steps\nfcn.train(config, 'run')",
    # A graph for the last training takes longer than its steps.
    f"sys.path.insert(0, {str(ROOT / 'tests')!r}); from eager_training import eager_training\n"
    "eager = eager_training(); eager.__enter__();",
    "fcn.train(config, 'diverging', overrides=['train.optimizer=sgd', 'train.learning_rate=1e9', "
    "'model.batch_normalization=true'])",
]


def run_cells(folder: Path) -> list[list[nbformat.NotebookNode]]:
    """Executes the cells in a kernel of their own, and returns the outputs of each."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    client = NotebookClient(
        notebook, timeout=900, allow_errors=True, resources={"metadata": {"path": str(folder)}}
    )
    client.create_kernel_manager()
    client.km.transport = "ipc"
    client.km.ip = str(folder / "kernel")
    client.execute(cwd=str(folder))
    return [cell.outputs for cell in notebook.cells]


def printed(outputs: list[nbformat.NotebookNode], stream: str) -> str:
    return "".join(one.text for one in outputs if one.output_type == "stream" and one.name == stream)


def pages(outputs: list[nbformat.NotebookNode]) -> list[str]:
    return [one.data["text/html"] for one in outputs if "text/html" in one.get("data", {})]


def test_a_notebook_shows_bars_and_tables_without_noise(make_dataset, tmp_path: Path) -> None:
    root = make_dataset(tmp_path / "data", {"train": ["a", "b"], "val": ["c"]})
    (tmp_path / "recipe.yaml").write_text(
        f"data: {{root: '{root}'}}\naugmentation: {{crop_size: [32, 32]}}\n"
        "model: {width: 0.03125, fc_channels: 8}\n"
        "train: {steps: 4, batch_size: 1, evaluate_steps: 2, checkpoint_steps: 2, learning_rate: 0.01}\n"
    )
    imported, _, trained, shown, finished, (refused,), eager, diverging = run_cells(tmp_path)
    assert imported == eager == []
    for outputs in (trained, shown, finished):  # noise labels: that they are not learned may be told
        warnings = printed(outputs, "stderr").splitlines()
        assert all(line.startswith(("Warning: At step 4: ", "  ")) for line in warnings)
    text = printed(trained, "stdout")
    assert "Steps: 4 of 1 image each" in text
    assert "oneDNN" not in text
    (table,) = pages(trained)
    assert table.startswith("<table><tr><th>step</th><th>mean IoU</th>")
    steps = [row.partition("</td>")[0] for row in table.split("<tr><td>")[1:]]
    assert "ground everywhere, as before the first step," in steps or "before the first step" in steps
    assert steps[-2:] == ["2", "4"]
    changes = [row.split("</td><td>")[2] for row in table.split("<tr><td>")[1:]]
    assert changes[-2] == ""
    assert float(changes[-1]) < 100
    bars = [one for one in trained if one.output_type == "display_data" and "text/html" not in one.data]
    assert bars
    assert all(one.data["text/plain"] == "" for one in bars)  # they are gone at the end
    assert "<td>mean IoU</td>" in pages(shown)[0]
    lines = printed(finished, "stdout").splitlines()
    assert lines[:2] == [
        "run: finished at step 4.",
        "To train longer: fcn.train(None, 'run', resume=True, overrides=['train.steps=8'])",
    ]
    # A user's mistake: the line of the cell and the remedy, not what this package did on the way.
    assert refused.output_type == "error"
    assert refused.traceback[0] == "Line 2: fcn.train(config, 'run')"
    assert " ".join(" ".join(refused.traceback[1:]).split()) == (
        "RunError: run: already holds a run. Resume it with fcn.train(None, 'run', resume=True), or delete "
        "the folder to start over. To start another run: run_path=NAME, or from its net: run_path=NAME, "
        "overrides=['model.weights=run']."
    )
    # Cells break long lines wherever they end, so they are broken at words before.
    assert max(map(len, [*text.splitlines(), *refused.traceback])) <= 110
    assert "run/report.html in a browser, which reloads it; or tensorboard" in " ".join(text.split())
    # A warning is on stderr, which is red, and what ends the training is an error, both in Python's words.
    warning = printed(diverging, "stderr")
    assert " ".join(warning.split()).startswith("Warning: Before step 1: batch normalization sees one image")
    assert max(map(len, warning.splitlines())) <= 110
    said = next(one for one in diverging if one.output_type == "error").traceback
    assert said[1].startswith("NonFiniteLossError: The loss became nan at step ")
    assert "run_path=NAME, overrides=['train.learning_rate=1e+08']" in " ".join(" ".join(said).split())
    assert not any(option in " ".join(said) + warning for option in ("--set", "--run", "--resume"))
