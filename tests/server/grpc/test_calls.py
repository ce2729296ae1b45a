"""Limits of calls: token, size, queue, time, memory; and what is left when a client leaves."""

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest
from grpc_server import ANY_SIZE, CHECK, INFER, PREDICT, running_grpc
from http_server import wait_until
from pausable_engine import PausableEngine, flat

from fcn.server.grpc.messages import MESSAGES, write_message
from fcn.server.grpc.status import CODES
from fcn.server.interface import ErrorKind

TOKEN = "very-secret"
V2 = "/inference.GRPCInferenceService"


def infer_request(*images, model="fcn", **fields):
    """Returns the bytes of a request with images of one size."""
    pixels = np.stack(images)
    return write_message(
        "inference.ModelInferRequest",
        model_name=model,
        inputs=[{"name": "images", "datatype": "UINT8", "shape": pixels.shape}],
        raw_input_contents=[pixels.tobytes()],
        **fields,
    )


def read_label(data):
    response = MESSAGES["inference.ModelInferResponse"].FromString(data)
    return np.frombuffer(response.raw_output_contents[0], np.uint8).reshape(response.outputs[0].shape)


REQUEST = infer_request(flat(1))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("versions")
    with running_grpc(folder, PausableEngine(), image_pixels=2000, request_bytes=2**20) as server:
        yield server


def test_every_reason_has_a_status():
    assert CODES.keys() == set(ErrorKind)


def test_calls_are_counted_and_logged(server, caplog):
    before = server.requests("v2-grpc", "OK")
    with caplog.at_level(logging.INFO, "fcn.server"):
        call = server.channel.unary_unary(INFER).with_call(REQUEST, metadata=[("x-request-id", "photo-17")])[
            1
        ]
        wait_until(lambda: server.requests("v2-grpc", "OK") == before + 1)
    assert ("x-request-id", "photo-17") in call.initial_metadata()
    (line,) = [record for record in caplog.records if record.message == "request"]
    assert (line.path, line.status, line.method) == (INFER, "OK", "gRPC")
    assert line.client.startswith("ipv4:127.0.0.1:")


def test_a_message_that_is_too_large_is_refused(server):
    status, text, _ = server.refused(INFER, bytes(2**20 + 1))
    assert status == "RESOURCE_EXHAUSTED"
    assert "Received message larger than max (1048577 vs. 1048576)" in text
    assert read_label(server.call(INFER, REQUEST)).tolist() == flat(1)[np.newaxis, ..., 0].tolist()


def test_a_message_that_inflates_to_more_than_that_is_refused(server):
    with grpc.insecure_channel(server.address, ANY_SIZE, grpc.Compression.Gzip) as channel:
        with pytest.raises(grpc.RpcError, match="Decompressed message larger than max") as refused:
            channel.unary_unary(INFER)(bytes(2**24), timeout=20)
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert channel.unary_unary(INFER)(REQUEST, timeout=20)


def test_an_image_that_is_too_large_is_refused_for_good(server):
    status, text, metadata = server.refused(INFER, infer_request(flat(1, 50, 50)))
    assert (status, text) == (
        "RESOURCE_EXHAUSTED",
        "Expected at most 2000 pixels. Received: 50 x 50. Send a smaller image.",
    )
    assert "grpc-retry-pushback-ms" not in metadata


def test_what_is_not_a_message_is_refused(server):
    for path, name in ((INFER, "ModelInferRequest"), (PREDICT, "PredictRequest")):
        status, text, _ = server.refused(path, b"\xff\xd8\xff\xe0 an image")
        assert status == "INVALID_ARGUMENT"
        assert text.startswith(f"Expected a {name}. Received: 13 bytes that are not one")


def test_a_call_without_a_message_is_refused(server):
    with pytest.raises(grpc.RpcError, match="Expected a message"):
        server.channel.stream_unary(INFER)(iter(()), timeout=20)


def test_unknown_methods_are_unimplemented(server):
    assert server.refused(f"{V2}/ModelLoad", b"")[0] == "UNIMPLEMENTED"


def test_a_fault_of_the_engine_is_internal_and_keeps_its_text(server):
    status, text, metadata = server.refused(INFER, infer_request(flat(1, mark=98)))
    assert status == "INTERNAL"
    assert "broken" not in text
    assert len(metadata["x-request-id"]) == 16
    assert server.refused(INFER, infer_request(flat(1, mark=99)))[:2] == (
        "RESOURCE_EXHAUSTED",
        "Not enough memory for 5 x 4 pixels. Send smaller images.",
    )


def test_a_token_is_needed_except_for_health(tmp_path):
    with running_grpc(tmp_path, PausableEngine(), TOKEN) as server:
        for metadata in (
            None,
            [("authorization", "Bearer wrong")],
            [("authorization", TOKEN)],
            [("authorization", f"Bearer {TOKEN}x")],
        ):
            assert server.refused(INFER, REQUEST, metadata=metadata)[:2] == (
                "UNAUTHENTICATED",
                "Expected the metadata authorization: Bearer TOKEN, with the server's token.",
            )
            # It is refused before its message is received.
            stream = server.channel.stream_unary(INFER)
            with pytest.raises(grpc.RpcError, match="Bearer TOKEN"):
                stream(slow_messages(5), metadata=metadata, timeout=4)
        for path in (
            "/inference.GRPCInferenceService/ServerMetadata",
            "/tensorflow.serving.ModelService/GetModelStatus",
        ):
            assert server.refused(path, b"")[0] == "UNAUTHENTICATED"
        right = [("authorization", f"bearer {TOKEN}")]
        assert read_label(server.call(INFER, REQUEST, metadata=right)).shape == (1, 4, 5)
        for path in (
            CHECK,
            *(f"/inference.GRPCInferenceService/Server{state}" for state in ("Live", "Ready")),
        ):
            assert server.call(path, b"") == b"\x08\x01"


def slow_messages(seconds):
    time.sleep(seconds)
    yield REQUEST


def test_a_message_that_does_not_come_is_not_waited_for(tmp_path):
    with running_grpc(tmp_path, PausableEngine(), read_seconds=0.3) as server:
        start = time.monotonic()
        with pytest.raises(grpc.RpcError) as refused:
            server.channel.stream_unary(INFER)(slow_messages(3), timeout=20)
        assert refused.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert refused.value.details() == "Expected the whole message within 0.3 s. Send a smaller one."
        assert time.monotonic() - start < 2.5
        wait_until(lambda: server.pool.free == server.service.limits.body_bytes)
        assert server.call(INFER, REQUEST)


def test_clients_that_send_slowly_leave_memory_for_others(tmp_path):
    # Of 8 MiB of memory for bodies, messages that are being received get half: 4 places.
    limits = {"request_bytes": 2**20, "body_bytes": 2**23, "read_seconds": 2.0}
    with running_grpc(tmp_path, PausableEngine(), **limits) as server:
        streams = [
            server.channel.stream_unary(INFER).future(slow_messages(1.0), timeout=20) for _ in range(9)
        ]
        wait_until(lambda: server.pool.free == 2**22)
        # Health is answered meanwhile, and needs no place.
        assert server.call(CHECK, b"", 0.5) == b"\x08\x01"
        assert server.pool.free == 2**22
        assert [read_label(answer.result()).shape for answer in streams] == [(1, 4, 5)] * 9
        wait_until(lambda: server.pool.free == 2**23)


def test_a_full_queue_says_when_to_come_again(tmp_path):
    engine = PausableEngine()
    with running_grpc(tmp_path, engine, queue_images=2) as server, ThreadPoolExecutor(2) as clients:
        engine.resumed.clear()
        waiting = [clients.submit(server.call, INFER, REQUEST) for _ in range(2)]
        wait_until(lambda: server.metric("fcn_queue_images") == 2)
        status, text, metadata = server.refused(INFER, REQUEST)
        assert (status, text) == (
            "RESOURCE_EXHAUSTED",
            "The queue is full: 2 images are waiting. Try again later.",
        )
        assert metadata["grpc-retry-pushback-ms"] == "1000"
        details = MESSAGES["google.rpc.Status"].FromString(metadata["grpc-status-details-bin"])
        assert (details.code, details.message) == (grpc.StatusCode.RESOURCE_EXHAUSTED.value[0], text)
        assert details.details[0].type_url == "type.googleapis.com/google.rpc.RetryInfo"
        info = MESSAGES["google.rpc.RetryInfo"].FromString(details.details[0].value)
        assert info.retry_delay.seconds == 1
        engine.resumed.set()
        assert [read_label(answer.result()).shape for answer in waiting] == [(1, 4, 5)] * 2


def test_calls_that_receive_or_send_are_bounded_too(tmp_path):
    with running_grpc(tmp_path, PausableEngine(), queue_images=2) as server:
        stream, sent = server.channel.stream_unary(INFER), [threading.Event() for _ in range(4)]

        def messages(event):
            event.wait(20)
            yield REQUEST

        streams = [stream.future(messages(event), timeout=20) for event in sent]
        wait_until(lambda: server.pool.free == 2**29 - 4 * 2**25)
        assert server.refused(INFER, REQUEST)[:2] == (
            "RESOURCE_EXHAUSTED",
            "There are 4 calls. Try again later.",
        )
        for event, answer in zip(sent, streams, strict=True):
            event.set()
            assert read_label(answer.result()).shape == (1, 4, 5)
        assert server.call(INFER, REQUEST)


def waiting_images(server):
    return server.metric("fcn_queue_images")


@pytest.mark.parametrize("is_deadline", [True, False])
def test_a_deadline_and_a_canceled_call_free_engine_place_and_memory(tmp_path, is_deadline):
    engine = PausableEngine()
    with running_grpc(tmp_path, engine, answer_seconds=30.0) as server:
        engine.resumed.clear()
        engine.started.clear()  # it was set when the engine was warmed up
        call = server.channel.unary_unary(INFER)
        first = call.future(infer_request(flat(2)), timeout=20)
        wait_until(engine.started.is_set)
        start = time.monotonic()
        wanted = infer_request(flat(1, 30, 40))
        second = call.future(wanted, timeout=0.5 if is_deadline else 20)
        wait_until(lambda: waiting_images(server) == 2)
        if not is_deadline:
            second.cancel()
        else:
            assert second.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        wait_until(lambda: waiting_images(server) == 1)
        assert time.monotonic() - start < 5
        wait_until(lambda: server.pool.free == server.service.limits.body_bytes - len(infer_request(flat(2))))
        wait_until(lambda: server.requests("v2-grpc", "CANCELLED") == 1)
        engine.resumed.set()
        assert read_label(first.result()).max() == 2
        # The engine has never seen the image of the call that ended.
        assert (1, 30, 40, 3) not in engine.batches
        assert server.pool.free == server.service.limits.body_bytes


def test_the_time_of_the_server_holds_without_a_deadline_of_the_client(tmp_path):
    engine = PausableEngine()
    with running_grpc(tmp_path, engine, answer_seconds=0.3) as server:
        engine.resumed.clear()
        status, text, _ = server.refused(INFER, REQUEST)
        assert status == "DEADLINE_EXCEEDED"
        assert text.startswith("The image waited longer than 0.3 s")
        engine.resumed.set()


def test_memory_of_logits_is_held_until_they_are_read(tmp_path):
    image = flat(1, 1000, 1000)
    size = 4 * 3 * 10**6
    with running_grpc(tmp_path, PausableEngine(), answer_bytes=size, answer_seconds=1.0) as server:
        request = infer_request(image, outputs=[{"name": "logits"}])
        # This client reads nothing; what the connection holds for it is less than the logits.
        unread = server.channel.unary_stream(INFER)(request, timeout=20)
        wait_until(lambda: server.metric("fcn_images_total") == 2)
        status, text, _ = server.refused(INFER, request)
        assert (status, text[:22]) == ("DEADLINE_EXCEEDED", "The image waited longe")
        unread.cancel()
        assert len(server.call(INFER, request)) > size


def test_health_tells_whether_a_request_would_be_answered(tmp_path):
    engine = PausableEngine()
    with running_grpc(tmp_path, engine) as server:
        for name in ("tensorflow.serving.PredictionService", "inference.GRPCInferenceService"):
            data = write_message("grpc.health.v1.HealthCheckRequest", service=name)
            assert server.call(CHECK, data) == b"\x08\x01"
        unknown = write_message("grpc.health.v1.HealthCheckRequest", service="x")
        assert server.refused(CHECK, unknown)[0] == "NOT_FOUND"
        assert server.refused("/grpc.health.v1.Health/Watch", b"")[0] == "UNIMPLEMENTED"
        server.service.resources.drain()
        assert server.call(CHECK, b"") == b"\x08\x02"
        assert server.call(f"{V2}/ServerReady", b"") == b""
        ready = write_message("inference.ModelReadyRequest", name="fcn")
        assert server.call(f"{V2}/ModelReady", ready) == b""
        assert server.call(f"{V2}/ServerLive", b"") == b"\x08\x01"
        # While the server drains, it answers.
        assert server.call(INFER, REQUEST)


def test_health_needs_no_memory(tmp_path):
    with running_grpc(tmp_path, PausableEngine()) as server:
        server.pool.acquire(server.pool.free)
        assert server.refused(INFER, REQUEST)[0] == "RESOURCE_EXHAUSTED"
        assert server.call(CHECK, b"") == b"\x08\x01"


def test_clients_that_leave_at_any_moment_leave_nothing(tmp_path):
    rng = np.random.default_rng(0)
    with running_grpc(tmp_path, PausableEngine(), queue_images=1000) as server:
        call = server.channel.unary_unary(INFER)

        def send(number):
            answer = call.future(REQUEST, timeout=20)
            if number % 3 == 0:
                threading.Event().wait(rng.uniform(0, 0.01))
                answer.cancel()
                return 0
            return int(read_label(answer.result()).max())

        with ThreadPoolExecutor(8) as clients:
            assert sum(clients.map(send, range(300))) == 200
        wait_until(lambda: waiting_images(server) == 0)
        wait_until(lambda: server.pool.free == server.service.limits.body_bytes)
        assert server.requests("v2-grpc", "INTERNAL") == 0
        assert server.call(INFER, REQUEST)
