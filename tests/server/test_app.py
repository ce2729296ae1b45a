"""Tests of the application's description, and of its errors for unknown requests."""

import asyncio

import httpx
import pytest
from http_server import engine_service, running_server
from pausable_engine import PausableEngine, flat
from prometheus_client.parser import text_string_to_metric_families

from fcn.data.image_io import encode_png
from fcn.server.app import ServerSettings, create_app
from fcn.server.served_models import ServedModels


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("model"), PausableEngine()) as server:
        yield server


@pytest.fixture
def client(server):
    return server.client


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/v1/models/fcn/", 404),
        ("POST", "/v1/models/fcn:nothing", 404),
        ("GET", "/docs", 404),
        ("GET", "/page/../../../errors.py", 404),
        ("GET", "/page/%2e%2e/server/app.py", 404),
        ("DELETE", "/v1/models/fcn:segment", 405),
        ("PUT", "/v1/models/fcn:classes", 405),
        ("POST", "/healthz", 405),
        ("POST", "/metrics", 405),
        ("POST", "/", 405),
    ],
)
def test_what_is_not_there_is_refused_in_one_format(client, method, path, status):
    answer = client.request(method, path)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert answer.headers["content-type"] == "application/json"
    if status == 405:
        assert answer.headers["allow"]


def test_labels_of_versions_are_said_to_be_missing(client):
    answer = client.post("/v1/models/fcn/labels/stable:predict", content=b"{}")
    assert answer.status_code == 404
    assert "leave out /labels/" in answer.json()["error"]
    assert "/labels/" not in client.get("/nothing").json()["error"]


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/page/page.js", "/examples", "/examples/0", "/healthz", "/metrics", "/openapi.json"),
        *(
            "/v1/models/fcn",
            "/v1/models/fcn/metadata",
            "/v1/models/fcn/versions/1",
            "/v1/models/fcn:classes",
        ),
        *("/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/fcn", "/v2/models/fcn/ready"),
        *("/nothing", "/v2/models/half", "/v1/models/fcn:segment"),
    ],
)
def test_head_has_the_headers_of_get_and_no_body(server, path):
    own = {"X-Request-Id": "same"}
    got, headed = server.client.get(path, headers=own), server.client.head(path, headers=own)
    volatile = {"date", "content-length"} if path == "/metrics" else {"date"}
    for answer in (got, headed):
        for name in volatile:
            answer.headers.pop(name)
    assert (headed.status_code, headed.headers) == (got.status_code, got.headers)
    request = f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    _, answer = server.talk(request.encode())
    assert answer.endswith(b"\r\n\r\n")
    assert answer.count(b"\r\n\r\n") == 1


def test_methods_that_a_path_has_are_listed(server):
    assert server.client.post("/healthz").headers["allow"] == "GET, HEAD"
    assert server.client.post("/").headers["allow"] == "GET, HEAD"
    assert server.client.head("/v1/models/fcn:segment").headers["allow"] == "POST"


def test_health_says_that_the_server_answers(client):
    assert client.get("/healthz").json() == {"status": "ok"}


def test_counters_are_in_the_format_of_prometheus(client):
    client.post("/v1/models/fcn:segment", content=encode_png(flat(1)))
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert samples["fcn_images_total", "fcn"] >= 2  # one of them warmed the engine
    assert samples["fcn_queue_images",] == 0
    assert samples["fcn_model_version", "fcn"] == 1
    assert samples["fcn_request_seconds_count", "segment"] >= 1


def test_a_page_is_at_the_root(client):
    answer = client.get("/")
    assert answer.headers["content-type"].startswith("text/html")


def test_every_route_is_described_with_how_it_refuses(client):
    document = client.get("/openapi.json").json()
    segment = document["paths"]["/v1/models/{name}:segment"]["post"]
    assert {"200", "400", "408", "413", "422", "429", "503", "504"} <= set(segment["responses"])
    assert "HTTPValidationError" not in str(document)
    assert set(segment["responses"]["200"]["content"]) == {"image/png", "image/jpeg", "application/json"}
    names = {
        "/v1/models/{name}:classes",
        "/v1/models/{name}/versions/{version}:segment",
        "/healthz",
        "/metrics",
    }
    assert names <= set(document["paths"])


def test_a_token_is_described_where_it_is_wanted(tmp_path):
    with engine_service(tmp_path, PausableEngine()) as service:
        free = create_app(ServedModels([service]), service.resources, ServerSettings()).openapi()
        guarded = create_app(ServedModels([service]), service.resources, ServerSettings(token="x")).openapi()
    assert "security" not in str(free)
    assert guarded["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    segment, metrics = (
        guarded["paths"]["/v1/models/{name}:segment"]["post"],
        guarded["paths"]["/metrics"]["get"],
    )
    for operation in (segment, metrics):
        assert operation["security"] == [{"token": []}]
        assert "401" in operation["responses"]
    assert "security" not in guarded["paths"]["/healthz"]["get"]


def test_memory_of_bodies_is_shared_with_other_servers(tmp_path):
    with engine_service(tmp_path, PausableEngine(), body_bytes=100, request_bytes=100) as service:
        app = create_app(ServedModels([service]), service.resources, ServerSettings())
        pool, transport = service.resources.bodies, httpx.ASGITransport(app)

        async def send():
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                return await client.post("/v1/models/fcn:predict", content=b"{}" + b" " * 58)

        assert asyncio.run(send()).status_code == 400
        pool.acquire(41)
        answer = asyncio.run(send())
        assert answer.status_code == 429
        assert "41 of 100 bytes" in answer.json()["error"]
        assert pool.free == 59
