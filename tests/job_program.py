"""A worker of a job that needs no net: `python job_program.py OUTPUT SECONDS BATCH_SIZE INPUT...`.

What it computes is exact and takes no time to load, so that a test can kill it many times while it works.
"""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from fcn.classes import Classes
from fcn.data.image_io import Pixels
from fcn.errors import FcnError
from fcn.inference.engines.engine import Floats, Labeled
from fcn.inference.predictor import Predictor
from fcn.jobs.job import LabelingResult, open_job


class Brightness:
    """Three classes by the brightness of the red channel; `seconds` for each batch. White is deadly."""

    classes = Classes.named(("dark", "grey", "light"))
    name = "brightness"
    precision = "float32"
    bits = 16

    def __init__(self, seconds: float = 0) -> None:
        self.seconds = seconds
        self.batches: list[tuple[int, ...]] = []

    def label(self, images: Pixels) -> Labeled:
        time.sleep(self.seconds)
        self.batches.append(images.shape)
        if (images.reshape(len(images), -1).min(axis=1) == 255).any():
            os.kill(os.getpid(), signal.SIGKILL)
        return Labeled(images[..., 0] // 86, np.ones(images.shape[:3], np.float32))

    def logits(self, images: Pixels) -> Floats:
        return 100 * (images[..., :1] // 86 == np.arange(3)).astype(np.float32)  # as sure as `label` is


def run_job(
    output: Path,
    *inputs: object,
    batch_size: int | None = None,
    engine: Brightness | None = None,
    model: str = "brightness",
    kinds: tuple[str, ...] = ("palette", "overlay"),
) -> LabelingResult:
    with open_job(output, inputs, {"model": model}, kinds, batch_size) as job:  # type: ignore[arg-type]
        return job.run(Predictor.from_engine(engine or Brightness()))


def main() -> None:
    output, seconds, batch_size, *inputs = sys.argv[1:]
    try:
        result = run_job(
            Path(output),
            *(Path(path) for path in inputs),
            batch_size=int(batch_size),
            engine=Brightness(float(seconds)),
        )
    except FcnError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    print(result.written, result.labeled, len(result.failed))


if __name__ == "__main__":
    main()
