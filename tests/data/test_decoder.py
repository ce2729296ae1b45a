import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from io import BytesIO

import numpy as np
import psutil
import pytest
from PIL import Image

from fcn.data.decoder import Decoder
from fcn.data.image_io import decode_image, encode_png
from fcn.errors import BackendError, DataError

SECONDS = 60


@pytest.fixture(scope="module")
def shared():
    with Decoder() as decoder:
        yield decoder


@pytest.fixture
def decoder():
    with Decoder() as decoder:
        yield decoder


@pytest.fixture(scope="module")
def slow():
    """A PNG that takes a second or so to decode."""
    return encode_png(np.zeros((8000, 8000, 3), np.uint8))


def encode(form, mode="RGB", orientation=None, size=(37, 23), **options):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    buffer = BytesIO()
    image = Image.fromarray(pixels).convert(mode)
    if orientation:
        exif = Image.Exif()
        exif[0x0112] = orientation
        options["exif"] = exif
    image.save(buffer, form, **options)
    return buffer.getvalue()


def process_of(decoder):
    return psutil.Process(decoder._process.pid)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "AVIF", "JPEG2000", "PPM"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_pixels_are_those_of_this_process(shared, form, mode):
    data = encode(form, mode)
    assert shared.open(data, "a", SECONDS).size == (37, 23)
    pixels = shared.decode(SECONDS)
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, decode_image(data))


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_values_of_16_bits_are_read_as_they_are_in_this_process(shared, form):
    buffer = BytesIO()
    values = np.random.default_rng(0).integers(0, 4096, (5, 6)).astype(np.uint16)
    Image.fromarray(values).save(buffer, form)
    for bits in (12, 16):
        assert shared.open(buffer.getvalue(), "a", SECONDS, bits).bits == 16
        expected = decode_image(buffer.getvalue(), bits=bits)
        np.testing.assert_array_equal(shared.decode(SECONDS), expected)
        np.testing.assert_array_equal(expected[..., 0], values >> (bits - 8))
    assert shared.open(encode(form), "a", SECONDS).bits == 8
    shared.open(buffer.getvalue(), "a", SECONDS, 9)
    with pytest.raises(DataError, match="expected values of 9 bits"):
        shared.decode(SECONDS)


@pytest.mark.parametrize("size", [(1024, 1024), (1025, 1024)])
def test_images_that_are_decoded_ahead_and_larger_ones(shared, size):
    data = encode("JPEG", size=size)
    assert shared.open(data, "a", SECONDS).size == size
    np.testing.assert_array_equal(shared.decode(SECONDS), decode_image(data))
    damaged = data[: len(data) // 2]
    shared.open(damaged, "a", SECONDS)
    with pytest.raises(DataError, match=r"^a: "):
        shared.decode(SECONDS)
    shared.open(data, "a", SECONDS)
    assert shared.decode(SECONDS).shape == (*size, 3)


def test_pixels_may_be_changed_and_outlive_the_next_image(shared):
    data = encode("PNG")
    shared.open(data, "a", SECONDS)
    pixels = shared.decode(SECONDS)
    pixels += 1
    expected = pixels.copy()
    shared.open(encode("PNG", "L"), "b", SECONDS)
    shared.decode(SECONDS)
    np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", [3, 6, 7])
def test_pixels_and_sizes_are_upright(shared, form, orientation):
    data = encode(form, orientation=orientation)
    header = shared.open(data, "a", SECONDS)
    pixels = shared.decode(SECONDS)
    np.testing.assert_array_equal(pixels, decode_image(data))
    assert header == (pixels.shape[:2], orientation, 8)
    assert header.size == ((37, 23) if orientation < 5 else (23, 37))


@pytest.mark.parametrize("data", [b"", b"GIF89a", encode("PNG")[:-40], encode("TIFF")[:200]])
def test_errors_are_those_of_this_process(shared, data):
    with pytest.raises(DataError) as here:
        decode_image(data, "http://host/a.png")
    with pytest.raises(DataError) as there:  # noqa: PT012 (some are found by the first, some by the second)
        shared.open(data, "http://host/a.png", SECONDS)
        shared.decode(SECONDS)
    assert str(there.value) == str(here.value)


def test_an_image_is_decoded_once(shared):
    shared.open(encode("PNG"), "a", SECONDS)
    shared.decode(SECONDS)
    with pytest.raises(ValueError, match="Received: none"):
        shared.decode(SECONDS)


def test_an_image_may_be_left_undecoded(shared):
    shared.open(encode("PNG", size=(5, 6)), "a", SECONDS)
    shared.open(encode("PNG", size=(7, 8)), "b", SECONDS)
    assert shared.decode(SECONDS).shape == (7, 8, 3)


def test_one_that_takes_too_long_is_stopped_and_the_next_is_decoded(decoder, slow):
    decoder.open(slow, "slow.png", SECONDS)
    first = process_of(decoder)
    begin = time.monotonic()
    with pytest.raises(DataError, match=r"slow\.png: took more than 0\.05 s to decode\. Save it again"):
        decoder.decode(0.05)
    first.wait(5)
    assert time.monotonic() - begin < 5
    decoder.open(encode("PNG"), "a", SECONDS)
    assert decoder.decode(SECONDS).shape == (37, 23, 3)


def test_one_that_is_stopped_by_another_thread_ends(decoder, slow):
    decoder.open(slow, "slow.png", SECONDS)
    timer = threading.Timer(0.05, decoder.stop)
    timer.start()
    with pytest.raises(DataError, match=r"slow\.png: the process that decoded it ended by signal 9"):
        decoder.decode(SECONDS)
    timer.join()


def test_a_crash_is_the_error_of_one_image(decoder, slow):
    decoder.open(slow, "slow.png", SECONDS)
    timer = threading.Timer(0.05, process_of(decoder).send_signal, [signal.SIGSEGV])
    timer.start()
    with pytest.raises(DataError, match=r"ended by signal 11\. Save it again"):
        decoder.decode(SECONDS)
    timer.join()
    assert decoder.open(encode("PNG"), "a", SECONDS).size == (37, 23)


def test_one_that_died_between_two_images_is_started_again(decoder):
    decoder.open(encode("PNG"), "a", SECONDS)
    process = process_of(decoder)
    process.kill()
    process.wait(5)
    assert decoder.open(encode("PNG"), "a", SECONDS).size == (37, 23)


def test_signals_of_the_group_do_not_end_it(decoder):
    decoder.open(encode("PNG"), "a", SECONDS)
    process = process_of(decoder)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    assert decoder.decode(SECONDS).shape == (37, 23, 3)
    assert process_of(decoder) == process


def test_it_ends_with_the_process_that_uses_it():
    program = (
        "import os, signal\n"
        "from fcn.data.decoder import Decoder\n"
        "decoder = Decoder()\n"
        "decoder.start()\n"
        "print(decoder._process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    with suppress(psutil.NoSuchProcess):
        psutil.Process(int(killed.stdout)).wait(20)


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs Linux")
def test_memory_is_limited_while_an_image_is_decoded():
    program = (
        "from fcn.data.decoder_program import limited_memory\n"
        "with limited_memory(1 << 20):\n"
        "    bytearray(100 << 20)\n"
        "    try:\n"
        "        bytearray(200 << 20)\n"
        "    except MemoryError:\n"
        "        print('limited')\n"
        "bytearray(200 << 20)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "limited\n"


def test_a_process_that_cannot_be_started_is_a_message(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with Decoder() as decoder, pytest.raises(BackendError, match=r"cannot be started \(No such file"):
        decoder.open(encode("PNG"), "a", SECONDS)


def test_a_process_that_ends_at_once_is_a_message(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with Decoder() as decoder, pytest.raises(BackendError, match="ends at once with exit code 1"):
        decoder.open(encode("PNG"), "a", SECONDS)


def test_no_descriptor_is_left(decoder):
    decoder.open(encode("PNG"), "a", SECONDS)
    decoder.decode(SECONDS)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        decoder.open(encode("PNG"), "a", SECONDS)
        decoder.decode(SECONDS)
        with pytest.raises(DataError):
            decoder.open(b"", "a", SECONDS)
    assert len(os.listdir("/proc/self/fd")) == before
