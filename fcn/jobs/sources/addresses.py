"""Which addresses belong to the Internet, and which to this machine and private networks."""

import errno
import functools
import ipaddress
import socket
from typing import Any
from urllib.parse import urlsplit

PRIVATE = "is in a private network, where a redirect from elsewhere may not lead"
"""The reason why a connection is refused; follows the host's name or address."""

# Addresses of version 6 that end with one of version 4, to which the network may translate them: mapped,
# compatible and translated ones (RFC 4291, 2765, 6052).
_TRANSLATED_NETWORKS = tuple(
    map(ipaddress.IPv6Network, ("::ffff:0:0/96", "::/96", "::ffff:0:0:0/96", "64:ff9b::/96"))
)
# Translated within a network (RFC 8215), and of a site (RFC 3879); Python takes both for public.
_PRIVATE_NETWORKS = tuple(map(ipaddress.IPv6Network, ("64:ff9b:1::/48", "fec0::/10")))


def is_private_host(url: str) -> bool:
    """Returns whether the host of a URL has no public address.

    Example:
        >>> is_private_host("http://127.0.0.1:8000/a.jpg")
        True
    """
    try:
        return _has_private_addresses(urlsplit(url).hostname or "")
    except (OSError, ValueError):  # no such host, or no URL: the request fails too
        return False


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
        raise PermissionError(errno.EACCES, f"{address[0]} {PRIVATE}")
    return socket.socket(family, kind, protocol)
