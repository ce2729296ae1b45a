"""Tasks for a process of their own."""

import os
import time

from fcn.errors import DataError

MEBIBYTE = 2**20


def take_memory(mebibytes: int, seconds: float = 0.0) -> int:
    held = bytearray(b"1") * (mebibytes * MEBIBYTE)
    time.sleep(seconds)
    return len(held)


def refuse() -> None:
    raise DataError("a.jpg: is not an image", "second line")


def fail() -> None:
    print("to stdout")
    raise RuntimeError("what went wrong")


def die() -> None:
    os._exit(9)


def run_out_of_memory() -> None:
    raise MemoryError
