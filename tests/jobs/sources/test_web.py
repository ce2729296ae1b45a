"""Tests of web servers that send too much, take too long, or lead elsewhere."""

import gzip
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from file_server import Answer, FileServer, Handler, failing, serving, without_ranges
from job_program import run_job

import fcn.jobs.sources.addresses
import fcn.jobs.sources.remote
import fcn.jobs.sources.web
from fcn.errors import DataError
from fcn.jobs.sources.remote import find_remote, read_remote
from fcn.jobs.sources.search import Unusable
from fcn.jobs.sources.web import WebLimits

fsspec = pytest.importorskip("fsspec")
pytest.importorskip("aiohttp")

LIMIT = 100_000
DATA = bytes(range(256)) * 200
QUICK = WebLimits(total_seconds=5, attempts=3, pause_seconds=0.01, longest_pause_seconds=0.2)


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcn.jobs.sources.remote, "MAX_BYTES", LIMIT)
    monkeypatch.setattr("fcn.data.image_header.MAX_BYTES", LIMIT)


def refusal(url: str, limits: WebLimits = QUICK) -> str:
    with pytest.raises(DataError) as caught:
        read_remote(url, limits)
    assert str(caught.value).startswith(f"{url}: ")
    return str(caught.value)


def remembering(answer: Answer, seen: list[Any]) -> Answer:
    def remember(request: Handler) -> None:
        seen.append(request.headers)
        answer(request)

    return remember


def redirecting(target: str, status: int = 302, **headers: object) -> Answer:
    return lambda request: request.reply(status, Location=target, **headers)


def endless(sent: list[int], length: int | None = None) -> Answer:
    """Sends bytes until the client leaves, and says how many it sent."""

    def answer(request: Handler) -> None:
        request.reply(200, Content_Length=length)
        try:
            for _ in range(10_000):
                request.wfile.write(bytes(1 << 16))
                sent.append(1 << 16)
        except OSError:
            pass

    return answer


# Bytes


@pytest.mark.usefixtures("small_limit")
def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    sent: list[int] = []
    with serving(endless(sent)) as server:
        assert "expected an image of at most" in refusal(f"{server.url}.png")
    assert sum(sent) < 100 << 20  # the buffers of the connection


@pytest.mark.usefixtures("small_limit")
def test_at_most_one_byte_more_than_the_limit_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    class Counting(BytesIO):
        def write(self, block: Any) -> int:
            kept.append(len(block))
            return super().write(block)

    kept: list[int] = []
    monkeypatch.setattr(fcn.jobs.sources.web, "BytesIO", Counting)
    with serving(without_ranges(bytes(LIMIT), Content_Length=None)) as server:
        assert len(read_remote(f"{server.url}.png", QUICK)) == sum(kept) == LIMIT
    kept.clear()
    with serving(without_ranges(bytes(3 * LIMIT), Content_Length=None)) as server:
        refusal(f"{server.url}.png")
    assert sum(kept) == LIMIT + 1
    kept.clear()
    with serving(without_ranges(bytes(3 * LIMIT))) as server:
        refusal(f"{server.url}.png")
    assert kept == []


@pytest.mark.usefixtures("small_limit")
def test_the_length_of_another_request_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    def head(request: Handler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "10")
        request.end_headers()

    monkeypatch.setattr(Handler, "do_HEAD", head, raising=False)
    sent: list[int] = []
    with serving(endless(sent)) as server:
        assert "expected an image of at most" in refusal(f"{server.url}.png")
    with serving(without_ranges(DATA)) as server:
        assert read_remote(f"{server.url}.png", QUICK) == DATA


@pytest.mark.usefixtures("small_limit")
def test_a_compressed_answer_is_counted_after_decompression() -> None:
    seen: list[Any] = []
    bomb = gzip.compress(bytes(200 * LIMIT))
    assert len(bomb) < LIMIT
    with serving(remembering(without_ranges(bomb, Content_Encoding="gzip"), seen)) as server:
        assert "expected an image of at most" in refusal(f"{server.url}.png")
    assert [headers["Accept-Encoding"] for headers in seen] == ["identity"]


def test_too_little_memory_is_a_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Short:
        def __init__(self) -> None:
            raise MemoryError

    monkeypatch.setattr(fcn.jobs.sources.web, "BytesIO", Short)
    with serving(without_ranges(DATA)) as server:
        ((_, reason),) = run_job(tmp_path / "labels", f"{server.url}.png").failed
        assert "there was not enough memory" in reason
        with pytest.raises(DataError, match=r"/file: cannot be listed \(there was not enough memory"):
            list(find_remote(server.url, limits=QUICK))


def test_a_long_listing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcn.jobs.sources.web, "_LISTING_BYTES", 1 << 20)
    monkeypatch.setattr(fcn.jobs.sources.web, "_LISTING_LINKS", 100)
    sent: list[int] = []
    with serving(endless(sent)) as server, pytest.raises(DataError, match="listing has more than 1 MB"):
        list(find_remote(server.url, limits=QUICK))
    page = "".join(f'<a href="{name}.png">' for name in range(101)).encode()
    with (
        serving(without_ranges(page, Content_Type="text/html")) as server,
        pytest.raises(
            DataError, match=r"/file: cannot be listed \(the listing has more than 100 links\)\. Give"
        ),
    ):
        list(find_remote(server.url, limits=QUICK))


@pytest.mark.parametrize(
    "page",
    [
        "<a" + " " * 100_000,
        "<a " * 100_000,
        "<a href " * 50_000,
        "<a href='x" + " y" * 50_000,
        "<a href='x" + " " * 100_000 + "'>",
        "<a \"'" * 50_000,
        "http://" * 50_000,
    ],
)
def test_a_page_of_which_a_search_takes_long_is_listed_at_once(page: str) -> None:
    listing = without_ranges((page + '<a href="a.png">').encode(), Content_Type="text/html")
    with serving(listing) as server:
        began = time.process_time()
        list(find_remote(server.url, limits=QUICK))
    assert time.process_time() - began < 3


def test_all_ways_to_write_a_link_are_found() -> None:
    with serving(failing(500)) as server:
        top = f"{server.url}/"
        page = f"""<A HREF='a.png'>a</A> <a class="x>y" id=z href="my cat.png"> {top}b.png
            <img src="{top}c.png"> <a\n href="sub/d.png">d</a> <a href="http://other.example/e.png">
            <a name="f.png"> <a href="/file/g>h.png">"""
        server.answers[:] = [without_ranges(page.encode(), Content_Type="text/html")]
        found = {getattr(image, "place", None) for image in find_remote(top, limits=QUICK)}
    names = ("a.png", "my cat.png", "b.png", "c.png", "sub/d.png", "g>h.png")
    assert found == {f"{top}{name}" for name in names}


def test_a_listing_that_lists_itself_ends() -> None:
    """As a folder with a link to itself does."""
    page = b'<a href="a.png"> <a href="again/">'
    with serving(without_ranges(page, Content_Type="text/html")) as server:
        found = list(find_remote(f"{server.url}/", limits=QUICK))
        assert len(server.requests) == 34  # the first one asks what it is
    (deep,) = (place for place in found if isinstance(place, Unusable))
    assert len(found) == 34
    assert deep.path.endswith("/again" * 33)
    assert "more than 32 folders deep" in deep.reason


# Time


def test_a_server_that_sends_a_byte_now_and_then_is_left_in_time() -> None:
    stop = threading.Event()

    def slow(request: Handler) -> None:
        request.reply(200, Content_Length=1000)
        while not stop.wait(0.02):
            request.wfile.write(b"x")
            request.wfile.flush()

    limits = QUICK._replace(total_seconds=0.15)
    with serving(slow) as server:
        began = time.monotonic()
        try:
            assert "(it took too long). Try again, or download it" in refusal(f"{server.url}.png", limits)
            with pytest.raises(DataError, match=r"cannot be read \(it took too long\)"):
                list(find_remote(server.url, limits=limits))
            assert time.monotonic() - began < 2
        finally:
            stop.set()


def test_all_requests_for_one_image_have_one_bound_of_time() -> None:
    with serving(failing(503)) as server:
        began = time.monotonic()
        limits = WebLimits(total_seconds=0.15, attempts=100_000, pause_seconds=0.0, longest_pause_seconds=1)
        assert "(it took too long)" in refusal(f"{server.url}.png", limits)
        assert time.monotonic() - began < 2


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again(status: int) -> None:
    with serving(failing(status), failing(status), without_ranges(DATA)) as server:
        assert read_remote(f"{server.url}.png", QUICK) == DATA
        assert len(server.requests) == 3
    with serving(failing(status)) as server:
        message = refusal(f"{server.url}.png")
        assert f"(the server answered {status} " in message
        assert "Try again later" in message
        assert len(server.requests) == QUICK.attempts


def test_a_busy_server_of_a_listing_is_asked_again() -> None:
    listing = without_ranges(b'<a href="a.png">', Content_Type="text/html")
    with serving(failing(503), listing) as server:
        assert len(list(find_remote(server.url, limits=QUICK))) == 1
    with serving(failing(503)) as server, pytest.raises(DataError, match=r"read \(the server answered 503"):
        list(find_remote(server.url, limits=QUICK))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 418, 499])
def test_other_errors_are_not_asked_about_again(status: int) -> None:
    with serving(failing(status)) as server:
        message = refusal(f"{server.url}.png")
        assert f"the server answered {status}" in message
        assert "Check the address" in message
        assert len(server.requests) == 1


def busy(after: str) -> Answer:
    return lambda request: request.reply(429, Retry_After=after)


def test_a_server_says_when_it_is_asked_again() -> None:
    """The pause of these limits is too long for the test."""
    limits = QUICK._replace(pause_seconds=0.2, longest_pause_seconds=0.2)
    for after in ("0", format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)):
        with serving(busy(after), busy(after), without_ranges(DATA)) as server:
            began = time.monotonic()
            assert read_remote(f"{server.url}.png", limits) == DATA
            assert time.monotonic() - began < 0.2
            assert len(server.requests) == 3


@pytest.mark.parametrize("after", ["3600", "999999999", "tomorrow"])
def test_a_server_that_wants_hours_is_not_waited_for(after: str) -> None:
    tomorrow = format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True)
    with serving(busy(after.replace("tomorrow", tomorrow)), without_ranges(DATA)) as server:
        message = refusal(f"{server.url}.png")
        assert "429 Too Many Requests, and to come back after" in message
        assert len(server.requests) == 1


@pytest.mark.parametrize("after", ["soon", "-1", "9" * 5000, "Sun, 99 Nov 9999 99:99:99 GMT", "1e3", ""])
def test_a_senseless_pause_is_ignored(after: str) -> None:
    with serving(busy(after), without_ranges(DATA)) as server:
        assert read_remote(f"{server.url}.png", QUICK) == DATA


# Where redirects lead


@pytest.fixture
def public(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lets 127.0.0.1 be an address of the Internet; the rest of this machine is what it is."""
    real = fcn.jobs.sources.addresses.is_public
    monkeypatch.setattr(
        fcn.jobs.sources.addresses, "is_public", lambda address: address == "127.0.0.1" or real(address)
    )
    fcn.jobs.sources.addresses._has_private_addresses.cache_clear()
    yield
    fcn.jobs.sources.addresses._has_private_addresses.cache_clear()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(status: int) -> None:
    with serving(without_ranges(DATA)) as target, serving(redirecting(target.url, status)) as server:
        assert read_remote(f"{server.url}.png", QUICK) == DATA


def test_redirects_in_a_circle_end() -> None:
    with serving(redirecting("/file.png")) as server:
        assert "TooManyRedirects" in refusal(f"{server.url}.png")
        assert len(server.requests) < 20


@pytest.mark.parametrize(
    "target",
    [
        "file:///etc/hostname",
        "ftp://127.0.0.1/a.png",
        "gopher://127.0.0.1/",
        "data:image/png;base64,AA",
        "s3://b/a",
    ],
)
def test_a_redirect_to_another_kind_of_url_is_refused(target: str) -> None:
    with serving(redirecting(target)) as server:
        message = refusal(f"{server.url}.png")
    assert f"it redirects to {target}" in message
    assert "If you trust that address, give it instead." in message


@pytest.mark.usefixtures("public")
def test_a_redirect_from_the_internet_does_not_lead_into_private_networks() -> None:
    with serving(without_ranges(DATA), host="127.0.0.2") as inside:
        port = inside.server_port
        targets = [f"127.0.0.2:{port}", f"0.0.0.0:{port}", "10.0.0.1", "169.254.169.254"]
        for host in [*targets, "[::1]", "[::ffff:127.0.0.2]", "[fe80::1]"]:
            with serving(redirecting(f"http://{host}/a.png")) as server:
                message = refusal(f"{server.url}.png")
                assert "is in a private network, where a redirect from elsewhere may not lead" in message, (
                    host
                )
                assert "give it instead" in message
        for host in (f"2130706434:{port}", f"0x7f.2:{port}", f"127.2:{port}"):
            with serving(redirecting(f"http://{host}/a.png")) as server:
                message = refusal(f"{server.url}.png")
                assert "private network" in message or "not a canonical IPv4 address" in message, host
        with (
            serving(redirecting(f"{inside.url}/")) as server,
            pytest.raises(DataError, match=r"cannot be read .*private network"),
        ):
            list(find_remote(server.url, limits=QUICK))
        assert inside.requests == []
        # An address that you gave is yours to choose; and so is where a server of your network leads.
        assert read_remote(f"{inside.url}.png", QUICK) == DATA
        with serving(redirecting(inside.url), host="127.0.0.3") as own:
            assert read_remote(f"{own.url}.png", QUICK) == DATA


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, list[str]]]:
    """Addresses of names, by name: one for each time that it is asked for, the last from then on."""
    answers: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def answer(host: Any, *args: Any, **options: Any) -> Any:
        known = answers.get(host)
        if known is None:
            return real(host, *args, **options)
        return real(known.pop(0) if len(known) > 1 else known[0], *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    fcn.jobs.sources.addresses._has_private_addresses.cache_clear()
    yield answers
    fcn.jobs.sources.addresses._has_private_addresses.cache_clear()


@pytest.mark.usefixtures("public")
def test_a_name_does_not_change_its_address_after_it_was_checked(names: dict[str, list[str]]) -> None:
    with serving(without_ranges(DATA), host="127.0.0.2") as inside:
        target = f"http://127.0.0.2:{inside.server_port}/a.png"
        with serving(redirecting(target)) as server:
            # Private when it is looked at, to be allowed everything, and then a server of the Internet.
            names["own.test"] = ["127.0.0.2", "127.0.0.1"]
            message = refusal(f"http://own.test:{server.server_port}/a.png")
            assert "own.test had private addresses only, and now has others" in message
            assert server.requests == []
            # The other way around, and a name to which a redirect leads.
            names["other.test"] = ["127.0.0.1", "127.0.0.2"]
            message = refusal(f"http://other.test:{inside.server_port}/a.png")
            assert "other.test is in a private network" in message
            names["third.test"] = ["127.0.0.1", "127.0.0.1", "127.0.0.2"]
            server.answers[:] = [redirecting(f"http://third.test:{inside.server_port}/a.png")]
            assert "private network" in refusal(f"http://third.test:{server.server_port}/a.png")
        assert inside.requests == []


def test_a_private_name_stays_in_requests_whatever_address_it_has(
    names: dict[str, list[str]], secure: FileServer
) -> None:
    """Certificates are of names; this one is of localhost, and not of the second name."""
    seen: list[Any] = []
    secure.answers[:] = [remembering(without_ranges(DATA), seen)]
    port = secure.server_port
    names["localhost"] = ["127.0.0.3", "127.0.0.1"]
    assert read_remote(f"https://localhost:{port}/a.png", QUICK) == DATA
    assert [headers["Host"] for headers in seen] == [f"localhost:{port}"]
    names["own.test"] = ["127.0.0.1"]
    assert "CERTIFICATE_VERIFY_FAILED" in refusal(f"https://own.test:{port}/a.png")
    assert len(seen) == 1


# Credentials


def headers_after_redirect(
    url: str, target_host: str, monkeypatch: pytest.MonkeyPatch, **client: object
) -> list[Any]:
    """Returns the headers that the first server got, and those of the server that it redirects to."""
    monkeypatch.setitem(fsspec.config.conf, "http", {"client_kwargs": client})
    seen: list[Any] = []
    with serving(remembering(without_ranges(DATA), seen)) as target:
        there = f"http://{target_host}:{target.server_port}/b.png"
        answer = redirecting(there, Set_Cookie="session=secret; Path=/")
        with serving(remembering(answer, seen)) as server:
            address = url.format(port=server.server_port)
            assert read_remote(address, QUICK) == DATA
            assert read_remote(address, QUICK) == DATA
    assert len(seen) == 4
    return seen


@pytest.mark.parametrize(
    ("user", "client"),
    [
        ("name:secret@", {}),
        ("", {"headers": {"Authorization": "Bearer secret"}}),
        ("", {"headers": {"Cookie": "key=secret"}}),
        ("", {"cookies": {"key": "secret"}}),
    ],
)
def test_credentials_go_to_your_host_only(
    user: str, client: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = headers_after_redirect(
        f"http://{user}localhost:{{port}}/a.png", "127.0.0.1", monkeypatch, **client
    )
    for first, second in (seen[:2], seen[2:]):
        assert "Authorization" in first or "secret" in first["Cookie"]
        assert "Authorization" not in second
        assert "Cookie" not in second


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    try:
        subprocess.run([*command, "-keyout", path, "-out", f"{path}.crt"], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs the program openssl, for a certificate")
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


@pytest.fixture
def secure(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """A server of https, whose `url` is right, and that clients trust."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    trust = ssl.create_default_context(cafile=f"{certificate}.crt")
    monkeypatch.setitem(fsspec.config.conf, "http", {"ssl": trust})
    monkeypatch.setattr(
        FileServer, "url", property(lambda self: f"{self.scheme}://127.0.0.1:{self.server_port}/file")
    )
    monkeypatch.setattr(FileServer, "scheme", "http", raising=False)
    with serving(failing(500)) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.scheme = "https"
        yield server


def test_a_redirect_from_https_to_http_is_refused_and_the_other_way_followed(secure: FileServer) -> None:
    with serving(without_ranges(DATA)) as plain:
        secure.answers[:] = [redirecting(plain.url)]
        message = refusal(f"{secure.url}.png")
        assert (
            f"it redirects to {plain.url}, and redirects from https:// are followed to https:// only"
            in message
        )
        assert plain.requests == []
        secure.answers[:] = [lambda request: request.reply(302, URI=plain.url)]
        assert f"it redirects to {plain.url}" in refusal(f"{secure.url}.png")
        assert plain.requests == []
        secure.answers[:] = [redirecting("/other.png"), without_ranges(DATA)]
        assert read_remote(f"{secure.url}.png", QUICK) == DATA
        secure.answers[:] = [without_ranges(DATA)]
        plain.answers[:] = [redirecting(secure.url)]
        assert read_remote(f"{plain.url}.png", QUICK) == DATA
