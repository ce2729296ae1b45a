"""Tests of the table from which an engine is chosen."""

from pathlib import Path

import pytest

from fcn.errors import RunError
from fcn.inference.engines import table as engine_table
from fcn.inference.engines.exported import TABLE
from fcn.inference.engines.table import BFLOAT16_CPU, CPU, GPU, Choice, choose, read_table, write_table

INT8 = Choice("openvino", "int8", CPU, 0.99, 0.5)
ROUNDED = Choice("openvino", "bfloat16", BFLOAT16_CPU, 0.995)
EXACT = Choice("openvino", "float32", CPU, 1.0)
ON_GPU = Choice("tensorflow", "float32", GPU, 1.0)
FALLBACK = Choice("tensorflow", "float32", CPU, 1.0)
TABLE_OF_ALL = [INT8, ROUNDED, EXACT, ON_GPU, FALLBACK]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch):
    def have(*, gpus: int = 0, instructions: tuple[str, ...] = (), openvino: bool = True) -> None:
        monkeypatch.setattr(engine_table.keras.distribution, "list_devices", lambda kind: ["gpu:0"] * gpus)
        monkeypatch.setattr(engine_table, "bfloat16_instructions", lambda: instructions)
        monkeypatch.setattr(engine_table, "openvino_installed", lambda: openvino)

    return have


def test_a_table_comes_back_as_it_was_written(tmp_path: Path) -> None:
    assert read_table(tmp_path) == []
    write_table(tmp_path, TABLE_OF_ALL)
    assert read_table(tmp_path) == TABLE_OF_ALL


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", '{"engines": 3}', '{"engines": [{}]}', '{"engines": [{"a": 1}]}', '{"engines": [3]}'),
        *("[" * 100_000, " " * (2**20 + 1)),
    ],
    ids=range(8),
)
def test_a_damaged_table_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / TABLE).write_text(text)
    with pytest.raises(RunError, match=TABLE):
        read_table(tmp_path)


def test_an_engine_of_another_version_is_refused(tmp_path: Path) -> None:
    write_table(tmp_path, [Choice("abacus", "float32", CPU, 1.0)])
    with pytest.raises(RunError, match="abacus"):
        read_table(tmp_path)


def test_the_first_that_the_machine_has(machine) -> None:
    machine(instructions=("amx_bf16",))
    assert choose(TABLE_OF_ALL, "auto", "auto") == INT8
    assert choose(TABLE_OF_ALL[1:], "auto", "auto") == ROUNDED
    assert choose(TABLE_OF_ALL, "auto", "bfloat16") == ROUNDED
    assert choose(TABLE_OF_ALL, "auto", "float32") == EXACT
    machine()
    assert choose(TABLE_OF_ALL[1:], "auto", "auto") == EXACT
    assert choose(TABLE_OF_ALL, "auto", "bfloat16") is None
    machine(openvino=False)
    assert choose(TABLE_OF_ALL, "auto", "auto") == FALLBACK
    machine(gpus=1, instructions=("amx_bf16",))
    assert choose(TABLE_OF_ALL, "auto", "auto") == ON_GPU
    assert choose(TABLE_OF_ALL, "auto", "int8") is None
    assert choose([], "auto", "auto") is None
