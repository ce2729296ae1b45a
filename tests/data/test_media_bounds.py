"""JPEG 2000, AVIF and HEIC files whose few bytes ask for gigabytes or minutes are refused by a header."""

import struct
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fcn.data import jpeg2000
from fcn.data.image_header import open_header
from fcn.data.image_io import decode_image, read_image, read_size
from fcn.data.jpeg2000 import read_codestream
from fcn.data.media_boxes import without_descriptions
from fcn.errors import DataError

HEIC = Path(__file__).parents[1] / "fixtures" / "heic"
COD = b"\xff\x52"


def codestream(size: int = 64, mode: str = "L", **options: Any) -> bytearray:
    buffer = BytesIO()
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (size, size, 3)).astype(np.uint8))
    image.convert(mode).save(buffer, "JPEG2000", no_jp2=True, **options)
    return bytearray(buffer.getvalue())


def patched(data: bytearray, place: int, form: str, *values: int) -> bytes:
    copy = bytearray(data)
    struct.pack_into(form, copy, place, *values)
    return bytes(copy)


def test_the_header_of_a_codestream_is_read_and_the_file_left_where_it_was() -> None:
    file = BytesIO(bytes(codestream(mode="RGB", tile_size=(32, 16))))
    file.seek(3)
    assert read_codestream(file) == (64, 64, 8, 3, 8)
    assert file.tell() == 3


def test_very_many_tiles_are_refused() -> None:
    data = patched(codestream(), 24, ">II", 1, 1)
    with pytest.raises(DataError, match=r"bomb\.jp2: expected at most 256 tiles\. Received: 4096\."):
        decode_image(data, "bomb.jp2")
    assert decode_image(bytes(codestream(tile_size=(4, 4)))).shape == (64, 64, 3)  # 256 of them


def test_more_bands_than_colors_and_alpha_are_refused() -> None:
    with pytest.raises(DataError, match=r"bomb\.jp2: "):
        decode_image(patched(codestream(), 40, ">H", 16_384), "bomb.jp2")


def test_small_code_blocks_are_refused() -> None:
    data = codestream()
    block = data.index(COD) + 2 + 2 + 1 + 4 + 1
    assert (data[block], data[block + 1]) == (4, 4)  # 64 x 64
    with pytest.raises(DataError, match=r"expected code-blocks of at least 256 pixels\. Received: 16\."):
        decode_image(patched(data, block, ">BB", 0, 0), "bomb.jp2")


@pytest.mark.parametrize("exponents", [0x11, 0x44, 0x22])
def test_small_precincts_are_refused(exponents: int) -> None:
    data = codestream(precinct_size=(128, 128), codeblock_size=(16, 16))
    segment = data.index(COD) + 2
    length = int.from_bytes(data[segment : segment + 2])
    last = segment + length - 1  # of the finest resolution
    assert data[last] == 0x77
    assert decode_image(bytes(data)).shape == (64, 64, 3)
    with pytest.raises(DataError, match="expected precincts of at least 1024 pixels"):
        decode_image(patched(data, last, ">B", exponents), "bomb.jp2")


def test_a_coding_of_a_tile_is_checked_too() -> None:
    data = codestream(tile_size=(32, 32))
    tile = data.index(b"\xff\x90")
    coding = data[data.index(COD) :][: 2 + int.from_bytes(data[data.index(COD) + 2 :][:2])]
    coding[-4:-2] = b"\0\0"  # the size of a code-block
    place = tile + 12
    changed = bytearray(data[:place] + coding + data[place:])
    (length,) = struct.unpack_from(">I", changed, tile + 6)
    struct.pack_into(">I", changed, tile + 6, length + len(coding))
    with pytest.raises(DataError, match="code-blocks of at least"):
        decode_image(bytes(changed), "bomb.jp2")


def test_very_many_layers_are_refused() -> None:
    data = codestream()
    place = data.index(COD) + 2 + 2 + 2
    assert struct.unpack_from(">H", data, place) == (1,)
    with pytest.raises(DataError, match=r"expected fewer layers of quality\. Received: 65535\."):
        decode_image(patched(data, place, ">H", 65_535), "bomb.jp2")


def test_layers_and_precincts_count_together(monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytes(codestream(quality_layers=[40, 20, 10], quality_mode="rates"))
    assert decode_image(data).shape == (64, 64, 3)
    monkeypatch.setattr(jpeg2000, "_LAYERED_PRECINCTS", 10)
    with pytest.raises(DataError, match=r"Received: 3\."):
        decode_image(data)


def test_two_headers_that_disagree_are_damaged() -> None:
    buffer = BytesIO()
    Image.new("L", (64, 64)).save(buffer, "JPEG2000")
    data = bytearray(buffer.getvalue())
    place = data.index(b"ihdr") + 4
    with pytest.raises(DataError, match="two headers state different sizes"):
        decode_image(patched(data, place, ">II", 16, 16), "bomb.jp2")


def box(kind: bytes, content: bytes, full: bool = False) -> bytes:
    body = bytes(4) + content if full else content
    return struct.pack(">I4s", 8 + len(body), kind) + body


def grid(size: tuple[int, int], tile: tuple[int, int], tiles: list[int], items: int = 2) -> bytes:
    """A HEIC of one grid (part 1) of parts; its pixels are missing."""
    sizes = [box(b"ispe", struct.pack(">II", *side), full=True) for side in (size, tile)]
    associations = struct.pack(">I", 2) + struct.pack(">HBBHBB", 1, 1, 1, 2, 1, 2)
    properties = box(b"ipco", b"".join(sizes)) + box(b"ipma", associations, full=True)
    references = box(b"dimg", struct.pack(f">HH{len(tiles)}H", 1, len(tiles), *tiles))
    inner = box(b"iinf", struct.pack(">H", items), full=True) + box(b"iref", references, full=True)
    meta = box(b"meta", inner + box(b"iprp", properties), full=True)
    return box(b"ftyp", b"heic" + bytes(4) + b"mif1heic") + meta


def test_one_large_tile_at_all_places_of_a_grid_is_refused() -> None:
    data = grid((512, 512), (8192, 8192), [2] * 4096)
    with pytest.raises(DataError, match=r"bomb\.heic: expected tiles of at most .* Received: 4096 tiles"):
        open_header(data, "bomb.heic")


@pytest.mark.parametrize("side", [(30_000, 30_000), (2**20 + 1, 1)])
def test_a_part_larger_than_images_may_be_is_refused(side: tuple[int, int]) -> None:
    with pytest.raises(DataError, match="expected at most 268435456 pixels"):
        open_header(grid((512, 512), side, [2]), "bomb.heic")


def test_grids_of_grids_are_refused() -> None:
    with pytest.raises(DataError, match="a grid of grids"):
        open_header(grid((512, 512), (512, 512), [1]), "bomb.heic")


def test_a_usual_grid_passes_to_its_decoder() -> None:
    data = grid((4032, 3024), (512, 512), [2] * 48)
    with pytest.raises(DataError, match="is truncated or not an image"):  # it has no pixels
        open_header(data, "photo.heic")


@pytest.mark.parametrize("kind", [b"free", b"meta"])
def test_very_many_boxes_end_soon(kind: bytes, tmp_path: Path) -> None:
    many = box(b"free", b"") * (1 << 18)
    data = box(b"ftyp", b"avif" + bytes(4)) + (many if kind == b"free" else box(kind, many, full=True))
    path = tmp_path / "bomb.avif"
    path.write_bytes(data)
    began = time.process_time()
    for read in (read_image, read_size):
        with pytest.raises(DataError, match=r"bomb\.avif: "):
            read(path)
    assert time.process_time() - began < 5


def test_no_metadata_of_a_heic_is_read_which_could_crash_its_decoder() -> None:
    data = (HEIC / "turned.heic").read_bytes()
    kind = data.index(b"Exif")
    assert b"infe" in data[kind - 12 : kind]
    # libheif 1.23 returns no type of this metadata, and pi-heif 1.4 reads it all the same.
    crashing = data[:kind] + b"Ex\x80f" + data[kind + 4 :]
    np.testing.assert_array_equal(decode_image(crashing), decode_image(data))
    assert without_descriptions(b"no boxes") == b"no boxes"
    changed = without_descriptions(data)
    assert len(changed) == len(data)
    assert b"cdsc" not in changed
