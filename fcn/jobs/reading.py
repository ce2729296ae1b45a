"""Reads and decodes the images of a job."""

import hashlib
import os
from pathlib import Path
from typing import Literal, NamedTuple, Self

from fcn.data.decoder import Decoder
from fcn.data.image_bounds import decoding_seconds
from fcn.data.image_header import open_header, read_image_file, stored_size
from fcn.data.image_io import Pixels, decode_image, decode_stored
from fcn.data.orientation import exif_orientation, turned_back, upright
from fcn.errors import DataError
from fcn.jobs.sources.remote import is_url, read_remote
from fcn.jobs.store import Claimed, Outcome
from fcn.system.files import unreadable

FILE_SECONDS = 120.0
"""Longest time that a process may decode an image, unless the user chooses another."""

PixelOrder = Literal["upright", "stored"]
"""Order of the pixels that are labeled: "stored" in jobs that a version without EXIF orientation started."""

NO_MEMORY = (
    "there was not enough memory for it. Lower --memory, give the process more memory, or shrink the image; "
    "then add --retry-failed."
)
"""Reason why an image failed."""

_SECONDS_IN_THIS_PROCESS = 5.0


class ReadImage(NamedTuple):
    """An image that could be read; its outcome has no files yet.

    Attributes:
        claimed: The image.
        outcome: Its outcome so far.
        image: `uint8[H, W, 3]`, RGB.
        orientation: EXIF orientation that turns it upright; 1 if it is.
    """

    claimed: Claimed
    outcome: Outcome
    image: Pixels
    orientation: int = 1


class ImageReader:
    """Reads and decodes images, in any number of threads.

    Images from URLs, and files that seem to take more than five seconds, are decoded in processes that are
    stopped if they take too long; other files in this process, which is faster.

    Args:
        file_seconds: Longest time that such a process may decode an image.
        order: Order of the pixels.
    """

    def __init__(self, file_seconds: float = FILE_SECONDS, order: PixelOrder = "upright") -> None:
        self._file_seconds, self._order = file_seconds, order
        self._free: list[Decoder] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for decoder in self._free:
            decoder.close()

    def read(self, claimed: Claimed) -> ReadImage | Outcome:
        """Returns an image; or the outcome if it cannot be read, so that the job continues."""
        outcome = Outcome(claimed.id)
        try:
            if is_url(claimed.place):
                data = read_remote(claimed.place)
                outcome = outcome._replace(size=len(data))
            else:
                status = os.stat(claimed.place)
                outcome = outcome._replace(size=status.st_size, changed=status.st_mtime_ns)
                data = read_image_file(Path(claimed.place))
            outcome = outcome._replace(hash=hashlib.sha256(data).hexdigest())
            return ReadImage(claimed, outcome, *self._decode(data, claimed.place))
        except DataError as error:
            return outcome._replace(error=str(error).removeprefix(f"{claimed.place}: "))
        except OSError as error:
            return outcome._replace(error=unreadable(error))
        except MemoryError:
            return outcome._replace(error=NO_MEMORY)

    def _decode(self, data: bytes, place: str) -> tuple[Pixels, int]:
        """Returns the pixels of an image, and the orientation that turns them upright.

        Raises:
            BackendError: If no process can be started.
            DataError: If it cannot be decoded.
        """
        if not is_url(place):
            height, width = stored_size(open_header(data, place))
            if decoding_seconds(data, height * width) <= _SECONDS_IN_THIS_PROCESS:
                if self._order == "stored":
                    return decode_stored(data, place), exif_orientation(data)
                return decode_image(data, place), 1
        decoder = self._free.pop() if self._free else Decoder()
        try:
            orientation = decoder.open(data, place, self._file_seconds).orientation
            pixels = decoder.decode(self._file_seconds)
        finally:
            self._free.append(decoder)
        return (
            (upright(pixels, turned_back(orientation)), orientation)
            if self._order == "stored"
            else (pixels, 1)
        )
