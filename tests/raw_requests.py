"""Raw requests without the token of a server, each made to get around it."""

from typing import NamedTuple

TOKEN = "Zm9v-secret+/="
NO = (400, 401, 404, 405, None)
"""Statuses of what is refused; None for a connection that is closed without an answer."""


class Attempt(NamedTuple):
    """A raw request.

    Attributes:
        name: What it tries.
        data: All bytes of it.
        statuses: The only ones that its answers may have.
    """

    name: str
    data: bytes
    statuses: tuple[int | None, ...] = NO


def request(
    target: str | bytes,
    *lines: str | bytes,
    method: str = "GET",
    version: str = "HTTP/1.1",
    body: bytes = b"",
) -> bytes:
    """Returns a request with a header Host and these lines of its head."""
    given = [line if isinstance(line, bytes) else line.encode("latin-1") for line in lines]
    target = target if isinstance(target, bytes) else target.encode()
    first = method.encode() + b" " + target + b" " + version.encode()
    return b"\r\n".join([first, b"Host: localhost", *given, b"", b""]) + body


_TARGETS: tuple[str | bytes, ...] = (
    *[
        r"/metrics",
        r"/metrics/",
        r"//metrics",
        r"///metrics",
        r"/./metrics",
        r"/../metrics",
        r"/metrics.",
        r"/metrics..",
        r"/metrics/.",
        r"/METRICS",
        r"/page/../metrics",
        r"/page/%2e%2e/metrics",
        r"/page/%2E%2E%2Fmetrics",
        r"/page/..%2fmetrics",
        r"/page/..;/metrics",
        r"/;/metrics",
        r"/metrics;x=1",
        r"/metrics;/page/",
        r"/metrics%00",
        r"/%00/metrics",
        r"/metrics%20",
        r"/%20metrics",
        r"/metrics%2f",
        r"/%2fmetrics",
        r"/%5cmetrics",
        r"/\metrics",
        r"/page\..\metrics",
        r"/page/%5c..%5cmetrics",
        r"/metrics?",
        r"/metrics?/healthz",
        r"/metrics#/healthz",
        r"/Metrics",
        r"/%6d%65%74%72%69%63%73",
        r"/%256detrics",
        r"/healthz/../metrics",
        r"/healthz/%2e%2e/metrics",
        r"/healthz;/../metrics",
        r"/healthz%2f..%2fmetrics",
        r"/healthz%3f/../metrics",
        r"/healthz/metrics",
        r"/v2/health/live/../../../metrics",
        r"/v2/health/ready/%2e%2e/%2e%2e/models/fcn",
        r"/page//v1/models/fcn",
        r"/page/page.js/../../v1/models/fcn",
        r"/v1/models/fcn",
        r"/v1//models/fcn",
        r"/v1/models/fcn%3Aclasses",
        r"/v1/models/fcn:classes?/page/",
        r"/%C0%AE%C0%AE/metrics",
        r"/%u002e/metrics",
        r"/%EF%BC%8Fmetrics",
        r"metrics",
        r"*",
        r"?/metrics",
        r"http://localhost/metrics",
        r"HTTP://localhost/healthz/../metrics",
        r"http://localhost/page/../metrics",
        r"https://localhost:1/metrics",
        r"//localhost/metrics",
        r"localhost:80",
    ],
    *(b"/metrics\xff", b"/\xc0\xafmetrics", b"/\0metrics", b"/metrics\0/healthz", b"/met rics"),
)
_METHODS = [
    "HEAD",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "get",
    "Get",
    "PROPFIND",
    "DEBUG",
    "GETX",
    "G",
    "GET/healthz",
    "GET:",
    "-",
]
_HEADERS: dict[str, tuple[str | bytes, ...]] = {
    "no scheme": (f"Authorization: {TOKEN}",),
    "scheme alone": ("Authorization: Bearer",),
    "scheme and space": ("Authorization: Bearer ",),
    "empty": ("Authorization:",),
    "basic": (f"Authorization: Basic {TOKEN}",),
    "tab": (f"Authorization: Bearer\t{TOKEN}",),
    "equals": (f"Authorization: Bearer={TOKEN}",),
    "colon": (f"Authorization: Bearer:{TOKEN}",),
    "quoted": (f'Authorization: Bearer "{TOKEN}"',),
    "list": (f"Authorization: Bearer {TOKEN}, Bearer x",),
    "two schemes": (f"Authorization: Bearer Bearer {TOKEN}",),
    "prefix": (f"Authorization: Bearer {TOKEN[:-1]}",),
    "longer": (f"Authorization: Bearer {TOKEN}=",),
    "upper case": (f"Authorization: Bearer {TOKEN.upper()}",),
    "lower case": (f"Authorization: Bearer {TOKEN.lower()}",),
    "wildcard": ("Authorization: Bearer *",),
    "null text": ("Authorization: Bearer null",),
    "null byte": (b"Authorization: Bearer \x00",),
    "token and null byte": (f"Authorization: Bearer {TOKEN}\0",),
    "Latin-1": (b"Authorization: Bearer \xe9\xff",),
    "Latin-1 in front": (b"Authorization: Bearer \xe9" + TOKEN.encode(),),
    "UTF-8": ("Authorization: Bearer Zm9v-s\u00e9cret".encode(),),
    "long": ("Authorization: Bearer " + "a" * 20_000,),
    "wrong twice": ("Authorization: Bearer a", "Authorization: Bearer b"),
    "wrong first": ("Authorization: Bearer a", f"Authorization: Bearer {TOKEN}"),
    "empty first": ("Authorization:", f"Authorization: Bearer {TOKEN}"),
    "space before the colon": (f"Authorization : Bearer {TOKEN}",),
    "tab before the colon": (f"Authorization\t: Bearer {TOKEN}",),
    "space in front": (f"X: y\r\n Authorization: Bearer {TOKEN}",),
    "wrong, folded": ("Authorization: Bearer\r\n a",),
    "bare line feed": (f"X: y\nAuthorization : Bearer {TOKEN}",),
    "bare carriage return": (f"X: y\rAuthorization: Bearer {TOKEN}",),
    "no colon": (f"Authorization Bearer {TOKEN}",),
    "null in the name": (f"Authorization\0: Bearer {TOKEN}",),
    "underscore": (f"HTTP_AUTHORIZATION: Bearer {TOKEN}",),
    "X-Authorization": (f"X-Authorization: Bearer {TOKEN}",),
    "Proxy-Authorization": (f"Proxy-Authorization: Bearer {TOKEN}",),
    "cookie": (f"Cookie: token={TOKEN}; Authorization=Bearer {TOKEN}",),
    "X-Api-Key": (f"X-Api-Key: {TOKEN}",),
    "X-Original-URL": ("X-Original-URL: /healthz",),
    "X-Rewrite-URL": ("X-Rewrite-URL: /healthz",),
    "X-HTTP-Method-Override": ("X-HTTP-Method-Override: OPTIONS",),
    "X-Forwarded-For": ("X-Forwarded-For: 127.0.0.1", "X-Real-IP: 127.0.0.1"),
    "X-Forwarded-Host": ("X-Forwarded-Host: localhost", "X-Forwarded-Proto: https"),
    "X-Forwarded-Prefix": ("X-Forwarded-Prefix: /page", "X-Script-Name: /page"),
    "Forwarded": ("Forwarded: for=127.0.0.1;host=localhost;proto=https",),
    "Connection names it": ("Connection: close, Authorization",),
    "two hosts": ("Host: localhost",),
    "h2c": ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"),
    "websocket": (
        *("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ),
    "TLS": ("Connection: Upgrade", "Upgrade: TLS/1.0"),
    "another length": ("Content-Length: 1", "Content-Length: 2"),
    "odd length": ("Content-Length: +0",),
    "hexadecimal length": ("Content-Length: 0x0",),
    "no chunks": ("Transfer-Encoding: identity",),
    "odd coding": ("Transfer-Encoding: xchunked",),
}
_INNER = request("/metrics", "Connection: close")
_HEALTH = request("/healthz")
_SEGMENT = "/v1/models/fcn:segment"
# What comes in a body is no request; what comes after one that is open is a request of its own.
_FRAMES = (
    Attempt("HTTP/1.0", request("/metrics", version="HTTP/1.0")),
    Attempt("HTTP/1.0 without Host", b"GET /metrics HTTP/1.0\r\n\r\n"),
    Attempt("HTTP/0.9", b"GET /metrics\r\n\r\n"),
    Attempt("HTTP/0.9, one line", b"GET /metrics\r\n"),
    Attempt("HTTP/2.0", request("/metrics", version="HTTP/2.0")),
    Attempt("HTTP/1.2", request("/metrics", version="HTTP/1.2")),
    Attempt("http/1.1", request("/metrics", version="http/1.1")),
    Attempt("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"),
    Attempt("no Host", b"GET /metrics HTTP/1.1\r\n\r\n"),
    Attempt("empty lines in front", b"\r\n\r\n" + _INNER),
    Attempt("line feeds alone", b"GET /metrics HTTP/1.1\nHost: localhost\n\n"),
    Attempt("two spaces", b"GET  /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    Attempt("tab", b"GET\t/metrics\tHTTP/1.1\r\nHost: localhost\r\n\r\n"),
    Attempt("after an open one", _HEALTH + _INNER, (200, 401)),
    Attempt("after twenty open ones", _HEALTH * 20 + _INNER, (200, 401)),
    Attempt("between open ones", _HEALTH + request("/metrics") + _HEALTH, (200, 401)),
    Attempt("in a body", request("/healthz", f"Content-Length: {len(_INNER)}", body=_INNER), (200,)),
    Attempt(
        "in a body of two lengths",
        request(*("/healthz", "Content-Length: 4", "Transfer-Encoding: chunked"), body=b"0\r\n\r\n" + _INNER),
        (200,),
    ),
    Attempt(
        "after chunks",
        request("/healthz", "Transfer-Encoding: chunked", body=b"0\r\n\r\n" + _INNER),
        (200, 401),
    ),
    Attempt(
        "in a trailer",
        request(
            *("/metrics", "Transfer-Encoding: chunked", "Trailer: Authorization"),
            body=b"0\r\nAuthorization: Bearer " + TOKEN.encode() + b"\r\n\r\n",
        ),
    ),
    Attempt("image to label", request(_SEGMENT, "Content-Length: 4", method="POST", body=b"\x89PNG")),
    Attempt("form", request("/metrics", "Content-Length: 9", method="POST", body=b"_method=G")),
    Attempt("waits for 100", request(_SEGMENT, "Expect: 100-continue", "Content-Length: 9", method="POST")),
    Attempt(
        "token in the query", request(f"/metrics?token={TOKEN}&access_token={TOKEN}&authorization={TOKEN}")
    ),
    Attempt("token in the target", request(f"http://Bearer:{TOKEN}@localhost/metrics")),
    Attempt("other place asked for", request("/healthz", "X-Original-URL: /metrics"), (200,)),
    Attempt("other place to send", request("/healthz", "X-Accel-Redirect: /metrics"), (200,)),
)
ATTEMPTS = (
    *(Attempt(f"target {target!r}", request(target)) for target in _TARGETS),
    *(Attempt(f"method {method}", request("/metrics", method=method)) for method in _METHODS),
    *(Attempt(f"header: {name}", request("/v1/models/fcn", *lines)) for name, lines in _HEADERS.items()),
    *_FRAMES,
)
"""Every attempt; none holds the token where it belongs."""
