"""Executes the notebooks of `examples/notebooks`: tests compare what they show, `make notebooks` stores it.

As a program it executes them in temporary folders and writes their outputs into them.
"""

import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "examples" / "notebooks"
NAMES = ("quickstart", "own_labels")
_SECONDS = 1800


def read_notebook(name: str) -> nbformat.NotebookNode:
    """Returns a notebook as it is in the repository."""
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def execute(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Executes all cells in a kernel of their own, and replaces their outputs.

    Args:
        notebook: The notebook; changed.
        folder: Where the kernel runs.
    """
    client = NotebookClient(notebook, timeout=_SECONDS, resources={"metadata": {"path": str(folder)}})
    client.create_kernel_manager()
    client.km.transport = "ipc"
    client.km.ip = str(folder / "kernel")
    client.execute(cwd=str(folder))
    for cell in code_cells(notebook):
        cell.outputs = _tidy(cell.outputs)
        cell.metadata.pop("execution", None)


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """Returns the cells with code."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shown(cell: nbformat.NotebookNode) -> list[str]:
    """Returns what a cell shows, as far as it is the same on other machines: kinds of outputs, and words.

    Numbers and times are left out, and lines that come once in a while, or differ between machines: steps,
    the device, warnings and the classes of a prediction, which the last digit of a number may decide.
    """
    seen: list[str] = []
    for output in cell.outputs:
        if output.output_type == "stream":
            words = _words(
                re.sub(r"^(?:step |Device|Warning|Prediction).*\n?(?:  .*\n?)*", "", output.text, flags=re.M)
            )
            if words and seen and seen[-1].startswith(f"{output.name}: "):
                seen[-1] += f" {words}"
            elif words:
                seen.append(f"{output.name}: {words}")
        else:
            titles = re.findall(r"<(?:th|div)>(.*?)</", output.data.get("text/html", ""))
            kinds = ", ".join(sorted({re.sub("^image/.*", "image", kind) for kind in output.data}))
            seen.append(f"{output.output_type}, {kinds}: {_words(' '.join(titles))}")
    return seen


def text_of(notebook: nbformat.NotebookNode) -> str:
    """Returns all text that a notebook shows, as plain text, with its numbers."""
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    return "\n".join(output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs)


def _words(text: str) -> str:
    """Returns the words of a text that have no digits."""
    return " ".join(re.findall(r"(?<!\S)[A-Za-z_,.:'()]+(?!\S)", text))


def _tidy(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """Returns outputs without progress bars, which are empty at the end, with streams in one piece each.

    Pillow shows a picture as PNG and as JPEG; the smaller one is kept.

    Args:
        outputs: The outputs of a cell; pictures are removed from them.
    """
    kept: list[nbformat.NotebookNode] = []
    for output in outputs:
        pictures = sorted(
            (kind for kind in output.get("data", {}) if kind.startswith("image/")),
            key=lambda kind: len(output.data[kind]),
        )
        for kind in pictures[1:]:
            del output.data[kind]
        if output.output_type == "stream" and kept and kept[-1].get("name") == output.name:
            kept[-1].text += output.text
        elif output.get("data", {}) != {"text/plain": ""}:
            kept.append(output)
    return kept


def main() -> None:
    """Executes the notebooks that are named, or all, and stores their outputs."""
    for name in sys.argv[1:] or NAMES:
        notebook = read_notebook(name)
        with TemporaryDirectory() as folder:
            execute(notebook, Path(folder))
        nbformat.write(notebook, FOLDER / f"{name}.ipynb")


if __name__ == "__main__":
    main()
