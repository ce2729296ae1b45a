from pathlib import Path

import pytest

from fcn.errors import DataError
from fcn.runs.log import COLUMNS, read_log

HEAD = ",".join(COLUMNS) + "\n"


def test_rows_come_back_as_text_by_column(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(HEAD + "20,2,0.1,,,,,,,\n10,,,,,0.9,0.8,0.25,0.7,1.5\n")
    first, second = read_log(tmp_path / "log.csv")
    assert list(first.values()) == ["20", "2", "0.1", "", "", "", "", "", "", ""]
    assert list(second) == list(COLUMNS)
    assert (second["step"], second["pixel_accuracy"], second["mean_iou"]) == ("10", "0.9", "0.25")


@pytest.mark.parametrize(
    "end",
    [
        "20,0.",
        "20,0.5,0.1,9,1,,,,,,7\n",
        "x,1,,,,,,,,\n",
        "\0" * 4096,
        "²,,,,,,,,,\n",
        "\n\n",
        "\xff,,,,,,,,,",
    ],
)
def test_what_a_crash_left_is_left_out(tmp_path: Path, end: str) -> None:
    (tmp_path / "log.csv").write_bytes((HEAD + "10,1,,,,,,,,\n").encode() + end.encode("latin-1"))
    assert [row["step"] for row in read_log(tmp_path / "log.csv")] == ["10"]


def test_the_log_of_another_version_keeps_the_columns_both_know(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("step,moon,loss\n10,full,0.5\n")
    (row,) = read_log(tmp_path / "log.csv")
    assert row == dict.fromkeys(COLUMNS, "") | {"step": "10", "loss": "0.5"}


@pytest.mark.parametrize("content", ["holiday,photos\n1,2\n", HEAD + "1," + "9" * 200_000 + ",,,,,,,,\n"])
def test_another_file_is_no_log(tmp_path: Path, content: str) -> None:
    (tmp_path / "log.csv").write_text(content)
    with pytest.raises(DataError, match=r"log\.csv: is not a log"):
        read_log(tmp_path / "log.csv")


def test_a_folder_in_place_of_a_log_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_log(tmp_path)
