"""A program that computes with a backend of Keras, and prints which devices it has found, as JSON.

It is a process of its own, since a broken library can end its process:

    python -m fcn.doctor.backend_program tensorflow
"""

import json
import os
import sys
from typing import Any


def main(backend: str) -> None:
    """Computes a sum with a backend, and prints `{"gpus": NAMES, "cuda": WHETHER IT WAS BUILT FOR GPUS}`.

    Args:
        backend: "tensorflow", "jax" or "torch".
    """
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answer:
        os.dup2(2, 1)  # what libraries print is no part of the answer
        found = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[backend]()
        answer.write(json.dumps(found) + "\n")


def _tensorflow() -> dict[str, Any]:
    from fcn.system.backend import start_backend

    start_backend("tensorflow")
    import keras

    _check_sum(float(keras.ops.sum(keras.ops.ones(2))))
    devices = keras.distribution.list_devices("gpu")
    return {"gpus": devices, "cuda": None}


def _jax() -> dict[str, Any]:
    import jax

    _check_sum(float(jax.numpy.ones(2).sum()))
    return {"gpus": [str(one) for one in jax.devices() if one.platform == "gpu"], "cuda": None}


def _torch() -> dict[str, Any]:
    import torch

    _check_sum(float(torch.ones(2).sum()))
    count = torch.cuda.device_count()
    apple = ["mps"] if torch.backends.mps.is_available() else []
    return {
        "gpus": [torch.cuda.get_device_name(index) for index in range(count)] or apple,
        "cuda": torch.version.cuda is not None,
    }


def _check_sum(found: float) -> None:
    if found != 2:
        raise ArithmeticError(f"expected a sum of 2. Received: {found}")


if __name__ == "__main__":
    main(sys.argv[1])
