"""Very many requests, of which clients cancel a part at any stage: the queue is empty in the end."""

import random
import socket
import struct
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from http_server import post, read_answer, running_server, wait_until
from pausable_engine import PausableEngine, flat

from fcn.data.image_io import encode_png

SEGMENT = "/v1/models/fcn:segment?output=ids"
REQUEST = post(SEGMENT, encode_png(flat(1)))
KEPT_OPEN = REQUEST.replace(b"Connection: close\r\n", b"")
CLIENTS = 16


class SlowEngine(PausableEngine):
    """Engine that takes a moment, so that requests wait."""

    def label(self, images):
        time.sleep(0.002)
        return super().label(images)


def cancel(port: int, chance: random.Random) -> None:
    """Sends a request, or a part of it, and leaves: closes or resets the connection now or a moment later."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        whole = chance.choice([REQUEST, KEPT_OPEN])
        connection.sendall(whole[: chance.choice([len(whole), chance.randrange(len(whole))])])
        if chance.random() < 0.7:
            time.sleep(chance.uniform(0, 0.01))
        if chance.random() < 0.5:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def ask(port: int) -> int | None:
    """Returns the status of the answer to a whole request."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(REQUEST)
        status, answer = read_answer(connection)
        assert (status == 200) == (b"\x89PNG" in answer)
        return status


@pytest.mark.parametrize(
    ("requests", "canceled"), [(200, 60), pytest.param(10_000, 3_014, marks=pytest.mark.exhaustive)]
)
def test_canceled_requests_leave_nothing_in_the_queue(tmp_path, requests, canceled):
    leaves = np.arange(requests) < canceled
    np.random.default_rng(0).shuffle(leaves)
    with running_server(tmp_path, SlowEngine(), queue_images=1000) as server:

        def send(number: int) -> int | None:
            if leaves[number]:
                cancel(server.port, random.Random(number))
                return -1
            return ask(server.port)

        with ThreadPoolExecutor(CLIENTS) as clients:
            statuses = Counter(clients.map(send, range(requests)))
        assert statuses == {200: requests - canceled, -1: canceled}
        wait_until(lambda: server.queue() == 0)
        assert ask(server.port) == 200
        assert server.queue() == 0
