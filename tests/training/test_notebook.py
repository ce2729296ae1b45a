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
    """try:
    fcn.train(config, 'run')
except Exception as error:
    print(error)""",
]


def run_cells(folder: Path) -> list[list[nbformat.NotebookNode]]:
    """Executes the cells in a kernel of their own, and returns the outputs of each."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    client = NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(folder)}})
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
    imported, _, trained, shown, refused = run_cells(tmp_path)
    assert imported == []
    assert [printed(outputs, "stderr") for outputs in (trained, shown, refused)] == ["", "", ""]
    text = printed(trained, "stdout")
    assert "Steps: 4 of 1 image each" in text
    assert "oneDNN" not in text
    (table,) = pages(trained)
    assert table.startswith("<table><tr><th>step</th><th>mean IoU</th>")
    steps = [row.partition("</td>")[0] for row in table.split("<tr><td>")[1:]]
    assert "ground everywhere, as before the first step," in steps or "before the first step" in steps
    assert steps[-2:] == ["2", "4"]
    bars = [one for one in trained if one.output_type == "display_data" and "text/html" not in one.data]
    assert bars
    assert all(one.data["text/plain"] == "" for one in bars)  # they are gone at the end
    assert "<td>mean IoU</td>" in pages(shown)[0]
    assert "Resume it with fcn.train(None, 'run', resume=True)" in printed(refused, "stdout")
    assert "--" not in printed(refused, "stdout")
