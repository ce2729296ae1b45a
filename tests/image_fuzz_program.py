"""Reads image files that hypothesis damages, in a process with little memory.

`python image_fuzz_program.py EXAMPLES FOLDER SAMPLE...`: the header of a file gives a size or one `DataError`
that names the file, and a small image is decoded or refused in the same way. Anything else, a MemoryError
included, ends this process with a traceback.
"""

import resource
import signal
import sys
import warnings
from pathlib import Path

from damaged_files import damaged
from hypothesis import HealthCheck, given, settings

from fcn.data.image_io import decode_image, read_image, read_size
from fcn.data.orientation import exif_orientation
from fcn.errors import DataError

# What a file may take, far more than it does.
MEMORY = 1 << 29
SECONDS_PER_FILE = 10
# Larger ones take what their pixels take.
DECODED_PIXELS = 1 << 20


def check(data: bytes, path: Path) -> None:
    """Reads the header of a file, and decodes it if it is small."""
    path.write_bytes(data)
    assert 1 <= exif_orientation(data) <= 8
    try:
        height, width = read_size(path)
        if height * width <= DECODED_PIXELS:
            pixels = decode_image(data, path)
            assert pixels.shape == (height, width, 3)
    except DataError as error:
        if str(path) not in str(error):
            raise AssertionError(f"the error does not name the file: {error}") from error


def fuzz(samples: list[bytes], examples: int, path: Path) -> None:
    """Reads damaged files."""

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(data=damaged(samples))
    def is_read_or_refused(data: bytes) -> None:
        signal.alarm(SECONDS_PER_FILE)  # ends the process
        try:
            check(data, path)
        finally:
            signal.alarm(0)

    is_read_or_refused()


def main() -> None:
    """Reads the files."""
    warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
    examples, path = int(sys.argv[1]), Path(sys.argv[2]) / "image"
    for name in sys.argv[3:]:
        read_image(Path(name))  # and whatever it loads
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY,) * 2)
    fuzz([Path(name).read_bytes() for name in sys.argv[3:]], examples, path)


if __name__ == "__main__":
    main()
