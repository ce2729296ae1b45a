"""Which addresses belong to the Internet, and which to this machine and private networks.

A server of names may answer differently each time. So what is decided about a host by its addresses holds for
each connection to it: the address that is connected to is checked, not one that was found before.
"""

import errno
import functools
import ipaddress
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:  # installed with the extra "remote" only
    from aiohttp.abc import AbstractResolver, ResolveResult

_PRIVATE = "is in a private network, where a redirect from elsewhere may not lead"
_NO_LONGER_PRIVATE = "had private addresses only, and now has others"
REFUSALS = (_PRIVATE, _NO_LONGER_PRIVATE)
"""The reasons why a connection is refused; each follows the host's name or address."""

# Addresses of version 6 that end with one of version 4, to which the network may translate them: mapped,
# compatible and translated ones (RFC 4291, 2765, 6052).
_TRANSLATED_NETWORKS = tuple(
    map(ipaddress.IPv6Network, ("::ffff:0:0/96", "::/96", "::ffff:0:0:0/96", "64:ff9b::/96"))
)
# Translated within a network (RFC 8215), and of a site (RFC 3879); Python takes both for public.
_PRIVATE_NETWORKS = tuple(map(ipaddress.IPv6Network, ("64:ff9b:1::/48", "fec0::/10")))


def private_host(url: str) -> str | None:
    """Returns the host of a URL if it has no public address; None otherwise.

    Example:
        >>> private_host("http://127.0.0.1:8000/a.jpg")
        '127.0.0.1'
    """
    try:
        host = urlsplit(url).hostname or ""
        return host if _has_private_addresses(host) else None
    except (OSError, ValueError):  # no such host, or no URL: the request fails too
        return None


@functools.lru_cache(maxsize=256)
def _has_private_addresses(host: str) -> bool:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return not any(is_public(str(address[0])) for *_, address in found)


def is_public(address: str) -> bool:
    """Returns whether an address may be anywhere in the Internet.

    Example:
        >>> is_public("192.168.0.1"), is_public("2606:4700:4700::1111")
        (False, True)
    """
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        if any(parsed in network for network in _PRIVATE_NETWORKS):
            return False
        if any(parsed in network for network in _TRANSLATED_NETWORKS):
            parsed = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        else:
            parsed = parsed.sixtofour or parsed
    return parsed.is_global and not parsed.is_multicast


def public_socket(address_info: Any) -> socket.socket:
    """Returns a socket for a connection that may be made.

    It sees addresses after the names are resolved, so no name or way to write a number passes it.
    """
    family, kind, protocol, _, address = address_info
    if not is_public(address[0]):
        raise PermissionError(errno.EACCES, f"{address[0]} {_PRIVATE}")
    return socket.socket(family, kind, protocol)


def private_resolver(host: str) -> "AbstractResolver":
    """Returns a resolver that finds no public address of a host that `private_host` returned.

    With the others of that host, and with all of any other, it does as aiohttp does. Names stay in requests
    and in checks of certificates.

    Args:
        host: The host, a name.
    """
    from aiohttp import ThreadedResolver
    from yarl import URL

    own = URL.build(scheme="http", host=host).raw_host  # as aiohttp writes it

    class PrivateResolver(ThreadedResolver):
        """A resolver for connections that may be made to any address, since the user's own is private."""

        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> "list[ResolveResult]":
            found = await super().resolve(host, port, family)
            if host == own:
                found = [result for result in found if not is_public(result["host"])]
            if not found:
                raise PermissionError(errno.EACCES, f"{host} {_NO_LONGER_PRIVATE}")
            return found

    return PrivateResolver()
