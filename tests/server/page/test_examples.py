"""Tests of the example images: never a file of the folder, always a new JPEG of its pixels."""

import asyncio
import os
import struct
import zlib
from contextlib import asynccontextmanager, contextmanager
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from http_server import engine_service, running_server
from pausable_engine import PausableEngine
from PIL import Image

import fcn.server.page.examples
from fcn.data.image_io import decode_image, encode_jpeg
from fcn.errors import ConfigError, DataError
from fcn.server.app import ServerSettings
from fcn.server.interface import ErrorKind, ServerError
from fcn.server.page.examples import MAX_EXAMPLES, DrawnExamples, FolderExamples

SECRET = b"<script>alert('secret')</script>"


def picture(color=(200, 100, 50), form="PNG", size=(8, 6), mode="RGB", **options):
    """Returns an image file of one color."""
    buffer = BytesIO()
    Image.new(mode, size, color).save(buffer, form, **options)
    return buffer.getvalue()


class Decoding:
    """Decodes in this process, and counts how often."""

    def __init__(self):
        self.count = 0
        self.error = None

    @asynccontextmanager
    async def decode(self, data, name):
        self.count += 1
        await asyncio.sleep(0)
        if self.error:
            raise ServerError(self.error, "as the test says")
        try:
            pixels = decode_image(data, name)
        except DataError as error:
            raise ServerError(ErrorKind.BAD_REQUEST, str(error)) from error
        yield pixels

    def open(self, folder):
        return FolderExamples(folder, self.decode, 1 << 20)


@pytest.fixture
def decoding():
    return Decoding()


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "examples"
    path.mkdir()
    return path


@contextmanager
def serving_examples(tmp_path, folder, **limits):
    """Yields a function that returns the answer for an example."""
    (tmp_path / "model").mkdir()
    settings = ServerSettings(examples=folder)
    with running_server(tmp_path / "model", PausableEngine(), settings, **limits) as server:
        names = server.client.get("/examples").json()["names"]
        yield lambda name: server.client.get(f"/examples/{names.index(name)}")


def read(examples, number=0):
    return asyncio.run(examples.read(number))


def test_drawn_scenes_are_pictures_and_stay_the_same():
    examples = DrawnExamples()
    first = [read(examples, number) for number in range(len(examples.names))]
    images = [decode_image(data) for data in first]
    assert {image.shape for image in images} == {(128, 176, 3)}
    assert all(image.std() > 20 for image in images)
    assert [read(DrawnExamples(), number) for number in range(len(first))] == first


def test_images_come_in_the_order_of_their_names_and_as_jpegs(folder, decoding):
    colors = {"b.JPG": (250, 0, 0), "a.png": (0, 250, 0), "c.webp": (0, 0, 250), "d.bmp": (90, 90, 90)}
    for name, color in colors.items():
        suffix = name[-3:].upper().replace("EBP", "WEBP").replace("JPG", "JPEG")
        (folder / name).write_bytes(picture(color, suffix))
    for name in ("scan.tif", "notes.txt"):
        (folder / name).write_bytes(SECRET)
    (folder / "folder.jpg").mkdir()
    examples = decoding.open(folder)
    assert examples.names == ["a", "b", "c", "d"]
    for number, name in enumerate(sorted(colors)):
        jpeg = read(examples, number)
        assert jpeg.startswith(b"\xff\xd8\xff")
        assert np.abs(decode_image(jpeg).astype(int) - colors[name]).max() < 8, name


def test_there_are_not_too_many(folder, decoding):
    for index in range(20):
        (folder / f"{index:02}.jpg").touch()
    assert decoding.open(folder).names == [f"{index:02}" for index in range(MAX_EXAMPLES)]


def test_a_name_that_is_no_text_can_be_sent(folder, decoding):
    path = os.fsencode(folder) + b"/\xff.jpg"
    try:
        with open(path, "wb"):
            pass
    except OSError:
        pytest.skip("this file system has names of text only")
    assert decoding.open(folder).names == ["\ufffd"]


def test_a_folder_without_images_is_refused(folder, decoding):
    with pytest.raises(ConfigError, match="cannot be read"):
        decoding.open(folder / "nothing")
    (folder / "a.txt").touch()
    with pytest.raises(ConfigError, match="Received: none"):
        decoding.open(folder)


def test_links_are_not_served_also_where_they_come_later(folder, tmp_path, decoding):
    (tmp_path / "secret.jpg").write_bytes(picture())
    (folder / "a.png").write_bytes(picture())
    (folder / "b.jpg").symlink_to(tmp_path / "secret.jpg")
    (folder / "c.jpg").symlink_to(tmp_path / "nothing.jpg")
    examples = decoding.open(folder)
    assert examples.names == ["a"]
    assert read(examples)
    (folder / "a.png").unlink()
    (folder / "a.png").symlink_to(tmp_path / "secret.jpg")
    with pytest.raises(OSError, match="symbolic links"):
        read(examples)


def bomb():
    """Returns the header of a PNG of 900 million pixels, and a few of them."""
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(90_001))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


def test_of_hostile_files_no_byte_is_sent(folder, tmp_path, monkeypatch):
    refused = {
        "page.jpg": b"<html>" + SECRET,
        "svg.png": b"<svg xmlns='http://www.w3.org/2000/svg'>" + SECRET + b"</svg>",
        "empty.jpg": b"",
        "cut.jpg": encode_jpeg(np.zeros((64, 64, 3), np.uint8))[:300] + SECRET,
        "bomb.png": bomb() + SECRET,
        "large.png": picture(0, size=(1001, 1000), mode="L"),
        "animation.webp": picture(
            form="WEBP", save_all=True, append_images=[Image.new("RGB", (8, 6), (0, 0, 250))]
        ),
    }
    for name, data in refused.items():
        (folder / name).write_bytes(data)
    with (folder / "endless.bmp").open("wb") as file:
        file.write(b"BM")
        file.truncate((1 << 20) + 1)
    # Images that are valid, and something else as well.
    (folder / "more.png").write_bytes(picture() + SECRET)
    comment = SECRET.decode()
    (folder / "told.jpg").write_bytes(picture(form="JPEG", comment=comment, exif=_exif(comment)))
    replaced = ("link.png", "gone.png", "pipe.png", "folder.png")
    for name in replaced:
        (folder / name).write_bytes(picture())
    limits = {"request_bytes": 1 << 20, "image_pixels": 1_000_000}
    monkeypatch.setattr(fcn.server.page.examples, "MAX_EXAMPLES", 100)
    expected = dict.fromkeys((*refused, "endless.bmp"), 415) | dict.fromkeys(replaced, 404)
    expected |= {"more.png": 200, "told.jpg": 200}
    with serving_examples(tmp_path, folder, **limits) as get:
        for name in replaced:
            (folder / name).unlink()
        (folder / "link.png").symlink_to("/etc/passwd")
        os.mkfifo(folder / "pipe.png")
        (folder / "folder.png").mkdir()
        answers = {name: get(Path(name).stem) for name in expected}
    assert {name: answer.status_code for name, answer in answers.items()} == expected
    for name, answer in answers.items():
        assert b"script" not in answer.content, name
        if expected[name] == 200:
            assert answer.headers["Content-Type"] == "image/jpeg"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert decode_image(answer.content).shape == (6, 8, 3)
        else:
            assert answer.json()["error"]


def _exif(text):
    exif = Image.Exif()
    exif[0x010E] = text
    return exif


@pytest.mark.parametrize(
    ("size", "sent"),
    [
        ((2048, 2048), (2048, 2048)),
        ((3000, 2000), (2508, 1672)),
        ((20_000, 1), (8192, 1)),
        ((1, 9000), (1, 8192)),
    ],
)
def test_a_large_image_is_shrunk(size, sent, folder, tmp_path):
    (folder / "a.png").write_bytes(picture(1, size=size, mode="1"))
    with engine_service(tmp_path, PausableEngine()) as service:
        image = decode_image(read(FolderExamples(folder, service.decoded, 1 << 20)))
    assert image.shape[1::-1] == sent
    assert image.min() > 250


def test_a_file_is_decoded_again_only_if_it_changes(folder, decoding):
    (folder / "a.png").write_bytes(picture())
    (folder / "b.png").write_bytes(SECRET)
    examples = decoding.open(folder)

    async def read_together():
        return await asyncio.gather(*(examples.read(0) for _ in range(5)))

    assert len(set(asyncio.run(read_together()))) == 1
    for _ in range(3):
        with pytest.raises(ServerError) as caught:
            read(examples, 1)
        assert caught.value.kind is ErrorKind.UNSUPPORTED_MEDIA_TYPE
    assert decoding.count == 2
    (folder / "a.png").write_bytes(picture((0, 0, 0), size=(9, 9)))
    (folder / "b.png").write_bytes(picture())
    assert decode_image(read(examples)).shape == (9, 9, 3)
    assert read(examples, 1)
    assert decoding.count == 4


@pytest.mark.parametrize("kind", [ErrorKind.BUSY, ErrorKind.TIMED_OUT])
def test_what_could_not_be_decoded_now_is_tried_again(kind, folder, decoding):
    (folder / "a.png").write_bytes(picture())
    examples = decoding.open(folder)
    decoding.error = kind
    with pytest.raises(ServerError) as caught:
        read(examples)
    assert caught.value.kind is kind
    decoding.error = None
    assert read(examples)


def test_only_so_much_is_kept_in_memory(folder, decoding, monkeypatch):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    for name in "abc":
        cv2.imwrite(str(folder / f"{name}.png"), noise)
    examples = decoding.open(folder)
    size = len(read(examples))
    monkeypatch.setattr(fcn.server.page.examples, "_CACHED_BYTES", 2 * size)
    for number, count in ((1, 2), (0, 2), (1, 2), (2, 3), (1, 3), (0, 4)):
        assert len(read(examples, number)) == size
        assert decoding.count == count
    monkeypatch.setattr(fcn.server.page.examples, "_CACHED_BYTES", size - 1)
    for count in (5, 6):  # the second is not kept any more
        assert len(read(examples, 1)) == size
        assert decoding.count == count
