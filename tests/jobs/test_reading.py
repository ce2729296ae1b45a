"""Where the images of a job are decoded: in its process, or in one that can be stopped."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import pytest
from file_server import serving, without_ranges
from job_program import run_job
from PIL import Image

import fcn.jobs.kept_limits
import fcn.jobs.reading
from fcn.data.decoder import Decoder
from fcn.data.image_bounds import decoding_seconds
from fcn.data.image_header import open_header
from fcn.data.image_io import encode_png, read_image
from fcn.jobs.reading import ImageReader, ReadImage, ReadingLimits
from fcn.jobs.task import Outcome, Task

PNG = encode_png(np.arange(60, dtype=np.uint8).reshape(4, 5, 3))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    return path


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Decoder]]:
    """The decoders that a reader has started a process for."""
    decoders: list[Decoder] = []

    class Remembered(Decoder):
        def start(self) -> None:
            if self not in decoders:
                decoders.append(self)
            super().start()

    monkeypatch.setattr(fcn.jobs.reading, "Decoder", Remembered)
    yield decoders
    for decoder in decoders:
        assert decoder._process is None, "it was not closed"


def read(place: object, **options: Any) -> ReadImage | Outcome:
    with ImageReader(**options) as reader:
        return reader.read(Task(7, str(place), str(place), "a"))


def children() -> int:
    return len(psutil.Process().children())


def test_an_ordinary_file_is_decoded_in_this_process(path: Path, started: list[Decoder]) -> None:
    found = read(path)
    assert isinstance(found, ReadImage)
    assert (found.outcome.id, found.outcome.size, found.orientation) == (7, len(PNG), 1)
    np.testing.assert_array_equal(found.image, read_image(path))
    assert not started


def test_a_file_that_seems_slow_is_decoded_in_another(
    path: Path, started: list[Decoder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcn.jobs.reading, "_SECONDS_IN_THIS_PROCESS", 0.0)
    before = children()
    found = read(path)
    assert isinstance(found, ReadImage)
    np.testing.assert_array_equal(found.image, read_image(path))
    assert len(started) == 1
    assert children() == before


def test_a_file_that_takes_longer_than_allowed_fails_alone(
    tmp_path: Path, started: list[Decoder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcn.jobs.reading, "_SECONDS_IN_THIS_PROCESS", 0.5)
    monkeypatch.setattr(fcn.jobs.kept_limits, "LIMITS", ReadingLimits(0.05))
    slow = tmp_path / "in" / "slow.png"
    slow.parent.mkdir()
    slow.write_bytes(encode_png(np.zeros((6000, 6000, 3), np.uint8)))
    (tmp_path / "in" / "quick.png").write_bytes(PNG)
    result = run_job(tmp_path / "out", tmp_path / "in")
    ((failed, reason),) = result.failed
    assert failed == slow
    assert reason == ("took more than 0.05 s to decode. Save it again with an image editor, or take it out.")
    assert (tmp_path / "out" / "quick.png").exists()
    assert len(started) == 1


def test_an_image_from_a_url_is_decoded_in_another_process(path: Path, started: list[Decoder]) -> None:
    pytest.importorskip("fsspec")
    pytest.importorskip("aiohttp")
    with serving(without_ranges(PNG)) as server:
        found = read(f"http://127.0.0.1:{server.server_port}/a.png")
    assert isinstance(found, ReadImage)
    np.testing.assert_array_equal(found.image, read_image(path))
    assert len(started) == 1


def test_one_process_decodes_one_image_after_the_other(
    path: Path, started: list[Decoder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcn.jobs.reading, "_SECONDS_IN_THIS_PROCESS", 0.0)
    with ImageReader() as reader:
        for _ in range(3):
            reader.read(Task(7, str(path), str(path), "a"))
    assert len(started) == 1


def write_deep(path: Path, bits: int, bright: int = 0) -> Path:
    """Writes an image of 16 bits whose values use so many; the first pixels mark that there are no data."""
    values = np.random.default_rng(0).integers(0, 2**bits, (40, 50, 3)).astype(np.uint16)
    values[0, 0] = 2**bits - 1
    values[1, :bright] = 65535
    assert cv2.imwrite(str(path), values)
    return path


@pytest.mark.parametrize(
    ("bits", "bright", "told"),
    [
        (12, 0, "but no value above 4095 (12 bits)"),
        (12, 1, "but 99% of the values are at most 4095 (12 bits)"),
        (10, 19, "but 99% of the values are at most 1023 (10 bits)"),
        (12, 25, ""),  # more than 1%
        (13, 1, ""),  # a dark photo
        (16, 0, ""),
    ],
)
def test_few_bright_pixels_do_not_hide_that_an_image_is_nearly_black(
    bits: int, bright: int, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(write_deep(tmp_path / "a.png", bits, bright))
    with ImageReader() as reader:
        for _ in range(2):
            assert isinstance(reader.read(Task(7, path, path, "a")), ReadImage)
    errors = capsys.readouterr().err
    assert told in errors
    assert errors.count("Warning") == bool(told)
    assert ("mark pixels without data" in errors) == ("99%" in told)


def test_the_time_is_estimated_by_pixels_and_scans() -> None:
    buffer = BytesIO()
    Image.new("RGB", (40, 30)).save(buffer, "JPEG", progressive=True)
    photo, picture = buffer.getvalue(), open_header(PNG, "b")
    header, usual = open_header(photo, "a"), photo.count(b"\xff\xda")
    assert decoding_seconds(header, photo, 10**6) < 0.3
    scan = photo[photo.rindex(b"\xff\xda") :]
    assert decoding_seconds(header, photo + (16 - usual) * scan, 48 * 10**6) > 5
    assert decoding_seconds(picture, PNG, 48 * 10**6) < 5 < decoding_seconds(picture, PNG, 250 * 10**6)


@pytest.mark.parametrize("start", [b"P1 2 2 ", b"P2 2 2 255 ", b"P3 2 2 255 "])
def test_the_time_of_decimal_numbers_is_estimated_by_their_bytes(start: bytes) -> None:
    small, large = start + b"1 " * 12, start + b"1 " * 10_000_000
    assert decoding_seconds(open_header(small, "a"), small, 4) < 0.1
    assert decoding_seconds(open_header(large, "b"), large, 4) > 5


@pytest.mark.parametrize("seconds", [0.0, 60.0])
def test_the_most_pixels_of_an_image_may_be_chosen(
    seconds: float, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcn.jobs.reading, "_SECONDS_IN_THIS_PROCESS", seconds)  # in this process, or another
    found = read(path, limits=ReadingLimits(pixels=19))
    assert isinstance(found, Outcome)
    assert found.error is not None
    assert found.error.startswith("expected at most 19 pixels. Received: 5 x 4 pixels")
    assert "--max-megapixels" in found.error
    found = read(path, limits=ReadingLimits(pixels=20))
    assert isinstance(found, ReadImage)


@pytest.mark.exhaustive
@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg"])
def test_an_image_of_500_megapixels_is_read_where_it_is_allowed(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    coarse = np.random.default_rng(0).integers(0, 256, (25, 20, 3), np.uint8)
    large = coarse.repeat(1000, axis=0).repeat(1000, axis=1)
    cv2.imwrite(str(path), large)
    refused = read(path)
    assert isinstance(refused, Outcome)
    assert "expected at most 268435456 pixels" in str(refused.error)
    found = read(path, limits=ReadingLimits(900, large.shape[0] * large.shape[1]))
    assert isinstance(found, ReadImage)
    np.testing.assert_allclose(found.image[500::1000, 500::1000], coarse[..., ::-1], atol=4)
