"""Which addresses belong to the Internet, and which to this machine and private networks."""

import errno
import functools
import ipaddress
import socket
from typing import Any
from urllib.parse import urlsplit

PRIVATE = "is in a private network, where a redirect from elsewhere may not lead"
"""The reason why a connection is refused; follows the host's name or address."""


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
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    return parsed.is_global and not parsed.is_multicast


def public_socket(address_info: Any) -> socket.socket:
    """Returns a socket for a connection that may be made.

    It sees addresses after the names are resolved, so no name or way to write a number passes it.
    """
    family, kind, protocol, _, address = address_info
    if not is_public(address[0]):
        raise PermissionError(errno.EACCES, f"{address[0]} {PRIVATE}")
    return socket.socket(family, kind, protocol)
