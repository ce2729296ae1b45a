"""Gzip bodies: whole ones come back, others are refused, and a bomb costs no more than a plain body."""

import asyncio
import gzip
import re
import tracemalloc
import zlib
from functools import cache
from itertools import product

import numpy as np
import pytest
from http_server import post, running_server
from hypothesis import given
from hypothesis import strategies as st
from pausable_engine import PausableEngine, flat

from fcn.data.image_io import encode_png
from fcn.server.gzip_body import inflate
from fcn.server.interface import ErrorKind, ServerError
from fcn.server.limits import Limits
from fcn.server.request_body import BodyPool, RequestBody

PNG = encode_png(flat(1))
LIMIT = 2**20


async def parts_of(data, sizes):
    """Yields data in parts of these sizes, the last of which takes the rest."""
    for size in sizes:
        yield data[:size]
        data = data[size:]
    yield data


def inflated(data, sizes=()):
    async def read():
        return [piece async for piece in inflate(parts_of(data, sizes))]

    return b"".join(asyncio.run(read()))


@given(
    st.binary(max_size=200),
    st.sampled_from([0, 1, 300, 1 << 16, (1 << 16) + 1, 200_000]),
    st.lists(st.integers(0, 60), max_size=8),
    st.integers(0, 9),
)
def test_bodies_in_any_parts_come_back(data, length, sizes, level):
    data = data + (data or b"a") * (length // len(data or b"a"))
    assert inflated(gzip.compress(data, level), sizes) == data


@given(st.integers(0, 10**6), st.lists(st.integers(0, 60), max_size=8))
def test_truncated_bodies_are_refused(cut, sizes):
    whole = gzip.compress(b"some text" * 50)
    with pytest.raises(ServerError, match="ends in the middle") as refused:
        inflated(whole[: cut % len(whole)], sizes)
    assert refused.value.kind is ErrorKind.BAD_REQUEST


@pytest.mark.parametrize("sizes", [(), (5,), (10**6,)])
@pytest.mark.parametrize("more", [b"x", bytes(8), gzip.compress(b"more")], ids=["a byte", "zeros", "gzip"])
def test_bytes_after_the_end_are_refused(sizes, more):
    whole = gzip.compress(b"some text")
    for cut in (sizes, (len(whole),)):
        with pytest.raises(ServerError, match="more bytes after its end"):
            inflated(whole + more, cut)


@pytest.mark.parametrize(
    "data", [b"{}", PNG, zlib.compress(b"{}"), zlib.compress(b"{}")[2:-4], b"\x1f\x8b\x08" + b"\xff" * 30]
)
def test_what_is_no_gzip_is_refused(data):
    with pytest.raises(ServerError, match="a gzip body"):
        inflated(data)


def test_a_damaged_body_is_refused_or_comes_back_whole():
    data = np.random.default_rng(0).bytes(200) + bytes(200)
    whole, refused = gzip.compress(data), 0
    for position, bit in product(range(len(whole)), range(8)):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << bit
        try:
            assert inflated(bytes(damaged)) == data
        except ServerError:
            refused += 1
    assert refused > 8 * (len(whole) - 10)  # some bits say nothing, such as those of the time


@cache
def bomb(size):
    """Returns a gzip body that inflates to zeros, without making them."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(2**24)
    return b"".join([packer.compress(zeros) for _ in range(size // len(zeros))]) + packer.flush()


def test_a_bomb_costs_no_more_than_a_plain_body():
    data = bomb(2**28)[:200_000]  # nothing packs more densely: 206 MB
    pool = BodyPool(10 * LIMIT)
    turns = 0

    async def count_turns():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def receive():
        return {"type": "http.request", "body": data, "more_body": False}

    async def read():
        others = asyncio.ensure_future(count_turns())
        headers = [(b"content-encoding", b"gzip"), (b"content-length", b"200000")]
        body = RequestBody({"headers": headers}, receive, Limits(request_bytes=LIMIT), pool)
        with pytest.raises(ServerError) as refused:
            await body.read()
        others.cancel()
        assert refused.value.kind is ErrorKind.TOO_LARGE
        body.release()
        pool.acquire(10 * LIMIT)  # all of it is free again

    tracemalloc.start()
    try:
        asyncio.run(read())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < LIMIT + 2**20
    assert turns >= LIMIT // 2**16  # a server goes on answering meanwhile


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("model"), PausableEngine(), request_bytes=LIMIT) as server:
        yield server


PREDICT = b'{"signature_name": "predict_tensor", "instances": [[[[1, 0, 0]]]]}'
INFER = (
    b'{"parameters": {"signature_name": "predict_tensor"}, "inputs": '
    b'[{"name": "images", "datatype": "UINT8", "shape": [1, 1, 1, 3], "data": [1, 0, 0]}]}'
)
ROUTES = [
    ("/v1/models/fcn:segment", PNG),
    ("/v1/models/fcn/versions/1:segment", PNG),
    ("/v1/models/fcn:predict", PREDICT),
    ("/v2/models/fcn/infer", INFER),
]


@pytest.mark.parametrize(("path", "body"), ROUTES)
def test_every_route_takes_gzip_and_refuses_a_bomb(server, path, body):
    plain = server.client.post(path, content=body)
    headers = {"Content-Encoding": "gzip"}
    zipped = server.client.post(path, content=gzip.compress(body), headers=headers)
    assert (zipped.status_code, zipped.content) == (plain.status_code, plain.content) == (200, plain.content)
    refused = server.client.post(path, content=bomb(2**27), headers=headers)
    assert refused.status_code == 413
    assert str(LIMIT) in refused.json()["error"]
    for wrong, status in ((body, 400), (gzip.compress(body)[:-1], 400), (gzip.compress(body) + b"x", 400)):
        assert server.client.post(path, content=wrong, headers=headers).status_code == status
    twice = server.client.post(path, content=body, headers={"Content-Encoding": "gzip, gzip"})
    assert twice.status_code == 415


def test_the_next_request_of_a_connection_is_answered_after_a_bomb(server):
    path = "/v1/models/fcn:segment"
    first = post(path, bomb(2**27), "Content-Encoding: gzip").replace(b"Connection: close\r\n", b"")
    _, answer = server.talk(first + post(path, PNG))
    assert re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", answer) == [b"413", b"200"]
