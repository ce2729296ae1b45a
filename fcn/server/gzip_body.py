"""Inflating gzip bodies piece by piece, so that a small one that inflates to gigabytes stays small."""

import asyncio
import zlib
from collections.abc import AsyncIterable, AsyncIterator

from fcn.server.validation import invalid

GZIP = "gzip"
"""Name of the encoding in the header Content-Encoding."""

_GZIP_FORMAT = 16 + zlib.MAX_WBITS
_PIECE = 1 << 16
"""Maximum number of bytes that are inflated at once; this takes less than a millisecond."""


async def inflate(parts: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """Yields the content of a gzip body in pieces; the next one is inflated only when it is requested.

    A body is one gzip member: nothing may follow it, since a body of a million empty ones would cost seconds.

    Args:
        parts: The body, in parts of any size.

    Raises:
        ServerError: If it is damaged, truncated, or more follows.
    """
    stream = zlib.decompressobj(_GZIP_FORMAT)
    async for part in parts:
        rest = part
        while rest and not stream.eof:
            try:
                piece = stream.decompress(rest, _PIECE)
            except zlib.error as error:
                raise invalid("a gzip body", f"damaged data ({error})") from error
            yield piece
            rest = stream.unconsumed_tail
            await asyncio.sleep(0)  # other requests go on meanwhile
        if stream.unused_data or (rest and stream.eof):
            raise invalid("one gzip member as the body", "more bytes after its end")
    if not stream.eof:
        raise invalid("a whole gzip body", "one that ends in the middle")
