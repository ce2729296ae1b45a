"""Tests of the middleware around every request."""

import asyncio
import json
import logging
import re

import httpx
import pytest
from http_server import running_server, wait_until
from pausable_engine import PausableEngine, flat
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from fcn.data.image_io import encode_png
from fcn.server.app import ServerSettings
from fcn.server.limits import Limits
from fcn.server.middleware import RequestMiddleware
from fcn.server.observability.logs import JsonFormatter
from fcn.server.observability.metrics import Metrics
from fcn.server.request_body import BodyPool

TOKEN = "Zm9v-secret+/="
PNG = encode_png(flat(1))


@pytest.fixture
def server(tmp_path):
    with running_server(tmp_path, PausableEngine()) as server:
        yield server


@pytest.fixture
def client(server):
    return server.client


@pytest.fixture(scope="module")
def guarded_server(tmp_path_factory):
    with running_server(
        tmp_path_factory.mktemp("model"), PausableEngine(), ServerSettings(token=TOKEN)
    ) as server:
        yield server


@pytest.fixture
def guarded(guarded_server):
    return guarded_server.client


@pytest.fixture
def lines(caplog):
    """Returns so many lines of the log, as soon as they are there."""
    caplog.clear()
    caplog.set_level(logging.INFO, "fcn.server")
    caplog.handler.setFormatter(JsonFormatter())

    def read(count):
        wait_until(lambda: len(caplog.records) >= count)
        return [json.loads(line) for line in caplog.text.splitlines()]

    return read


def counted(service):
    """Returns how many requests there were, by protocol and status."""
    families = text_string_to_metric_families(service.metrics.text().decode())
    (requests,) = [family for family in families if family.name == "fcn_requests"]
    return {
        (sample.labels["protocol"], sample.labels["status"]): sample.value
        for sample in requests.samples
        if sample.name == "fcn_requests_total"
    }


def test_a_handler_that_knows_nothing_of_limits_may_read_the_body():
    async def echo(request):
        return Response(await request.body())

    echoing = Starlette(routes=[Route("/", echo, methods=["POST"])])
    transport = httpx.ASGITransport(
        RequestMiddleware(echoing, Limits(), Metrics(), token=None, pool=BodyPool(2**20))
    )

    async def ask():
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return [(await client.post("/", content=content)).content for content in (b"", b"x" * 10**6)]

    assert asyncio.run(asyncio.wait_for(ask(), 20)) == [b"", b"x" * 10**6]


def test_a_request_is_called_what_the_client_calls_it(client, lines):
    answer = client.get("/healthz", headers={"X-Request-Id": "photo-17.a_b"})
    assert answer.headers["x-request-id"] == "photo-17.a_b"
    (line,) = lines(1)
    assert line["request_id"] == "photo-17.a_b"
    assert (line["message"], line["method"], line["path"], line["status"]) == (
        "request",
        "GET",
        "/healthz",
        200,
    )
    assert line["milliseconds"] >= 0


@pytest.mark.parametrize("name", ["", "a" * 65, "two words", 'quote"', "né".encode("latin-1")])
def test_a_name_that_is_not_fit_for_a_log_is_replaced(client, name):
    given = client.get("/healthz", headers={"X-Request-Id": name}).headers["x-request-id"]
    other = client.get("/healthz", headers={"X-Request-Id": name}).headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{16}", given)
    assert given != other


def test_requests_are_counted_by_protocol_and_status(client, server):
    client.get("/healthz")
    client.post("/v1/models/fcn:segment", content=PNG)
    client.post("/v1/models/fcn:segment", content=PNG)
    client.post("/v1/models/fcn:segment", content=b"no image")
    client.get("/v1/models/fcn:classes")
    client.get("/v1/models/other")
    client.get("/v2/nothing")
    client.get("/")
    wait_until(lambda: sum(counted(server.service).values()) == 8)
    assert counted(server.service) == {
        ("other", "200"): 1,
        ("segment", "200"): 3,
        ("segment", "400"): 1,
        ("tensorflow", "404"): 1,
        ("v2", "404"): 1,
        ("page", "200"): 1,
    }


def test_a_bug_is_answered_without_its_traceback_and_logged_with_it(client, lines):
    answer = client.post("/v1/models/fcn:segment", content=encode_png(flat(0, mark=98)))
    assert answer.status_code == 500
    assert set(answer.json()) == {"error"}
    assert "broken" not in answer.text
    failed, request = lines(2)
    assert failed["level"] == "error"
    assert "RuntimeError: broken" in failed["traceback"]
    assert failed["request_id"] == request["request_id"] == answer.headers["x-request-id"]
    assert request["status"] == 500
    assert client.post("/v1/models/fcn:segment", content=PNG).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        *("/v1/models/fcn:classes", "/v1", "/v2/models/fcn", "/metrics", "/v2", "/examples", "/examples/0"),
        # Not there, today: a route is closed until somebody opens it.
        *("/nothing", "/docs", "/v3/models", "/page", "/healthz/", "/v2/health", "/v2/health/live/"),
        *("/admin", "/./v1/models/fcn", "/%76%31/models/fcn", "/V1/models/fcn", "/;/v2", "/healthz%3F"),
    ],
)
def test_without_the_token_nothing_is_told(guarded, path):
    wrong = [
        {},
        {"Authorization": TOKEN},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": "Bearer"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Authorization": "Bearer né".encode("latin-1")},
    ]
    for headers in wrong:
        answer = guarded.get(path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "Authorization: Bearer" in answer.json()["error"]
    assert guarded.get(path, headers={"Authorization": f"Bearer {TOKEN}"}).status_code != 401


def test_an_image_without_the_token_is_not_labeled(guarded, guarded_server):
    assert guarded.post("/v1/models/fcn:segment", content=PNG).status_code == 401
    assert (
        b'fcn_images_total{model="fcn"} 1.0' in guarded_server.service.metrics.text()
    )  # the one that warmed the engine
    answer = guarded.post("/v1/models/fcn:segment", content=PNG, headers={"Authorization": f"bearer {TOKEN}"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/page/page.js", "/healthz", "/openapi.json", "/v2/health/live", "/v2/health/ready"]
)
def test_the_page_and_its_health_need_no_token(guarded, path):
    assert guarded.get(path).status_code == 200


def test_a_server_with_a_token_may_have_any_name(guarded):
    headers = {"Host": "other.example.com", "Authorization": f"Bearer {TOKEN}"}
    assert guarded.get("/v1/models/fcn", headers=headers).status_code == 200
