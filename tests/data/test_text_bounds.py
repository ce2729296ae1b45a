"""Comments of GIF and PNM files do not take longer than pixels."""

from io import BytesIO

import pytest
from PIL import Image

from fcn.data.image_io import decode_image
from fcn.errors import DataError


def gif(before: bytes) -> bytes:
    buffer = BytesIO()
    Image.new("P", (8, 8)).save(buffer, "GIF")
    data = buffer.getvalue()
    colors = 13 + (3 << (1 + (data[10] & 7)) if data[10] & 0x80 else 0)
    return data[:colors] + before + data[colors:]


@pytest.mark.parametrize("block", [b"!\xfe\1a\0", b"!\xff\1a\0", b"\0"])
def test_many_blocks_of_a_gif_are_refused(block: bytes) -> None:
    assert decode_image(gif(4000 * block)).shape == (8, 8, 3)
    with pytest.raises(DataError, match=r"bomb\.gif: expected at most 8,192 blocks before the image"):
        decode_image(gif(9000 * block), "bomb.gif")


def test_a_long_comment_of_a_gif_is_refused() -> None:
    for blocks in (8000, 9000):
        data = gif(b"!\xfe" + blocks * b"\1a" + b"\0")
        if blocks < 8192:
            assert decode_image(data).shape == (8, 8, 3)
        else:
            with pytest.raises(DataError, match="at most 8,192 blocks"):
                decode_image(data)


@pytest.mark.parametrize("comments", [b"#%s\n" % (b"a" * 70_000), 24_000 * b"#a\n", 70_000 * b" "])
@pytest.mark.parametrize("kind", [1, 2, 3, 4, 5, 6])
def test_a_long_header_of_a_pnm_is_refused(kind: int, comments: bytes) -> None:
    sides = b"8 8 " if kind in (1, 4) else b"8 8 255 "
    pixels = b"1 " * 192 if kind < 4 else bytes(192)
    assert decode_image(b"P%d\n#%s\n%s" % (kind, b"a" * 60_000, sides) + pixels).shape == (8, 8, 3)
    with pytest.raises(DataError, match=r"bomb\.pnm: expected a header of at most 65,536 bytes"):
        decode_image(b"P%d\n%s%s" % (kind, comments, sides) + pixels, "bomb.pnm")


def test_many_comments_among_decimal_numbers_are_refused() -> None:
    values = b"1 " * 192
    assert decode_image(b"P3 8 8 255\n" + 1000 * b"#a\n" + values).shape == (8, 8, 3)
    with pytest.raises(DataError, match=r"bomb\.ppm: expected at most 1,000 comments"):
        decode_image(b"P3 8 8 255\n" + 1001 * b"#a\n" + values, "bomb.ppm")
    assert decode_image(b"P6 8 8 255\n" + 192 * b"#").shape == (8, 8, 3)
