"""How the page reads a label out of a PNG."""

import base64
import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from fcn.classes import VOID, Classes
from fcn.data.image_io import encode_label

pytestmark = pytest.mark.slow

READ = (
    "const { readLabel } = await import('/page/label.js');"
    "const bytes = Uint8Array.from(atob(given[0]), (character) => character.charCodeAt(0));"
    "const label = await readLabel(bytes.buffer);"
)


def read(page, png):
    """Returns the label as the page reads it, `uint8[H, W]`."""
    rows = page.run(
        f"{READ} return Array.from({{ length: label.height }}, (_, y) =>"
        " Array.from({ length: label.width }, (_, x) => label.at(x, y)));",
        base64.b64encode(png).decode(),
    )
    return np.array(rows, np.uint8)


def paeth(left, up, corner):
    guess = left + up - corner
    return min((left, up, corner), key=lambda value: abs(guess - value))


def filtered(label):
    """Filters each line in another of the five ways, as the PNG specification has it (9.2)."""
    padded = np.pad(label.astype(int), ((1, 0), (1, 0)))
    lines = b""
    for y, x_range in ((y, range(1, padded.shape[1])) for y in range(1, padded.shape[0])):
        kind = (y - 1) % 5
        left, up, corner = padded[y, :-1], padded[y - 1, 1:], padded[y - 1, :-1]
        predicted = (
            0 * left,
            left,
            up,
            (left + up) // 2,
            np.array([paeth(left[x - 1], up[x - 1], corner[x - 1]) for x in x_range]),
        )[kind]
        lines += bytes([kind]) + ((padded[y, 1:] - predicted) % 256).astype(np.uint8).tobytes()
    return lines


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def test_every_filter_and_several_parts_are_read(page, rng):
    label = rng.integers(0, 256, (23, 17), np.uint8)
    label[:, 5:9] = 7  # where predictions are right too
    packed = zlib.compress(filtered(label))
    png = b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", struct.pack(">IIBBBBB", 17, 23, 8, 3, 0, 0, 0)),
            chunk(b"PLTE", bytes(range(256)) * 3),
            *(chunk(b"IDAT", packed[start : start + 50]) for start in range(0, len(packed), 50)),
            chunk(b"IEND", b""),
        )
    )
    np.testing.assert_array_equal(np.array(Image.open(BytesIO(png))), label)
    np.testing.assert_array_equal(read(page, png), label)


def test_the_servers_label_is_read(page, rng):
    label = rng.choice(np.array([0, 1, 2, VOID], np.uint8), (5, 7))
    png = encode_label(label, Classes.named(("sky", "sea", "sun")))
    np.testing.assert_array_equal(read(page, png), label)


def test_classes_of_one_color_are_told_apart(page):
    label = np.array([[0, 1, 2], [2, 1, 1]], np.uint8)
    png = encode_label(label, Classes(("sky", "sea", "sun"), ((1, 2, 3),) * 3))
    np.testing.assert_array_equal(read(page, png), label)
    shares = page.run(f"{READ} return label.shares", base64.b64encode(png).decode())
    assert shares == [[1, 0.5], [2, pytest.approx(1 / 3)], [0, pytest.approx(1 / 6)]]


@pytest.mark.parametrize(
    ("png", "reason"),
    [
        (b"GIF89a, and more", "Expected a PNG"),
        (encode_label(np.zeros((4, 4), np.uint8)), "palette PNG of 8 bits"),
    ],
    ids=["no PNG", "grey"],
)
def test_what_is_no_label_is_refused(page, png, reason):
    script = f"try {{ {READ} }} catch (error) {{ return error.message; }}"
    assert reason in page.run(script, base64.b64encode(png).decode())
