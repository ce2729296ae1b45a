"""Damages files that hold labels, at random, and reads them: as labels, or with one message."""

import random
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fcn.errors import FcnError
from fcn.labels.importing.source import Source

NUMBERS = (
    b"0",
    b"-1",
    b"1e308",
    b"NaN",
    b"-Infinity",
    b"99999999999",
    b"4611686018427387904",
    b"1.5",
    b"007",
)
PIECES = (
    *(
        b"[",
        b"]",
        b"{",
        b"}",
        b'"',
        b",",
        b":",
        b"\n",
        b"\0",
        b"\xff",
        b"\xc3\xa9",
        b"null",
        b"true",
        b'""',
        b"..",
        b"/",
    ),
    *(
        b"<",
        b">",
        b"/>",
        b"&amp;",
        b"&x;",
        b"<!DOCTYPE a>",
        b"[" * 2000,
        b"9" * 5000,
        b"a" * 5000,
        b"../" * 50,
    ),
)


def damage(data: bytes, chance: random.Random) -> bytes:
    """Returns the data with one to three changes."""
    for _ in range(chance.randint(1, 3)):
        start = chance.randrange(len(data) + 1)
        end = min(len(data), start + chance.choice((1, 1, 2, 8, 40, 400)))
        match chance.randrange(7):
            case 0:
                data = data[:start]
            case 1:
                data = data[:start] + data[end:]
            case 2:
                data = data[:start] + data[start:end] * chance.randint(2, 5) + data[end:]
            case 3:
                data = data[:start] + chance.randbytes(end - start) + data[end:]
            case 4:
                data = data[:start] + chance.choice(PIECES) + data[end:]
            case _:
                numbers = list(re.finditer(rb"-?\d+(\.\d+)?", data))
                if numbers:
                    number = chance.choice(numbers)
                    data = data[: number.start()] + chance.choice(NUMBERS) + data[number.end() :]
    return data


def damage_png(data: bytes, chance: random.Random) -> bytes:
    """Returns a PNG with one to three changes within its chunks, of which the checksums are right."""
    chunks = []
    start = 8
    while start < len(data):
        (length,) = struct.unpack(">I", data[start : start + 4])
        chunks.append((data[start + 4 : start + 8], data[start + 8 : start + 8 + length]))
        start += 12 + length
    # The pixels first: later changes may leave nothing that can be unpacked.
    for number, (name, content) in enumerate(chunks):
        if name == b"IDAT" and chance.randrange(2):
            chunks[number] = name, zlib.compress(damage(zlib.decompress(content), chance))
    for _ in range(chance.randint(0, 2)):
        number = chance.randrange(len(chunks))
        name, content = chunks[number]
        match chance.randrange(5):
            case 0:
                chunks.append(chunks[number])
            case 1 if name == b"IHDR" and content:
                place = chance.randrange(len(content))
                byte = chance.choice((0, 1, 2, 3, 4, 6, 8, 16, 255))
                chunks[number] = name, content[:place] + bytes([byte]) + content[place + 1 :]
            case 2:
                chunks.insert(
                    number, (chance.choice((b"tRNS", b"PLTE", b"acTL", b"tEXt")), chance.randbytes(9))
                )
            case _:
                chunks[number] = name, damage(content, chance)
    return data[:8] + b"".join(
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks
    )


def read_damaged(
    folder: Path,
    path: Path,
    read: Callable[[Path], Source],
    examples: int,
    size: tuple[int, int],
    change: Callable[[bytes, random.Random], bytes] = damage,
) -> None:
    """Reads a folder with many damaged versions of one of its files.

    Args:
        folder: The folder.
        path: The file that is damaged, below it.
        read: The reader.
        examples: Number of versions.
        size: (height, width) of all images.
        change: What damages it.
    """
    chance = random.Random(0)
    whole = path.read_bytes()
    outcomes = {"read": 0, "refused": 0}
    for number in range(examples):
        data = change(whole, chance)
        path.write_bytes(data)
        try:
            source = read(folder)
            for item in source.items:
                keys = item.read_keys(size)
                assert keys.shape == size
                assert keys.dtype == np.int32
                assert source.name_of or {*np.unique(keys).tolist()} <= {-1, 0, *source.classes}
            outcomes["read"] += 1
        except FcnError as error:
            outcomes["refused"] += 1
            # A folder without any label left is named itself.
            if str(folder) not in str(error) or len(str(error)) > 3000:
                pytest.fail(f"version {number}: {error}")
        except Exception as error:
            pytest.fail(f"version {number}: {type(error).__name__}: {error}\n{data[:3000]!r}")
    assert min(outcomes.values()), f"every version was {outcomes}"
    path.write_bytes(whole)
