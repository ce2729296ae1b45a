"""Tests of the memory limit of a container, in files as Linux has them."""

from pathlib import Path

import pytest

from fcn.system import memory
from fcn.system.memory_limit import bytes_below_limit

VERSION_2 = {
    "memory.max": "4000000000\n",
    "memory.current": "1500000000\n",
    "memory.stat": "anon 1000000000\nfile 500000000\ninactive_file 300000000\nactive_file 200000000\n",
}
VERSION_1 = {
    "memory/memory.limit_in_bytes": "4000000000\n",
    "memory/memory.usage_in_bytes": "1500000000\n",
    "memory/memory.stat": "cache 1\ninactive_file 7\ntotal_inactive_file 300000000\n",
}


PLACES = (Path("/sys/fs/cgroup") / name for name in ("memory.max", "memory/memory.limit_in_bytes"))
LIMIT = next((path for path in PLACES if path.exists()), None)
"""The limit of the container that the tests run in, if any."""


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize("files", [VERSION_2, VERSION_1])
def test_what_is_left_below_the_limit(files: dict[str, str], tmp_path: Path) -> None:
    assert bytes_below_limit(write(tmp_path, files)) == 2_800_000_000


def test_more_than_the_limit_leaves_nothing(tmp_path: Path) -> None:
    files = VERSION_2 | {"memory.current": "4500000000\n"}
    assert bytes_below_limit(write(tmp_path, files)) == 0


@pytest.mark.parametrize("changed", [{"memory.max": "max\n"}, {"memory.max": ""}])
def test_no_limit(changed: dict[str, str], tmp_path: Path) -> None:
    assert bytes_below_limit(write(tmp_path, VERSION_2 | changed)) is None
    assert bytes_below_limit(tmp_path / "missing") is None


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="needs Linux")
def test_the_smaller_of_the_machine_and_the_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = tmp_path / "meminfo"
    machine.write_text("MemTotal: 9000000 kB\nMemAvailable:    5000000 kB\n")
    monkeypatch.setattr(memory, "_MACHINE", machine)
    monkeypatch.setattr(memory, "bytes_below_limit", lambda: 2_000_000_000)
    assert memory.available_bytes() == 2_000_000_000
    monkeypatch.setattr(memory, "bytes_below_limit", lambda: 2**63)
    assert memory.available_bytes() == 5_000_000 * 1024
    monkeypatch.setattr(memory, "bytes_below_limit", lambda: None)
    assert memory.available_bytes() == 5_000_000 * 1024


@pytest.mark.skipif(LIMIT is None, reason="needs a control group of its own")
def test_here() -> None:
    assert LIMIT is not None
    most, left = LIMIT.read_text().strip(), bytes_below_limit()
    assert left is None if most == "max" else left is not None and left <= int(most)
