"""Memory on Windows, as its own functions tell it."""

import ctypes
from typing import Any


class MemoryStatus(ctypes.Structure):
    """`MEMORYSTATUSEX`: the memory of the machine, in bytes."""

    _fields_ = (
        ("length", ctypes.c_uint32),
        ("load", ctypes.c_uint32),
        ("total_physical", ctypes.c_uint64),
        ("available_physical", ctypes.c_uint64),
        ("total_page_file", ctypes.c_uint64),
        ("available_page_file", ctypes.c_uint64),
        ("total_virtual", ctypes.c_uint64),
        ("available_virtual", ctypes.c_uint64),
        ("available_extended_virtual", ctypes.c_uint64),
    )


class ProcessMemory(ctypes.Structure):
    """`PROCESS_MEMORY_COUNTERS`: the memory of a process, in bytes."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("page_faults", ctypes.c_uint32),
        ("peak_working_set", ctypes.c_size_t),
        ("working_set", ctypes.c_size_t),
        ("peak_paged_pool", ctypes.c_size_t),
        ("paged_pool", ctypes.c_size_t),
        ("peak_nonpaged_pool", ctypes.c_size_t),
        ("nonpaged_pool", ctypes.c_size_t),
        ("page_file", ctypes.c_size_t),
        ("peak_page_file", ctypes.c_size_t),
    )


def available_bytes() -> int | None:
    """Returns how much physical memory is free; None if Windows does not tell, or this is another system."""
    kernel = _kernel()
    status = MemoryStatus(length=ctypes.sizeof(MemoryStatus))
    if kernel is None or not kernel.GlobalMemoryStatusEx(ctypes.byref(status)):
        return None
    return int(status.available_physical)


def peak_bytes() -> int | None:
    """Returns the peak memory of this process; None if Windows does not tell, or this is another system."""
    kernel = _kernel()
    if kernel is None:
        return None
    kernel.GetCurrentProcess.restype = ctypes.c_void_p  # a handle has 64 bits
    process = ctypes.c_void_p(kernel.GetCurrentProcess())
    memory = ProcessMemory(size=ctypes.sizeof(ProcessMemory))
    if not kernel.K32GetProcessMemoryInfo(process, ctypes.byref(memory), memory.size):
        return None
    return int(memory.peak_working_set)


def _kernel() -> Any:
    """Returns the library with these functions; None on another system."""
    try:
        return ctypes.WinDLL("kernel32")  # type: ignore[attr-defined, unused-ignore]
    except (AttributeError, OSError):
        return None
