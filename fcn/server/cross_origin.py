"""Pages of other origins that may use the server (Cross-Origin Resource Sharing).

Starlette's middleware is not used: it answers `*` also to the origin `null`, and refuses in plain text.
Inside `RequestMiddleware` it would leave errors without headers; outside, it would answer a preflight before
Host is checked, and without a log line, a count and the limits of a body.

Source: https://fetch.spec.whatwg.org/#http-cors-protocol.
"""

import re
from collections.abc import Collection, Mapping

from fcn.errors import ConfigError

ANY_ORIGIN = "*"
"""Stands for every origin but `null`, that of files and sandboxed frames."""

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
_DEFAULT_PORT = re.compile(r"http://.*:80|https://.*:443")
_METHODS = "GET, HEAD, POST"
_ALLOWED = "Authorization, Content-Encoding, Content-Type, Inference-Header-Content-Length, X-Request-ID"
_EXPOSED = (
    "Inference-Header-Content-Length, Retry-After, Server-Timing, X-Fcn-Areas, X-Fcn-Areas-Left-Out, "
    "X-Fcn-Doubtful, X-Fcn-Engine, X-Fcn-Mean-Confidence, X-Fcn-Orientation, X-Fcn-Version, X-Request-ID"
)
_PREFLIGHT_SECONDS = 600
"""How long a browser may remember the answer to a preflight."""


def is_origin(text: str) -> bool:
    """Returns whether a text is an origin as browsers send it, or `ANY_ORIGIN`.

    Example:
        >>> [is_origin(text) for text in ("https://labels.example.com", "http://[::1]:3000", "*")]
        [True, True, True]
        >>> [is_origin(text) for text in ("null", "https://a/", "https://A", "http://a:80", "a")]
        [False, False, False, False, False]
    """
    is_default_port = _DEFAULT_PORT.fullmatch(text)
    return text == ANY_ORIGIN or (_ORIGIN.fullmatch(text) is not None and not is_default_port)


def check_origins(origins: Collection[str], has_token: bool) -> None:
    """Checks that not every page may use a server with a token.

    Raises:
        ConfigError: If it may.
    """
    if ANY_ORIGIN in origins and has_token:
        raise ConfigError(
            f"--cors-origin {ANY_ORIGIN}: expected origins by name for a server with a token, such as "
            "https://labels.example.com."
        )


class CrossOrigin:
    """Headers for pages of other origins. Credentials, which are cookies, are never allowed.

    Args:
        origins: The origins that may use the server, as browsers send them; `ANY_ORIGIN` for all but `null`.

    Example:
        >>> CrossOrigin(["https://a.example"]).headers("https://b.example")
        {'Vary': 'Origin'}
    """

    def __init__(self, origins: Collection[str]) -> None:
        self._origins = frozenset(origins)

    def headers(self, origin: str | None) -> dict[str, str]:
        """Returns the headers of each response to a request from an origin (None: without the header)."""
        if not self._origins:
            return {}
        headers = {"Vary": "Origin"}
        if self._allows(origin):
            is_any = ANY_ORIGIN in self._origins
            headers["Access-Control-Allow-Origin"] = ANY_ORIGIN if is_any else str(origin)
            headers["Access-Control-Expose-Headers"] = _EXPOSED
        return headers

    def preflight_headers(self, method: str, headers: Mapping[str, str]) -> dict[str, str] | None:
        """Returns further headers of the response to a preflight; None if a request is not an allowed one.

        A browser compares them with what the page wants, and sends its request or not.

        Args:
            method: HTTP method.
            headers: Headers of the request.
        """
        if method != "OPTIONS" or "access-control-request-method" not in headers:
            return None
        if not self._allows(headers.get("origin")):
            return None
        return {
            "Access-Control-Allow-Methods": _METHODS,
            "Access-Control-Allow-Headers": _ALLOWED,
            "Access-Control-Max-Age": str(_PREFLIGHT_SECONDS),
        }

    def _allows(self, origin: str | None) -> bool:
        return origin in self._origins or (ANY_ORIGIN in self._origins and origin not in (None, "null"))
