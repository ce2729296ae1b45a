import asyncio
import gzip

import pytest
from starlette.requests import Request

from fcn.server.interface import ErrorKind, ServerError
from fcn.server.limits import Limits
from fcn.server.request_body import BodyPool, RequestBody


def body_of(*parts, length=None, pool=None, pause=0, encodings=(), **limits):
    """A body that comes in parts, the last of them never if it is None, after a pause in seconds each."""
    waiting = list(parts)

    async def receive():
        await asyncio.sleep(pause)
        if waiting[0] is None:
            await asyncio.sleep(3600)
        part = waiting.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(waiting)}

    headers = [
        (b"transfer-encoding", b"chunked") if length is None else (b"content-length", b"%d" % length),
        *[(b"content-encoding", encoding) for encoding in encodings],
    ]
    scope = {"type": "http", "headers": headers}
    return RequestBody(scope, receive, Limits(**limits), pool or BodyPool(10**9))


def run(function):
    return asyncio.run(asyncio.wait_for(function(), 10))


def kind_of(function):
    with pytest.raises(ServerError) as refused:
        run(function)
    return refused.value.kind


def test_a_body_comes_in_any_number_of_parts():
    async def read():
        assert await body_of(b"whole", length=5).read() == b"whole"
        assert await body_of(b"in", b"", b" parts").read() == b"in parts"
        assert await body_of(length=0).read() == b""

    run(read)


def test_any_handler_may_read_the_body_within_the_same_limits():
    def request_of(*parts, **options):
        body = body_of(*parts, **options)
        return Request({"type": "http", "headers": []}, body.receive)

    async def read():
        assert await request_of(b"in", b"", b" parts").body() == b"in parts"
        assert await request_of(length=0).body() == b""
        assert await request_of(b"{}").json() == {}

    async def too_large():
        await request_of(bytes(6), bytes(5), request_bytes=10).body()

    async def too_slow():
        await request_of(b"begin", None, read_seconds=0.05).body()

    async def too_many():
        await request_of(bytes(11), pool=BodyPool(10)).body()

    run(read)
    assert kind_of(too_large) is ErrorKind.TOO_LARGE
    assert kind_of(too_slow) is ErrorKind.SLOW_CLIENT
    assert kind_of(too_many) is ErrorKind.BUSY


def test_after_the_body_the_client_is_waited_for():
    async def read():
        body = body_of(b"whole", length=5)
        leaving = asyncio.ensure_future(body.wait_for_disconnect())
        await asyncio.sleep(0.01)
        assert (await body.receive(), await body.receive())[1]["more_body"] is False
        with pytest.raises(IndexError):  # the body has no more parts, and the client has sent nothing else
            await body.receive()
        leaving.cancel()

    run(read)


def test_a_body_may_be_as_large_as_the_limit_and_no_larger():
    async def fits():
        assert len(await body_of(bytes(6), bytes(4), request_bytes=10).read()) == 10

    async def announced():
        await body_of(length=11, request_bytes=10).read()  # nothing of it is read

    async def surprising():
        await body_of(bytes(6), bytes(5), request_bytes=10).read()

    run(fits)
    assert kind_of(announced) is kind_of(surprising) is ErrorKind.TOO_LARGE


def test_all_bodies_together_have_a_limit_and_give_room_back():
    async def read():
        pool = BodyPool(10)
        first, second = body_of(bytes(4), bytes(3), pool=pool), body_of(bytes(2), bytes(2), pool=pool)
        await first.read()
        with pytest.raises(ServerError) as refused:
            await second.read()
        assert refused.value.kind is ErrorKind.BUSY
        assert refused.value.retry_after_seconds >= 1
        await second.discard()
        assert second.complete
        first.release()
        second.release()
        second.release()  # once more takes nothing
        assert len(await body_of(bytes(10), pool=pool).read()) == 10
        with pytest.raises(ServerError):
            await body_of(bytes(1), pool=pool).read()

    run(read)


def test_a_slow_body_is_given_up_and_not_waited_for_again():
    async def read():
        body = body_of(b"begin", None, read_seconds=0.05)
        with pytest.raises(ServerError, match="5 bytes") as refused:
            await body.read()
        assert refused.value.kind is ErrorKind.SLOW_CLIENT
        await asyncio.wait_for(body.discard(), 1)
        assert not body.complete

    run(read)


def test_a_large_body_on_a_poor_line_has_the_time_it_takes():
    async def read():
        parts = [bytes(64 * 1024)] * 8  # half a second's worth each
        assert len(await body_of(*parts, pause=0.1, read_seconds=0.5).read()) == 8 * 64 * 1024
        with pytest.raises(ServerError) as refused:
            await body_of(*[bytes(1024)] * 8, pause=0.1, read_seconds=0.5).read()
        assert refused.value.kind is ErrorKind.SLOW_CLIENT

    run(read)


def test_a_body_that_nobody_wants_is_read_up_to_twice_the_limit():
    async def discard():
        body = body_of(*[bytes(4)] * 6, request_bytes=10)
        await body.discard()
        assert not body.complete
        body = body_of(*[bytes(4)] * 5, request_bytes=10)
        await body.discard()
        assert body.complete

    run(discard)


@pytest.mark.parametrize(
    "encodings",
    [(b"deflate",), (b"br",), (b"x",), (b"",), (b"gzip, gzip",), (b"gzip", b"gzip"), (b"identity, gzip",)],
)
def test_other_and_nested_encodings_are_refused_before_the_body_is_read(encodings):
    async def read():
        await body_of(None, encodings=encodings).read()

    assert kind_of(read) is ErrorKind.UNSUPPORTED_MEDIA_TYPE


@pytest.mark.parametrize("encoding", [b"gzip", b"GZip"])
def test_a_gzip_body_counts_as_what_it_inflates_to(encoding):
    data, pool = gzip.compress(bytes(10)), BodyPool(15)

    def zipped(**options):
        return body_of(data, encodings=(encoding,), pool=pool, **options)

    async def read():
        body = zipped()
        assert await body.read() == bytes(10)
        with pytest.raises(ServerError) as refused:
            await zipped().read()
        assert refused.value.kind is ErrorKind.BUSY
        body.release()
        assert await zipped(length=len(data), request_bytes=len(data)).read() == bytes(10)

    run(read)


def test_a_gzip_body_may_inflate_to_the_limit_and_no_further():
    data = gzip.compress(bytes(10**5))

    async def fits():
        assert len(await body_of(data, encodings=(b"gzip",), request_bytes=10**5).read()) == 10**5

    async def too_large():
        await body_of(data, encodings=(b"gzip",), length=len(data), request_bytes=10**5 - 1).read()

    async def sent_too_much():  # which inflates to nothing
        empty = gzip.compress(b"")[:10] + b"\0\0\0\xff\xff" * 50
        await body_of(empty, encodings=(b"gzip",), request_bytes=100).read()

    run(fits)
    assert kind_of(too_large) is kind_of(sent_too_much) is ErrorKind.TOO_LARGE
