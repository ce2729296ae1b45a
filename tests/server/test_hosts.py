"""Names in the header Host that are answered, and those that another site can make up (DNS rebinding)."""

import json
import re
import socket
from pathlib import Path

import pytest
from http_server import running_server
from pausable_engine import PausableEngine, flat
from ruamel.yaml import YAML

from fcn.data.image_io import encode_png
from fcn.server.app import ServerSettings

ROOT = Path(__file__).parents[2]
NAME = "labels.example.com"
PNG = encode_png(flat(1))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    settings = ServerSettings(allowed_hosts=("0.0.0.0", NAME, "Fcn_Web"))
    with running_server(tmp_path_factory.mktemp("model"), PausableEngine(), settings) as server:
        yield server


def ask(server, host, path="/v1/models/fcn", version="1.1"):
    """Returns the status and the document of an answer."""
    head = f"GET {path} HTTP/{version}\r\n{host}Connection: close\r\n\r\n"
    status, answer = server.talk(head.encode("latin-1"))
    return status, json.loads(answer.partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize("port", ["", ":", ":8501", ":80"])
@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "192.0.2.7", "0.0.0.0", "[::1]", "[2001:db8::7]", "[::ffff:192.0.2.7]"),
        *("localhost", "LocalHost", "localhost.", socket.gethostname(), NAME, NAME.upper(), f"{NAME}."),
        "fcn_web",
    ],
)
def test_addresses_and_known_names_are_answered(server, host, port):
    status, document = ask(server, f"Host: {host}{port}\r\n")
    assert status == 200
    assert "model_version_status" in document


@pytest.mark.parametrize("port", ["", ":8501"])
@pytest.mark.parametrize(
    "host",
    [
        *("evil.example.org", "localhost.evil.example.org", "127.0.0.1.evil.example.org", "evil.localhost"),
        *(f"evil.{NAME}", f"{NAME}.evil.example.org", "example.com", "localhost..", "lôcalhost", "null"),
        *("127.0.0.1@evil.example.org", "evil.example.org#127.0.0.1", "evil.example.org/127.0.0.1"),
        *("[evil.example.org]", "[127.0.0.1]", "[::1", "::1", "[::1].evil.example.org", "127.0.0.1, evil"),
        *("localhost:80:80", "localhost:http", "127.0.0.1:-1", "127.0.0.1.", "1.2.3", "0x7f000001", ""),
        "a" * 10_000,
    ],
)
def test_other_names_are_refused_with_the_option(server, host, port):
    status, document = ask(server, f"Host: {host.encode().decode('latin-1')}{port}\r\n")
    assert status == 421
    assert list(document) == ["error"]
    assert "--allowed-host" in document["error"]
    assert len(document["error"]) < 400


@pytest.mark.parametrize("path", ["/", "/page/page.js", "/healthz", "/openapi.json", "/metrics", "/nothing"])
def test_no_path_is_answered_for_another_name(server, path):
    status, document = ask(server, "Host: evil.example.org\r\n", path)
    assert status == 421
    assert 'Received: "evil.example.org"' in document["error"]


def test_an_image_for_another_name_is_not_labeled(server):
    answer = server.client.post("/v1/models/fcn:segment", content=PNG, headers={"Host": "evil.example.org"})
    assert answer.status_code == 421
    assert (
        b'fcn_images_total{model="fcn"} 1.0' in server.service.metrics.text()
    )  # the one that warmed the engine


def test_two_names_are_no_request(server):
    assert ask(server, "Host: localhost\r\nHost: evil.example.org\r\n")[0] == 400


def test_a_program_without_the_header_is_answered(server):
    # In HTTP/1.0, as some health checks of proxies speak it. Browsers always name the server.
    assert ask(server, "", version="1.0")[0] == 200
    assert ask(server, "Host: evil.example.org\r\n", version="1.0")[0] == 421


def test_the_image_asks_for_its_health_by_a_name_that_is_answered(server):
    (url,) = re.findall(r"urlopen\('http://([^/]+)/v2/health/ready'", (ROOT / "Dockerfile").read_text())
    assert ask(server, f"Host: {url}\r\n", "/v2/health/ready")[0] == 200


def test_services_beside_ours_may_use_its_name():
    services = YAML(typ="safe").load(ROOT / "deploy" / "compose.yaml")["services"]
    command = services["fcn"]["command"]
    assert command[command.index("--allowed-host") + 1] == "fcn"
