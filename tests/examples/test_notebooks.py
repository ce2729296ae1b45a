"""Notebooks run in an empty folder, and the outputs that are stored in them are those of today."""

from pathlib import Path

import pytest
from executed_notebooks import FOLDER, NAMES, code_cells, execute, read_notebook, shown

MOST_BYTES = 200_000


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_shows_what_is_stored_in_it(name: str, tmp_path: Path) -> None:
    stored, executed = read_notebook(name), read_notebook(name)
    execute(executed, tmp_path)  # an error in a cell ends it
    for cell, now in zip(code_cells(stored), code_cells(executed), strict=True):
        assert shown(now) == shown(cell), f"Run `make notebooks` after a look at this cell:\n{cell.source}"


@pytest.mark.parametrize("name", NAMES)
def test_a_stored_notebook_is_small_whole_and_names_no_machine(name: str) -> None:
    path = FOLDER / f"{name}.ipynb"
    assert path.stat().st_size < MOST_BYTES
    text = path.read_text()
    assert not any(place in text for place in ("/tmp", "/home", "/work", "/root", "C:\\\\"))
    cells = code_cells(read_notebook(name))
    assert [cell.execution_count for cell in cells] == [*range(1, len(cells) + 1)]
    assert sum(len(cell.outputs) for cell in cells) > len(cells) // 2
    assert not any(
        output.output_type == "error" or output.get("name") == "stderr"
        for cell in cells
        for output in cell.outputs
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_installs_the_package_where_it_is_missing(name: str) -> None:
    first = code_cells(read_notebook(name))[0].source
    assert 'find_spec("fcn") is None' in first
    assert "%pip install --quiet {SOURCE}" in first


@pytest.mark.parametrize("name", NAMES)
def test_text_beside_tables_and_pictures_is_short(name: str) -> None:
    for cell in code_cells(read_notebook(name)):
        for output in cell.outputs:
            assert len(output.get("data", {}).get("text/plain", "")) < 2000, cell.source


def test_all_notebooks_are_tested() -> None:
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == {*NAMES}
