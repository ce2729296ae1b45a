"""How images and listings come from web servers: bounded in bytes and time, and only from where you asked.

fsspec's file system for `http://` and `https://` gets its sessions here (`get_client`). So all of its ways to
read are bounded: the timeout, middleware, response class and connector of a session hold for each request.
"""

import asyncio
import functools
import itertools
import re
import time
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

from fcn.jobs.sources.addresses import REFUSALS, private_host, private_resolver, public_socket
from fcn.jobs.sources.credentials import VARIABLE, Handler, authorize
from fcn.jobs.sources.links import WEB_PROTOCOLS, stable_link

if TYPE_CHECKING:  # installed with the extra "remote" only
    import aiohttp
    import yarl

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_STATUSES = frozenset(HTTPStatus)
_TOO_MANY_REQUESTS = 429
_LATER = "Try again later, with --retry-failed for images."
_TRUSTED = "If you trust that address, give it instead."
_LISTING_BYTES = 1 << 26
"""Most bytes of a listing: about 300,000 files, as servers write them."""
_LISTING_LINKS = 1_000_000
_TAG = re.compile(r"""<[aA]\s(?:[^<>"']|"[^"]*"|'[^']*')*""")
_HREF = re.compile(r"""\s(?:href|HREF)=["']([^"']+)""")
_URL = re.compile(r"https?://[-a-zA-Z0-9@:%_+.~#?&/=]+")
_MANY_SPACES = re.compile(r"\s{9}")


class WebLimits(NamedTuple):
    """Limits after which a server is given up.

    Attributes:
        total_seconds: For one image or listing, with redirects, repeated requests and pauses.
        attempts: Requests to a server that answers 429 or 5xx.
        pause_seconds: The wait before the second request, unless the server sends `Retry-After`; doubled with
            each further one.
        longest_pause_seconds: A server that sends a longer `Retry-After` is not waited for.
    """

    total_seconds: float = 300.0
    attempts: int = 3
    pause_seconds: float = 1.0
    longest_pause_seconds: float = 60.0


DEFAULT_LIMITS = WebLimits()


class WebError(Exception):
    """A reason why a web server's answer is not used.

    Attributes:
        remedy: What the user can do about it.
    """

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.remedy = remedy


class TooLargeError(Exception):
    """An answer that is longer than its limit.

    Attributes:
        size: Its length in bytes as far as it is known.
    """

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


def web_options(url: str, limits: WebLimits, max_bytes: int) -> dict[str, dict[str, Any]]:
    """Returns fsspec's options for the web addresses in a URL, by protocol.

    Args:
        url: A URL, also one of several parts (`zip://*.jpg::https://host/a.zip`).
        limits: When to give up.
        max_bytes: Most bytes of a file that is read whole.
    """
    options: dict[str, dict[str, Any]] = {}
    for part in url.split("::"):
        protocol = part.partition("://")[0]
        if protocol in WEB_PROTOCOLS:
            # fsspec keeps one file system, and so one session, for equal options.
            client = functools.partial(
                open_session, limits=limits, max_bytes=max_bytes, own_host=private_host(part)
            )
            options[protocol] = {"get_client": client}
    return options


async def open_session(
    *, limits: WebLimits, max_bytes: int, own_host: str | None, **options: Any
) -> "aiohttp.ClientSession":
    """Returns a session whose requests are bounded.

    After a redirect to another host, aiohttp sends no user and password of the URL, and no `Authorization`
    and `Cookie` headers. A session's `auth` and `cookies` would go to every host; here they become headers.

    Args:
        limits: When to give up.
        max_bytes: Most bytes of a body that is read whole, after decompression.
        own_host: The host that the user gave if it has no public address; others like it may be connected to
            then. None if it has one.
        options: aiohttp's options, from the user's configuration of fsspec (`client_kwargs`).
    """
    import aiohttp
    from multidict import CIMultiDict

    headers = CIMultiDict[str](options.get("headers", {}))
    headers["Accept-Encoding"] = "identity"
    if cookies := options.pop("cookies", None):
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in dict(cookies).items())
    if auth := options.pop("auth", None):
        headers["Authorization"] = auth.encode()
    # Which addresses a proxy connects to is the proxy's concern, and its own may well be private.
    checked = not (own_host or options.get("proxy") or options.get("trust_env"))
    options.setdefault("timeout", aiohttp.ClientTimeout(total=limits.total_seconds, sock_connect=30))
    if "connector" not in options:
        options["connector"] = aiohttp.TCPConnector(
            socket_factory=public_socket if checked else None,
            resolver=private_resolver(own_host) if own_host else None,
        )
    options |= {
        "headers": headers,
        "raise_for_status": _check_status,
        "response_class": _bounded_response(max_bytes),
        "middlewares": (authorize, functools.partial(_retry, limits)),
    }
    return aiohttp.ClientSession(**options)


async def _retry(
    limits: WebLimits, request: "aiohttp.ClientRequest", handler: Handler
) -> "aiohttp.ClientResponse":
    """Repeats requests that a server was too busy for; aiohttp calls it for each redirect too."""
    for attempt in range(limits.attempts):
        response = await _send(request, handler)
        pause = _retry_after(response.headers.get("Retry-After", ""))
        if pause is None:
            pause = limits.pause_seconds * 2 ** min(attempt, 16)
        final = attempt + 1 == limits.attempts or pause > limits.longest_pause_seconds
        if final or not _is_passing(response.status):
            break
        response.close()  # without reading on
        await asyncio.sleep(pause)
    return response


async def _send(request: "aiohttp.ClientRequest", handler: Handler) -> "aiohttp.ClientResponse":
    import aiohttp

    try:
        response = await handler(request)
    except aiohttp.ClientConnectorError as error:
        for reason in REFUSALS:
            if reason in str(error.os_error):
                raise WebError(f"{request.url.host} {reason}", _TRUSTED) from error
        raise
    try:
        _check_redirect(request.url, response)
    except WebError:
        response.close()
        raise
    return response


def _is_passing(status: int) -> bool:
    return status == _TOO_MANY_REQUESTS or status >= 500


def _retry_after(value: str) -> float | None:
    """Returns the seconds that a server asks to wait for; None if it does not.

    Example:
        >>> _retry_after("120"), _retry_after("soon")
        (120.0, None)
    """
    if re.fullmatch(r"[0-9]{1,9}", value):
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError, OSError):
        return None


def _check_redirect(url: "yarl.URL", response: "aiohttp.ClientResponse") -> None:
    from yarl import URL

    location = response.headers.get("Location") or response.headers.get("URI")  # as aiohttp does
    if response.status not in _REDIRECTS or not location:
        return
    try:
        target = url.join(URL(location))
    except ValueError:
        return  # aiohttp refuses it
    allowed = ("https",) if url.scheme == "https" else WEB_PROTOCOLS
    if target.scheme not in allowed:
        raise WebError(
            f"it redirects to {stable_link(str(target))[:200]}, and redirects from {url.scheme}:// are "
            f"followed to {' and '.join(f'{scheme}://' for scheme in allowed)} only",
            _TRUSTED,
        )


async def _check_status(response: "aiohttp.ClientResponse") -> None:
    status = response.status
    if status < 400:
        return
    # The server's own words for its status could be any characters.
    phrase = HTTPStatus(status).phrase if status in _STATUSES else ""
    reason = f"the server answered {status} {phrase}".rstrip()
    if _is_passing(status):
        seconds = _retry_after(response.headers.get("Retry-After", ""))
        wait = "" if seconds is None else f", and to come back after {seconds:.0f} s"
        raise WebError(f"{reason}{wait}", _LATER)
    if status in (401, 403, 407):
        raise WebError(reason, f"Check the address, and that you may read it ({VARIABLE} in docs/inputs.md).")
    raise WebError(reason, "Check the address.")


def _bounded_response(max_bytes: int) -> type["aiohttp.ClientResponse"]:
    import aiohttp

    class BoundedResponse(aiohttp.ClientResponse):
        """A response that reads at most one byte more than its limit, whatever its headers say."""

        async def read(self) -> bytes:
            if self._body is None:
                await self._read_at_most(max_bytes)
            return await super().read()

        async def text(self, encoding: str | None = None, errors: str = "strict") -> str:
            if self._body is None:
                try:
                    await self._read_at_most(_LISTING_BYTES)
                except TooLargeError as error:
                    raise WebError(
                        f"the listing has more than {_LISTING_BYTES >> 20} MB",
                        "Give folders below it, or a list of URLs.",
                    ) from error
            return _only_links(await super().text(encoding, errors))

        async def _read_at_most(self, limit: int) -> None:
            try:
                if (self.content_length or 0) > limit:
                    raise TooLargeError(self.content_length or 0)
                body = BytesIO()  # returns its bytes without a copy
                while block := await self.content.read(min(1 << 20, limit + 1 - body.tell())):
                    body.write(block)
                    if body.tell() > limit:
                        raise TooLargeError(body.tell())
                self._body = body.getvalue()
            except BaseException:
                self.close()
                raise

    return BoundedResponse


def _only_links(text: str) -> str:
    """Returns the links of a page without all else.

    fsspec searches pages with regular expressions that take time quadratic or cubic in the length of a page
    that means harm.
    """
    links: set[str] = set()
    for found in itertools.chain(_URL.finditer(text), _TAG.finditer(text)):
        links.add(_link(found[0]))
        if len(links) > _LISTING_LINKS:
            raise WebError(
                f"the listing has more than {_LISTING_LINKS:,} links",
                "Give folders below it, or a list of URLs.",
            )
    return "\n".join(links)


def _link(found: str) -> str:
    """Returns a URL or a tag as fsspec searches for it; empty for a tag without a link."""
    if not found.startswith("<"):
        return found
    link = _HREF.search(found)
    return f'<a href="{link[1]}">' if link and not _MANY_SPACES.search(link[1]) else ""
