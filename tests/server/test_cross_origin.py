"""Pages of other origins: who may use the server, what they may read, and a browser that tries it."""

import base64
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from http_server import engine_service, running_server
from page_browser import open_browser
from pausable_engine import PausableEngine, flat

from fcn.data.image_io import encode_png
from fcn.errors import ConfigError
from fcn.server.app import ServerSettings, create_app
from fcn.server.served_models import ServedModels

TOKEN, PNG = "secret", encode_png(flat(1))
FRIEND, SECOND = "https://labels.example.com", "http://localhost:3000"
SEGMENT, INFER = "/v1/models/fcn:segment", "/v2/models/fcn/infer"
STRANGERS = [
    *(
        "null",
        "https://evil.example.org",
        "http://labels.example.com",
        f"{FRIEND}:8443",
        f"{FRIEND}.evil.org",
    ),
    *(f"{FRIEND}/", FRIEND.upper(), "https://labels.example.co", f"{FRIEND}, {SECOND}", "*", ""),
]
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type,inference-header-content-length,"
    "x-request-id",
}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    settings = ServerSettings(token=TOKEN, cors_origins=(FRIEND, SECOND))
    with running_server(tmp_path_factory.mktemp("model"), PausableEngine(), settings) as server:
        yield server


@pytest.fixture(scope="module")
def public(tmp_path_factory):
    settings = ServerSettings(cors_origins=("*",))
    with running_server(tmp_path_factory.mktemp("model"), PausableEngine(), settings) as server:
        yield server


def cors(answer):
    return {name for name in answer.headers if name.startswith("access-control-")}


def words(header):
    return {word.strip().lower() for word in header.split(",")}


@pytest.mark.parametrize("origin", [FRIEND, SECOND])
def test_an_allowed_origin_may_read_answers_and_errors(guarded, origin):
    authorized = {"Origin": origin, "Authorization": f"Bearer {TOKEN}"}
    for method, path, content, headers, status in (
        ("POST", SEGMENT, PNG, authorized, 200),
        ("POST", SEGMENT, b"none", authorized, 400),
        ("POST", SEGMENT, PNG, {"Origin": origin}, 401),
        ("GET", "/v2/nothing", None, authorized, 404),
        ("PUT", SEGMENT, PNG, authorized, 405),
        ("HEAD", "/v1/models/fcn", None, authorized, 200),
    ):
        answer = guarded.client.request(method, path, content=content, headers=headers)
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == origin
        assert answer.headers["vary"] == "Origin"
        exposed = words(answer.headers["access-control-expose-headers"])
        own = {name for name in answer.headers if name.startswith(("x-", "server-timing"))}
        assert own | {"inference-header-content-length"} <= exposed
        assert cors(answer) == {"access-control-allow-origin", "access-control-expose-headers"}


@pytest.mark.parametrize("origin", STRANGERS)
def test_other_origins_may_read_nothing(guarded, origin):
    headers = {"Origin": origin, "Authorization": f"Bearer {TOKEN}"}
    answer = guarded.client.post(SEGMENT, content=PNG, headers=headers)
    assert (cors(answer), answer.headers["vary"]) == (set(), "Origin")
    preflight = guarded.client.options(SEGMENT, headers={"Origin": origin, **PREFLIGHT})
    assert (preflight.status_code, cors(preflight), preflight.headers["vary"]) == (401, set(), "Origin")


def test_without_the_header_an_answer_varies_by_it(guarded):
    answer = guarded.client.get("/healthz")
    assert (cors(answer), answer.headers["vary"]) == (set(), "Origin")


@pytest.mark.parametrize("path", [SEGMENT, INFER, "/nothing"])
def test_a_preflight_needs_no_token_and_allows_what_clients_send(guarded, path):
    answer = guarded.client.options(path, headers={"Origin": FRIEND, **PREFLIGHT})
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == FRIEND
    assert answer.headers["vary"] == "Origin"
    assert words(answer.headers["access-control-allow-methods"]) == {"get", "head", "post"}
    wanted = words(PREFLIGHT["Access-Control-Request-Headers"])
    assert wanted <= words(answer.headers["access-control-allow-headers"])
    assert "access-control-allow-credentials" not in answer.headers
    assert answer.headers["x-request-id"]


def test_what_is_no_preflight_needs_the_token(guarded):
    assert guarded.client.options(SEGMENT, headers={"Origin": FRIEND}).status_code == 401
    assert guarded.client.options(SEGMENT, headers=PREFLIGHT).status_code == 401
    assert guarded.client.get("/metrics", headers={"Origin": FRIEND, **PREFLIGHT}).status_code == 401


def test_every_origin_but_null_may_use_a_public_server(public):
    for origin in (FRIEND, "https://evil.example.org"):
        answer = public.client.post(SEGMENT, content=PNG, headers={"Origin": origin})
        assert (answer.headers["access-control-allow-origin"], answer.headers["vary"]) == ("*", "Origin")
        preflight = public.client.options(SEGMENT, headers={"Origin": origin, **PREFLIGHT})
        assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (204, "*")
        assert "access-control-allow-credentials" not in {*answer.headers, *preflight.headers}
    for answer in (
        public.client.post(SEGMENT, content=PNG, headers={"Origin": "null"}),
        public.client.options(SEGMENT, headers={"Origin": "null", **PREFLIGHT}),
        public.client.get("/healthz"),
    ):
        assert cors(answer) == set()


def test_a_preflight_for_another_host_is_refused(public):
    headers = {"Origin": FRIEND, "Host": "evil.example.org", **PREFLIGHT}
    assert public.client.options(SEGMENT, headers=headers).status_code == 421


def test_a_server_that_names_no_origin_says_nothing_of_them(tmp_path):
    with running_server(tmp_path, PausableEngine()) as server:
        for answer in (
            server.client.post(SEGMENT, content=PNG, headers={"Origin": FRIEND}),
            server.client.options(SEGMENT, headers={"Origin": FRIEND, **PREFLIGHT}),
        ):
            assert cors(answer) == set()
            assert "vary" not in answer.headers
        assert answer.status_code == 405


def test_every_origin_and_a_token_are_refused(tmp_path):
    with (
        engine_service(tmp_path, PausableEngine()) as service,
        pytest.raises(ConfigError, match="by name for a server with a token"),
    ):
        create_app(
            ServedModels([service]),
            service.resources,
            ServerSettings(token=TOKEN, cors_origins=(FRIEND, "*")),
        )


@contextmanager
def empty_site():
    """Yields the origin of a site with an empty page, and at /sandboxed one whose origin is `null`."""

    class Site(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            if self.path == "/sandboxed":
                self.send_header("Content-Security-Policy", "sandbox allow-scripts")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>another site</title>")

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as site:
        threading.Thread(target=site.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{site.server_address[1]}"
        finally:
            site.shutdown()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with open_browser(tmp_path_factory.mktemp("downloads")) as browser:
        yield browser


ASK = """
const [url, token, png] = given;
const body = Uint8Array.from(atob(png), (character) => character.charCodeAt(0));
const headers = { "X-Request-ID": "of-a-page", "Content-Type": "image/png" };
if (token) headers.Authorization = `Bearer ${token}`;
try {
  const answer = await fetch(url, { method: "POST", body, headers });
  const read = (name) => answer.headers.get(name);
  const size = (await answer.arrayBuffer()).byteLength;
  return [answer.status, size > 0, read("X-Fcn-Version"), read("X-Fcn-Areas"), read("X-Request-ID")];
} catch (error) {
  return error.name;
}
"""


def test_a_page_of_an_allowed_site_labels_an_image_in_a_browser(browser, tmp_path):
    png = base64.b64encode(PNG).decode()
    with empty_site() as site, empty_site() as other:
        settings = ServerSettings(token=TOKEN, cors_origins=(site,))
        with running_server(tmp_path, PausableEngine(), settings) as server:
            url = f"http://127.0.0.1:{server.port}{SEGMENT}"
            browser.driver.get(site)
            labeled = browser.run(ASK, url, TOKEN, png)
            assert labeled == [200, True, "1", json.dumps({"1": 1.0}), "of-a-page"]
            assert browser.run(ASK, url, "wrong", png) == [401, True, None, None, "of-a-page"]
            browser.driver.get(other)
            assert browser.run(ASK, url, TOKEN, png) == "TypeError"
            browser.driver.get(f"{site}/sandboxed")
            assert browser.driver.execute_script("return self.origin") == "null"
            assert browser.run(ASK, url, TOKEN, png) == "TypeError"
            metrics = httpx.get(
                f"http://127.0.0.1:{server.port}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}
            )
            assert (
                'fcn_images_total{model="fcn"} 2.0' in metrics.text
            )  # the one that warmed the engine, and one


def test_every_page_but_one_of_no_origin_uses_a_public_server_in_a_browser(browser, public):
    png = base64.b64encode(PNG).decode()
    url = f"http://127.0.0.1:{public.port}{SEGMENT}"
    with empty_site() as site:
        browser.driver.get(site)
        assert browser.run(ASK, url, None, png)[:3] == [200, True, "1"]
        browser.driver.get(f"{site}/sandboxed")
        assert browser.run(ASK, url, None, png) == "TypeError"
