"""Addresses of images: which places are addresses, and what in them says which image it is.

A link to one file may change from day to day: it is signed for some hours, for one user, in its query. So a
job knows an image by its link without that (`stable_link`), reads it by the link as it was given last, and
writes the signature to no output.
"""

import posixpath
import re
from urllib.parse import unquote, unquote_plus, urlsplit

WEB_PROTOCOLS = ("http", "https")

_LINKS = re.compile(r"""https?://[^\s"'<>]+""")
_HOST = re.compile("[^/?#]*")
_CHAIN = re.compile(r"::(?=[A-Za-z][\w+.-]*://)")
"""Separates the parts of a URL such as `zip://*.jpg::https://host/a.zip`, not those of an IPv6 address."""

_LONGEST_QUERY = 60  # bytes

# Parameters that sign a link, in lower case: a link that has one of the first has the second to sign it, by
# the documentation of each service. An asterisk stands for any end. Parameters that choose a version of the
# file, a part of it or its size are never among them.
_SIGNATURES: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    # Amazon S3, and what speaks its protocol: signature versions 4 and 2.
    (("x-amz-signature",), ("x-amz-*",)),
    (("awsaccesskeyid",), ("awsaccesskeyid", "signature", "expires", "x-amz-security-token")),
    # Google Cloud Storage: versions 4 and 2; Cloud CDN.
    (("x-goog-signature",), ("x-goog-*",)),
    (("googleaccessid",), ("googleaccessid", "signature", "expires")),
    (("keyname",), ("keyname", "signature", "expires", "urlprefix")),
    # Amazon CloudFront.
    (("key-pair-id",), ("key-pair-id", "signature", "expires", "policy", "hash-algorithm")),
    # Alibaba Cloud OSS: versions 1 and 4; Tencent Cloud COS; Huawei Cloud OBS.
    (("ossaccesskeyid",), ("ossaccesskeyid", "signature", "expires", "security-token")),
    (
        ("x-oss-signature",),
        (
            *("x-oss-signature", "x-oss-signature-version", "x-oss-credential", "x-oss-date"),
            *("x-oss-expires", "x-oss-additional-headers", "x-oss-security-token"),
        ),
    ),
    (("q-signature",), ("q-*", "x-cos-security-token")),
    (("accesskeyid",), ("accesskeyid", "signature", "expires", "x-obs-security-token")),
    # Akamai's tokens; Bearer tokens in a link (RFC 6750, 2.3).
    (("hdnts", "hdnea", "hdntl", "__token__"), ("hdnts", "hdnea", "hdntl", "__token__")),
    (("access_token",), ("access_token",)),
)
# A shared access signature of Azure: "sig" with the version, or the stored policy, that it was made by.
_AZURE = (
    *("sig", "sv", "ss", "srt", "sr", "st", "se", "sp", "spr", "sip", "si", "sdd", "ses"),
    *("skoid", "sktid", "skt", "ske", "sks", "skv", "saoid", "suoid", "scid", "sduoid", "skdutid"),
)
# Services that sign with parameters of common names, by the end of their hosts.
_BY_HOST: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("cdn.discordapp.com", ("ex", "is", "hm")),
    ("media.discordapp.net", ("ex", "is", "hm")),
    ("raw.githubusercontent.com", ("token",)),
    ("firebasestorage.googleapis.com", ("token",)),
)


def is_url(place: str) -> bool:
    """Returns whether a place is a URL, not a path.

    Example:
        >>> is_url("s3://bucket/a.jpg"), is_url("/data/a.jpg")
        (True, False)
    """
    return "://" in place


def path_of_url(url: str) -> str:
    """Returns the host and path of a URL as a relative path without `..`.

    Example:
        >>> path_of_url("https://host/my%20cats/../a.jpg?size=1")
        'host/a.jpg'
    """
    protocol, _, rest = url.partition("://")
    if protocol in WEB_PROTOCOLS:
        parts = urlsplit(url)
        rest = (parts.hostname or "") + unquote(parts.path).replace("\0", "")
    return posixpath.normpath(f"/{rest}").lstrip("/")


def stable_link(url: str) -> str:
    """Returns a URL without what may change while it leads to the same file, and without secrets.

    These are signatures, with what they sign (times, users, permissions), user and password, and a fragment.
    All else stays as it is, so a URL without any of these is returned unchanged.

    Example:
        >>> stable_link("https://me:secret@host/a.jpg?v=2&Expires=1&Signature=x&Key-Pair-Id=K#top")
        'https://host/a.jpg?v=2'
    """
    return "::".join(map(_stable_part, _CHAIN.split(url)))


def _stable_part(url: str) -> str:
    protocol, mark, rest = url.partition("://")
    host = _HOST.match(rest)[0]  # type: ignore[index]  # it matches anything
    path = rest[len(host) :]
    user, at, server = host.rpartition("@")
    if protocol not in WEB_PROTOCOLS:
        # In other URLs there may be an @ in the name of a folder, and ? and # in any name.
        return f"{protocol}{mark}{server if ':' in user else host}{path}"
    address, question, query = f"{server if at else host}{path}".partition("#")[0].partition("?")
    signing = _signing_parameters(server.lower().partition(":")[0], query)
    kept = [part for part in query.split("&") if not _is_among(_name(part), signing)]
    query = "&".join(kept)
    return f"{protocol}{mark}{address}{question if query or not signing else ''}{query}"


def _signing_parameters(host: str, query: str) -> tuple[str, ...]:
    names = {_name(part) for part in query.split("&")}
    found = [signing for marks, signing in _SIGNATURES if not names.isdisjoint(marks)]
    if "sig" in names and not names.isdisjoint(("sv", "si", "se")):
        found.append(_AZURE)
    found += [signing for end, signing in _BY_HOST if host == end]
    return tuple(name for signing in found for name in signing)


def _name(parameter: str) -> str:
    return unquote_plus(parameter.partition("=")[0]).lower()


def _is_among(name: str, signing: tuple[str, ...]) -> bool:
    return any(name.startswith(one[:-1]) if one.endswith("*") else name == one for one in signing)


def shown_place(place: str) -> str:
    """Returns a place as outputs and messages have it: a path as it is, a URL as `stable_link` returns it."""
    return stable_link(place) if is_url(place) else place


def without_signatures(text: str) -> str:
    """Returns text, such as the message of a library, with each link in it as `stable_link` returns it."""
    return _LINKS.sub(lambda found: stable_link(found[0]), text)


def query_name(url: str) -> str:
    """Returns the query of a URL as a part of a file's name; empty if it has none.

    Different queries may give the same name.

    Example:
        >>> query_name("https://host/view?id=7&size=1/2"), query_name("https://host/a.jpg")
        ('id=7_size=1_2', '')
    """
    if url.partition("://")[0] not in WEB_PROTOCOLS:
        return ""
    query = unquote_plus(url.partition("#")[0].partition("?")[2])
    name = re.sub(r"[^\w=.,-]+", "_", query).encode()[:_LONGEST_QUERY]
    return name.decode(errors="ignore").strip("._")
