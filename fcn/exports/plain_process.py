"""A separate process that labels with an exported model and imports only TensorFlow."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple, cast

import numpy as np

from fcn.data.image_io import Pixels
from fcn.errors import VerificationError

_PROGRAM = Path(__file__).with_name("plain_program.py")
_LAST_BYTES, _LAST_LINES = 1000, 2
"""The part of its last output that a message shows if the process ends too early."""


class PlainLabels(NamedTuple):
    """The labels of one image by an exported model.

    Attributes:
        predict_tensor: `uint8[H, W]`, from that signature and its pixels.
        serving_default: `uint8[H, W]`, from that signature and its file.
    """

    predict_tensor: Pixels
    serving_default: Pixels


@contextmanager
def plain_process(version: Path) -> Iterator[Callable[[Pixels, bytes], PlainLabels]]:
    """Starts the process, and ends it with the block.

    Args:
        version: Folder of a version.

    Yields:
        What to call with the pixels of an image, `uint8[H, W, 3]` RGB, and the content of its file.

    Raises:
        VerificationError: If the model cannot be loaded there, or an image not be labeled.
    """
    # -P: its folder holds modules with names that others have too.
    command = [sys.executable, "-P", str(_PROGRAM), str(version)]
    environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ}
    with (
        tempfile.TemporaryFile() as notices,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=notices, env=environment
        ) as process,
    ):
        requests, answers = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)

        def label(pixels: Pixels, data: bytes) -> PlainLabels:
            try:
                requests.write(b"%d %d %d\n" % (*pixels.shape[:2], len(data)))
                requests.write(pixels.tobytes())
                requests.write(data)
                requests.flush()
                return PlainLabels(_read(answers), _read(answers))
            except (OSError, EOFError) as error:
                process.wait()
                notices.seek(max(0, notices.seek(0, os.SEEK_END) - _LAST_BYTES))
                lines = notices.read().decode(errors="replace").strip().splitlines()
                output = " ".join(lines[-_LAST_LINES:]) or "nothing"
                raise VerificationError(
                    "cannot be labeled with the SavedModel by a process with only TensorFlow (exit "
                    f"code {process.returncode}). Nothing was written. It printed: {output}"
                ) from error

        try:
            yield label
        finally:
            process.kill()  # it holds nothing that is wanted any more
            with suppress(OSError):  # what it has not read
                requests.close()


def _read(stream: IO[bytes]) -> Pixels:
    line = stream.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    height, width = map(int, line.split())
    data = stream.read(height * width)
    if len(data) < height * width:
        raise EOFError
    return np.frombuffer(data, np.uint8).reshape(height, width)
