"""The clock of the day jumps by hours while the server checks tokens and labels."""

import socket
import time

import pytest
from clocks import jumping
from http_server import post, read_answer, running_server, wait_until
from pausable_engine import PausableEngine, flat

from fcn.data.image_io import encode_png
from fcn.server.app import ServerSettings

TOKEN = "Zm9v-secret+/="
SEGMENT = "/v1/models/fcn:segment?output=ids"
PNG = encode_png(flat(1))
DAY = 86_400


@pytest.mark.parametrize("seconds", [DAY, -DAY, 40 * 365 * DAY])
def test_tokens_are_checked_and_images_labeled(tmp_path, monkeypatch, seconds):
    engine = PausableEngine()
    with running_server(tmp_path, engine, ServerSettings(token=TOKEN)) as server:
        monkeypatch.setattr(time, "time", jumping(seconds))
        for _ in range(5):
            assert server.talk(post(SEGMENT, PNG, f"Authorization: Bearer {TOKEN}"))[0] == 200
            for lines in ([], ["Authorization: Bearer x"], [f"Authorization: Bearer {TOKEN}x"]):
                assert server.talk(post(SEGMENT, PNG, *lines))[0] == 401
        labeled = len(engine.batches)
        engine.resumed.clear()
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as waiting:
            waiting.sendall(post(SEGMENT, PNG, f"Authorization: Bearer {TOKEN}"))
            wait_until(lambda: server.queue() == 1)
            monkeypatch.setattr(time, "time", jumping(-seconds))
            engine.resumed.set()
            assert read_answer(waiting)[0] == 200
        assert len(engine.batches) == labeled + 1
