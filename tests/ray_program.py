"""A job on Ray that needs no net: `python ray_program.py ENGINE SECONDS ADDRESS OUTPUT INPUT`.

What computes is that of `job_program`, in two actors; batches are of 3 images. The file that the environment
variable OPENED names gets a line for each engine that is opened: its threads, and the CPUs of its actor.
"""

import os
import signal
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

from failing_nets import broken, deadly, refused
from job_program import Brightness

from fcn.errors import FcnError
from fcn.inference.predictor import Predictor
from fcn.jobs.job import open_job
from fcn.jobs.ray.actors import run_on_ray


def opened(seconds: float) -> Predictor:
    import ray

    if path := os.environ.get("OPENED"):
        cpus = ray.get_runtime_context().get_assigned_resources().get("CPU", 0)
        with open(path, "a") as file:
            file.write(f"{os.environ.get('OMP_NUM_THREADS')} {cpus:g}\n")
    return Predictor.from_engine(Brightness(seconds))


def differing(seconds: float) -> Predictor:
    """Opens what the first actor takes for int8, and others for float32."""
    engine = Brightness(seconds)
    with suppress(FileExistsError), open(os.environ["OPENED"], "x"):
        engine.precision = "int8"
    return Predictor.from_engine(engine)


ENGINES = {
    "differing": differing,
    "brightness": opened,
    "deadly": deadly,
    "refused": refused,
    "broken": broken,
}


def main() -> None:
    name, seconds, address, output, folder = sys.argv[1:]
    # Whatever started the tests may have it ignored, which processes inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Actors must find these by name, in a module that they can import.
    import ray_program

    net = partial(ray_program.ENGINES[name], float(seconds))
    kinds = ("palette", "overlay")
    try:
        with open_job(Path(output), [Path(folder)], {"model": "brightness"}, kinds, batch_size=3) as job:
            result = run_on_ray(job, net, address, actors=2)
    except FcnError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    print(result.written, result.labeled, len(result.failed))


if __name__ == "__main__":
    main()
