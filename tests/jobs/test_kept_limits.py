"""Tests of the limits that a job keeps and that may change."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fcn.errors import OutputError
from fcn.jobs.kept_limits import keep_limits, read_limits, read_memory
from fcn.jobs.reading import LIMITS
from fcn.jobs.store import STORE_NAME, JobStore


def test_limits_are_kept_until_others_are_given(tmp_path: Path) -> None:
    with closing(JobStore(tmp_path)) as store:
        assert (read_memory(store), read_limits(store)) == (None, LIMITS)
        keep_limits(store, gigabytes=3.5, megapixels=500)
    with closing(JobStore(tmp_path)) as store:
        keep_limits(store)
        assert (read_memory(store), read_limits(store)) == (3.5, LIMITS._replace(pixels=500_000_000))
        keep_limits(store, megapixels=1)
        assert (read_memory(store), read_limits(store).pixels) == (3.5, 1_000_000)


@pytest.mark.parametrize("value", ["0", "1001", "-5", "1.5", "many", "[1, 2]"])
def test_a_size_that_no_option_can_give_is_damage(value: str, tmp_path: Path) -> None:
    JobStore(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / STORE_NAME)) as connection, connection:
        connection.execute("INSERT INTO settings VALUES ('max_megapixels', ?)", (value,))
    with pytest.raises(OutputError, match="wrong value of the setting 'max_megapixels'"):
        JobStore(tmp_path)
