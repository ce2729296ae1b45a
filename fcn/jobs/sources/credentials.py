"""Credentials for web servers, from the environment: each for one server, and for no other.

`FCN_HTTP_AUTHORIZATION` has lines of an origin and the value of the header `Authorization`, such as
`https://images.example.com Bearer abc`. `NETRC` names a file with a user and a password for each host.
"""

import base64
import netrc
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fcn.errors import DataError

if TYPE_CHECKING:  # installed with the extra "remote" only
    import aiohttp

Handler = Callable[["aiohttp.ClientRequest"], Awaitable["aiohttp.ClientResponse"]]

VARIABLE = "FCN_HTTP_AUTHORIZATION"
_NETRC = "NETRC"
_PORTS = {"http": 80, "https": 443}


def authorization_for(url: str) -> str | None:
    """Returns the value of the header `Authorization` for a request; None if none is to be sent.

    It is asked for each request, also one after a redirect, with the address that this request goes to. An
    origin is a protocol, a host and a port; a host alone means `https`. `default` in a netrc file, which
    would be sent to any host, is ignored.

    Args:
        url: Address of the request.

    Raises:
        DataError: If the environment is wrong. The message has no credentials.

    Example:
        >>> os.environ["FCN_HTTP_AUTHORIZATION"] = "images.example.com Bearer abc"
        >>> authorization_for("https://images.example.com/a.jpg"), authorization_for("https://example.com/")
        ('Bearer abc', None)
        >>> del os.environ["FCN_HTTP_AUTHORIZATION"]
    """
    origin = _origin(url)
    for number, line in enumerate(os.environ.get(VARIABLE, "").splitlines(), 1):
        place, _, value = line.strip().partition(" ")
        if not place:
            continue
        known = _origin(place if "://" in place else f"https://{place}")
        if known is None or not value.strip():
            raise DataError(
                f"{VARIABLE}: line {number}: expected an origin and what to send it, as in "
                "'https://images.example.com Bearer abc'."
            )
        if known == origin:
            return value.strip()
    return _from_netrc(origin[1]) if origin else None


async def authorize(request: "aiohttp.ClientRequest", handler: Handler) -> "aiohttp.ClientResponse":
    """Adds credentials to a request that has none, as a middleware of aiohttp.

    aiohttp calls it for each redirect too. What it adds belongs to one request alone.
    """
    if "Authorization" not in request.headers and (value := authorization_for(str(request.url))):
        request.headers["Authorization"] = value
    return await handler(request)


def _origin(url: str) -> tuple[str, str, int] | None:
    """Returns protocol, host and port of a URL; None if it has none of the web, or is not one."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError):
        return None
    return (parts.scheme, parts.hostname, port) if parts.hostname else None


def _from_netrc(host: str) -> str | None:
    path = os.environ.get(_NETRC)
    if not path:
        return None
    try:
        known = netrc.netrc(path).hosts.get(host)
    except (OSError, netrc.NetrcParseError, UnicodeError) as error:
        # The message of a parser may quote the file.
        reason = error.strerror if isinstance(error, OSError) else "it is not a netrc file"
        raise DataError(f"{path}: cannot be read ({reason}). Correct it, or unset {_NETRC}.") from error
    if known is None:
        return None
    user, _, password = known
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
