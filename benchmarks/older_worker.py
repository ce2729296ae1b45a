"""Labels an image with an engine of a checkout; see `older.py`."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from rounds import Reply, answer


def prepare() -> Callable[[Reply], Reply]:
    """Opens the engine; returns the function from request to reply."""
    checkout, model, image, engine, precision = sys.argv[1:]
    sys.path.insert(0, checkout)  # before the checkout of this file, and what is installed
    import fcn
    from fcn.inference.predictor import Predictor

    if not Path(str(fcn.__file__)).is_relative_to(checkout):
        raise RuntimeError(f"expected the code of {checkout}. Received: {fcn.__file__}")
    from fcn.data.image_io import read_image

    labels = Predictor(model, engine, precision).engine
    images = read_image(Path(image))[None]

    def handle(_: Reply) -> Reply:
        start = time.perf_counter()
        labels.label(images)
        return {"seconds": time.perf_counter() - start}

    return handle


if __name__ == "__main__":
    answer(prepare)
