"""Tests of memory on systems without /proc: functions of Windows and the program of macOS are imitated."""

import ctypes
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from fcn.doctor.machine import examine_memory
from fcn.system import memory, windows_memory

# What vm_stat of macOS 15 on ARM prints, with other numbers.
VM_STAT = """\
Mach Virtual Memory Statistics: (page size of 16384 bytes)
Pages free:                               100000.
Pages active:                             400000.
Pages inactive:                           200000.
Pages speculative:                          5176.
Pages throttled:                               0.
Pages wired down:                         123456.
Pages purgeable:                            2000.
"Translation faults":                 9000000000.
"""


def kernel32(works: bool = True) -> SimpleNamespace:
    """Returns functions of Windows with known answers; they refuse a wrong size, as Windows does."""

    def find_process() -> int:
        return 2**64 - 1

    def find_free_memory(given) -> int:
        status = given._obj
        if not works or status.length != 64:
            return 0
        status.total_physical, status.available_physical = 16 * 10**9, 7 * 10**9
        return 1

    def find_peak(process, given, size) -> int:
        assert process.value == find_process()
        assert find_process.restype is ctypes.c_void_p
        if not works or size != 72 or given._obj.size != 72:
            return 0
        given._obj.peak_working_set = 5 * 10**9
        return 1

    return SimpleNamespace(
        GetCurrentProcess=find_process,
        GlobalMemoryStatusEx=find_free_memory,
        K32GetProcessMemoryInfo=find_peak,
    )


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Hides /proc/meminfo; returns where the program of macOS would be."""
    program = tmp_path / "vm_stat"
    monkeypatch.setattr(memory, "_MACHINE", tmp_path / "missing")
    monkeypatch.setattr(memory, "_MACOS_PROGRAM", program)
    return program


def as_on_windows(monkeypatch: pytest.MonkeyPatch, kernel: SimpleNamespace) -> None:
    monkeypatch.setattr(memory, "sys", SimpleNamespace(platform="win32"))
    monkeypatch.setattr(ctypes, "WinDLL", {"kernel32": kernel}.__getitem__, raising=False)
    monkeypatch.setitem(sys.modules, "resource", None)


def test_windows_tells_free_memory_and_the_peak_of_a_process(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_on_windows(monkeypatch, kernel32())
    assert memory.available_bytes() == 7 * 10**9
    assert memory._peak_elsewhere() == 5 * 10**9
    assert examine_memory().text.startswith("7.0 GB free; ")


def test_structures_lie_in_memory_as_windows_has_them() -> None:
    # 64-bit Windows: numbers of 4 bytes before those of 8.
    assert ctypes.sizeof(windows_memory.MemoryStatus) == 64
    assert windows_memory.MemoryStatus.available_physical.offset == 16
    assert ctypes.sizeof(windows_memory.ProcessMemory) == 72
    assert windows_memory.ProcessMemory.peak_working_set.offset == 8


def test_nothing_is_known_where_windows_refuses(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_on_windows(monkeypatch, kernel32(works=False))
    assert memory.available_bytes() is None
    assert memory._peak_elsewhere() is None


def test_macos_tells_free_memory(elsewhere: Path) -> None:
    elsewhere.write_text(f"#!/bin/sh\ncat << END\n{VM_STAT}END\n")
    elsewhere.chmod(0o755)
    assert memory.available_bytes() == 16384 * 305176
    assert examine_memory().text.startswith("5.0 GB free; ")


@pytest.mark.parametrize(
    "program", [None, "#!/bin/sh\nexit 1\n", "#!/bin/sh\necho no numbers\n", "#!/bin/sh\nexec sleep 60\n"]
)
def test_memory_that_cannot_be_known_is_no_error(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, program: str | None
) -> None:
    monkeypatch.setattr(memory, "_MACOS_SECONDS", 0.5)
    if program is not None:
        elsewhere.write_text(program)
        elsewhere.chmod(0o755)
    assert memory.available_bytes() is None
    assert windows_memory.available_bytes() is windows_memory.peak_bytes() is None
    found = examine_memory()
    assert (found.state, found.remedy) == ("good", None)
    assert found.text.startswith("unknown on this system; ")
