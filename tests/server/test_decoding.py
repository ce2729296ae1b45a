import asyncio
import os
import signal
import socket
import time

import numpy as np
import psutil
import pytest
from http_server import post, running_server, wait_until
from pausable_engine import PausableEngine, flat

from fcn.data.image_io import encode_png
from fcn.server.decoding import Decoders
from fcn.server.interface import ErrorKind, ServerError

PIXELS = flat(1, 4, 6)
PNG = encode_png(PIXELS)


@pytest.fixture
def decoders():
    with Decoders() as decoders:
        decoders.start()
        yield decoders


def processes(decoders):
    return [psutil.Process(decoder._process.pid) for decoder in decoders._decoders]


def hang(*stopped):
    """Makes processes answer nothing, as if they decoded without an end."""
    for process in stopped:
        os.kill(process.pid, signal.SIGSTOP)


def has_ended(process):
    """Returns whether a process has ended, even if nobody has asked for its exit code yet."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 60))


async def decode(decoders, data=PNG, seconds=60.0):
    async with decoders.open(data, "image", time.monotonic() + seconds) as image:
        return await image.decode()


async def decode_all(decoders, *seconds):
    images = (decode(decoders, seconds=limit) for limit in seconds)
    return await asyncio.gather(*images, return_exceptions=True)


def test_images_are_decoded_side_by_side(decoders):
    for pixels in run(decode_all(decoders, *[60] * 5)):
        np.testing.assert_array_equal(pixels, PIXELS)


def test_the_size_is_known_before_the_pixels(decoders):
    async def look():
        async with decoders.open(PNG, "image", time.monotonic() + 60) as image:
            return image.header.size

    assert run(look()) == (4, 6)
    np.testing.assert_array_equal(run(decode(decoders)), PIXELS)


def test_an_image_of_megapixels_comes_whole_while_others_go_on(decoders, monkeypatch):
    monkeypatch.setattr("fcn.server.decoding._SECONDS", 60)  # the machine may be busy
    pixels = np.random.default_rng(0).integers(0, 256, (2000, 2500, 3), np.uint8)
    png = encode_png(pixels)

    async def decode_and_count():
        turns = 0
        task = asyncio.ensure_future(decode(decoders, png))
        while not task.done():
            await asyncio.sleep(0)
            turns += 1
        return task.result(), turns

    found, turns = run(decode_and_count())
    np.testing.assert_array_equal(found, pixels)
    assert turns > 20


def test_what_is_no_image_is_the_mistake_of_the_client(decoders):
    with pytest.raises(ServerError, match=r"^image: is truncated or not an image") as caught:
        run(decode(decoders, b"hello"))
    assert caught.value.kind is ErrorKind.BAD_REQUEST


def test_one_that_takes_longer_than_its_client_waits_is_given_up(decoders):
    run(decode_all(decoders, 60, 60))
    hang(*processes(decoders))
    for error in run(decode_all(decoders, 0.4, 0.4, 0.2)):  # the last one waits for one of the others
        assert error.kind is ErrorKind.TIMED_OUT
        assert "Try again later" in error.message
    np.testing.assert_array_equal(run(decode(decoders)), PIXELS)


def test_a_small_image_has_seconds_however_long_its_client_waits(decoders, monkeypatch):
    monkeypatch.setattr("fcn.server.decoding._SECONDS", 0.2)
    run(decode_all(decoders, 60, 60))
    hang(*processes(decoders))
    with pytest.raises(ServerError, match=r"took more than 0\.2 s to decode\. Save it again") as caught:
        run(decode(decoders))
    assert caught.value.kind is ErrorKind.BAD_REQUEST
    assert "try again" not in caught.value.message.lower()  # clients do not repeat what is their mistake


def test_a_canceled_request_ends_its_process_at_once(decoders):
    run(decode_all(decoders, 60, 60))
    hung = processes(decoders)
    hang(*hung)

    async def leave():
        task = asyncio.ensure_future(decode(decoders))
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    begin = time.monotonic()
    assert run(leave())
    assert time.monotonic() - begin < 4
    wait_until(lambda: sum(has_ended(process) for process in hung) == 1)
    np.testing.assert_array_equal(run(decode(decoders)), PIXELS)


def test_a_process_that_cannot_be_started_is_no_fault_of_the_image(monkeypatch):
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with Decoders() as decoders, pytest.raises(ServerError, match="cannot be started") as caught:
        run(decode(decoders))
    assert caught.value.kind is ErrorKind.BUSY
    assert caught.value.retry_after_seconds == 1


def test_closing_ends_processes_that_hang(decoders):
    run(decode_all(decoders, 60, 60))
    hung = processes(decoders)
    hang(*hung)
    decoders.close()
    assert not any(process.is_running() for process in hung)


def test_a_client_that_leaves_while_its_image_is_decoded_frees_its_place(tmp_path, decoders, monkeypatch):
    monkeypatch.setattr("http_server.decoders", lambda: decoders)
    with running_server(tmp_path, PausableEngine()) as server:
        path = "/v1/models/fcn:segment"
        run(decode_all(decoders, 60, 60))
        hung = processes(decoders)
        hang(*hung)
        clients = [socket.create_connection(("127.0.0.1", server.port)) for _ in hung]
        for client in clients:
            client.sendall(post(path, PNG))
        wait_until(lambda: server.queue() == len(hung))
        for client in clients:
            client.close()
        wait_until(lambda: server.queue() == 0)
        assert server.client.post(path, content=PNG).status_code == 200
