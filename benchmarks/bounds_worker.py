"""Decodes an image, or labels a folder of small ones, by the code of a checkout; see `bounds.py`."""

import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rounds import Reply, answer


def prepare() -> Callable[[Reply], Reply]:
    """Builds a thin net and the images; returns the function from request to reply."""
    checkout, image, number, side = sys.argv[1:]
    sys.path.insert(0, checkout)  # before the checkout of this file, and what is installed
    import keras
    import numpy as np

    import fcn
    from fcn.data.image_io import decode_image, encode_jpeg
    from fcn.inference.predictor import Predictor
    from fcn.jobs.label_images import label_images
    from fcn.models.fcn import FCN

    if not Path(str(fcn.__file__)).is_relative_to(checkout):
        raise RuntimeError(f"expected the code of {checkout}. Received: {fcn.__file__}")
    data = Path(image).read_bytes()
    keras.utils.set_random_seed(0)
    predictor = Predictor(FCN(num_classes=21, width=1 / 32))
    temporary = tempfile.TemporaryDirectory()
    folder = Path(temporary.name)
    rng = np.random.default_rng(0)
    (folder / "images").mkdir()
    for index in range(int(number)):
        pixels = rng.integers(0, 256, (int(side), int(side), 3), np.uint8)
        (folder / "images" / f"{index:05}.jpg").write_bytes(encode_jpeg(pixels))

    def decode(repeats: int) -> None:
        for _ in range(repeats):
            decode_image(data)

    def infer() -> None:
        result = label_images(predictor, [folder / "images"], folder / "output", batch_size=1)
        if result.failed or result.written != int(number):
            raise RuntimeError(f"expected {number} labels. Received: {result}")

    def handle(request: Reply) -> Reply:
        repeats: Any = request["repeats"]
        start = time.perf_counter()
        if request["task"] == "decode":
            decode(repeats)
            return {"seconds": (time.perf_counter() - start) / repeats}
        infer()
        seconds = time.perf_counter() - start
        shutil.rmtree(Path(temporary.name) / "output")
        return {"seconds": seconds}

    return handle


if __name__ == "__main__":
    answer(prepare)
