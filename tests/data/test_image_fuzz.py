"""Image files that hypothesis damages, read in a process whose memory and time are bounded."""

import os
import subprocess
import sys
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

TESTS = Path(__file__).parents[1]
WRITTEN: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "JPEG": [("RGB", {}), ("L", {"progressive": True}), ("CMYK", {})],
    "PNG": [("RGB", {}), ("P", {"transparency": bytes(range(256))}), ("1", {})],
    "BMP": [("RGB", {}), ("P", {})],
    "WEBP": [("RGB", {}), ("RGBA", {"lossless": True})],
    "TIFF": [
        *(("RGB", {}), ("RGB", {"compression": "jpeg"}), ("L", {"compression": "tiff_lzw"})),
        *(("1", {"compression": "group4"}), ("RGB", {"big_tiff": True})),
    ],
}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits the address space, as Linux can")


def fuzz(kinds: Iterable[str], examples: int, folder: Path) -> None:
    coarse = np.random.default_rng(0).integers(0, 256, (6, 7, 3), np.uint8)
    image = Image.fromarray(cv2.resize(coarse, (33, 21), interpolation=cv2.INTER_CUBIC).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    samples = []
    for kind in kinds:
        for number, (mode, options) in enumerate(WRITTEN[kind]):
            buffer = BytesIO()
            more = {} if kind == "BMP" else {"exif": exif}
            image.convert(mode).save(buffer, kind, **options, **more)
            samples.append(folder / f"{kind}{number}.sample")
            samples[-1].write_bytes(buffer.getvalue())
    done = subprocess.run(
        [sys.executable, TESTS / "image_fuzz_program.py", str(examples), folder, *samples],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.returncode}: {done.stdout[-2000:]}{done.stderr[-4000:]}"


def test_150_files_are_read_or_refused(tmp_path: Path) -> None:
    fuzz(WRITTEN, 150, tmp_path)


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", WRITTEN)
def test_10000_files_are_read_or_refused(kind: str, tmp_path: Path) -> None:
    fuzz([kind], 10_000, tmp_path)
