"""Names under which a server without a token answers.

A page of another site can make its own name resolve to this machine (DNS rebinding), and then read the
responses. The browser still sends that name in the header Host, so unknown names are rejected. An
address cannot be rebound.
"""

import re
import socket
from collections.abc import Collection
from ipaddress import ip_address

# An address of version 6 in brackets, or a name or an address of version 4; maybe a port.
_HOST = re.compile(r"(?:\[([^\[\]]+)\]|([^:\[\]]+))(?::[0-9]*)?")


def known_hosts(allowed: Collection[str]) -> frozenset[str]:
    """Returns the names under which a server answers: localhost, that of the machine, and further ones.

    Example:
        >>> known_hosts(["Labels.Example.Com"]) >= {"localhost", "labels.example.com"}
        True
    """
    return frozenset(name.lower() for name in ("localhost", socket.gethostname(), *allowed))


def is_known_host(header: str | None, known: Collection[str]) -> bool:
    """Returns whether a request is for an IP address or a known name.

    Args:
        header: Value of the header Host; None without one. Browsers always send it.
        known: Names in lower case.

    Example:
        >>> [is_known_host(header, {"localhost"}) for header in ("LOCALHOST:80", "[::1]", "192.0.2.1:8501")]
        [True, True, True]
        >>> is_known_host("other.example.com:8501", {"localhost"})
        False
    """
    if header is None:
        return True
    match = _HOST.fullmatch(header)
    if match is None:
        return False
    address, name = match.groups()
    if address:
        return _is_address(address, 6)
    return _is_address(name, 4) or name.lower().removesuffix(".") in known


def _is_address(text: str, version: int) -> bool:
    try:
        return ip_address(text).version == version
    except ValueError:
        return False
