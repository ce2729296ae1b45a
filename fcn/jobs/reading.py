"""Reads and decodes the images of a job."""

import hashlib
import math
import os
from pathlib import Path
from typing import Literal, NamedTuple, Self

from fcn.data.decoder import Decoder, Header
from fcn.data.depth import DARK_BITS, common_bits, describe_nearly_black
from fcn.data.encoded_image import EncodedImage
from fcn.data.image_bounds import decoding_seconds
from fcn.data.image_forms import START_BYTES, is_risky
from fcn.data.image_header import MAX_PIXELS, read_image_file
from fcn.data.image_io import Pixels
from fcn.data.orientation import turned_back, upright
from fcn.data.pillow_decoding import MOST_BITS, needed_bits
from fcn.errors import DataError
from fcn.jobs.sources.links import is_url
from fcn.jobs.sources.remote import read_remote
from fcn.jobs.task import Outcome, Task
from fcn.system.files import unreadable
from fcn.system.text import print_notice

FILE_SECONDS = 120.0
"""Longest time that a process may decode an image, unless the user chooses another."""


class ReadingLimits(NamedTuple):
    """Limits of an image that is read.

    Attributes:
        seconds: Longest time that a process may decode it.
        pixels: Most pixels of it.
    """

    seconds: float = FILE_SECONDS
    pixels: int = MAX_PIXELS


LIMITS = ReadingLimits()
"""The limits, unless the user chooses others."""

PixelOrder = Literal["upright", "stored"]
"""Order of the pixels that are labeled: "stored" in jobs that a version without EXIF orientation started."""

NO_MEMORY = (
    "there was not enough memory for it. Lower --memory, give the process more memory, or shrink the image; "
    "then add --retry-failed."
)
"""Reason why an image failed."""

_SECONDS_IN_THIS_PROCESS = 5.0
# A dark photo may have few bright pixels; with so many bits unused by 99% of the values it is nearly black.
_VERY_DARK_BITS = 4
# Values that are enough to know where 99% of them are, in hundredths of a second.
_SAMPLED = 1 << 22


class ReadImage(NamedTuple):
    """An image that could be read; its outcome has the files that stay as they are, and no others yet.

    Attributes:
        claimed: The image.
        outcome: Its outcome so far.
        image: `uint8[H, W, 3]`, RGB.
        orientation: EXIF orientation that turns it upright; 1 if it is.
    """

    claimed: Task
    outcome: Outcome
    image: Pixels
    orientation: int = 1


class ImageReader:
    """Reads and decodes images, in any number of threads.

    Images from URLs, files that seem to take more than five seconds, and those with risky decoders are
    decoded in processes that are stopped if they take too long; other files in this process, which is faster.

    Args:
        limits: Limits of an image; the time is that of such a process.
        order: Order of the pixels.
        bits: How many bits the values of files of 16 bits use.
    """

    def __init__(
        self, limits: ReadingLimits = LIMITS, order: PixelOrder = "upright", bits: int = MOST_BITS
    ) -> None:
        self._limits, self._order, self._bits = limits, order, bits
        self._warned = False
        self._free: list[Decoder] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for decoder in self._free:
            decoder.close()

    def read(self, claimed: Task) -> ReadImage | Outcome:
        """Returns an image; or the outcome if it cannot be read, so that the job continues."""
        outcome = Outcome(claimed.id, files=claimed.files if claimed.hash else {})
        try:
            if is_url(claimed.place):
                data = read_remote(claimed.source)
                outcome = outcome._replace(size=len(data))
            else:
                status = os.stat(claimed.place)
                outcome = outcome._replace(size=status.st_size, changed=status.st_mtime_ns)
                data = read_image_file(Path(claimed.place), self._limits.pixels)
            outcome = outcome._replace(hash=hashlib.sha256(data).hexdigest())
            if outcome.hash != claimed.hash:
                outcome = outcome._replace(files={})
            header, pixels = self._decode(data, claimed.place)
            self._check_range(header, pixels, claimed.place)
            orientation = header.orientation if self._order == "stored" else 1
            return ReadImage(claimed, outcome, pixels, orientation)
        except DataError as error:
            return outcome._replace(error=str(error).removeprefix(f"{claimed.place}: "))
        except OSError as error:
            return outcome._replace(error=unreadable(error))
        except MemoryError:
            return outcome._replace(error=NO_MEMORY)

    def _check_range(self, header: Header, pixels: Pixels, place: str) -> None:
        """Warns once of an image of 16 bits that would be nearly black."""
        if self._warned or header.bits < MOST_BITS:
            return
        used, most, remedy = needed_bits(pixels, self._bits), "no value above", ""
        if used > self._bits - DARK_BITS:
            used = common_bits(pixels[:: -(-pixels.size // _SAMPLED)], self._bits)
            if used > self._bits - _VERY_DARK_BITS:
                return
            most = "99% of the values are at most"
            remedy = "; if larger ones mark pixels without data, write another value there first"
        self._warned = True
        print_notice(
            f"{describe_nearly_black(place, most, used, self._bits)}{remedy}. Others are not mentioned."
        )

    def _decode(self, data: bytes, place: str) -> tuple[Header, Pixels]:
        """Returns the header of an image, and its pixels in the order of this reader.

        Raises:
            BackendError: If no process can be started.
            DataError: If it cannot be decoded.
        """
        if not (is_url(place) or is_risky(data[:START_BYTES])):
            image = EncodedImage(data, place, self._limits.pixels)
            if decoding_seconds(image.header, data, math.prod(image.size)) <= _SECONDS_IN_THIS_PROCESS:
                header = Header(image.size, image.orientation, image.stored_bits)
                decode = image.decode_stored if self._order == "stored" else image.decode
                return header, decode(self._bits)
        decoder = self._free.pop() if self._free else Decoder()
        try:
            header = decoder.open(data, place, self._limits.seconds, self._bits, self._limits.pixels)
            pixels = decoder.decode(self._limits.seconds)
        finally:
            self._free.append(decoder)
        if self._order == "stored":
            return header, upright(pixels, turned_back(header.orientation))
        return header, pixels
