"""Files that others publish, and their checksums."""

from typing import Literal, NamedTuple


class Checksum(NamedTuple):
    """A checksum that was stated in public.

    Attributes:
        kind: How it is computed.
        digits: Its hexadecimal digits, or the first of them where no more were stated.
        source: Who states it.
    """

    kind: Literal["md5", "sha1", "sha256"]
    digits: str
    source: str

    @property
    def title(self) -> str:
        """Its kind and digits, for people."""
        names = {"md5": "MD5", "sha1": "SHA-1", "sha256": "SHA-256"}
        return f"{names[self.kind]} {self.digits}"


class PublishedFile(NamedTuple):
    """A file that may be fetched from several places, each of which has the same bytes.

    Attributes:
        name: Its name.
        urls: Where it is, in the order to try.
        checksum: Of its content; None where none is public.
        size: Its length in bytes; None where it is not published.
    """

    name: str
    urls: tuple[str, ...]
    checksum: Checksum | None = None
    size: int | None = None
