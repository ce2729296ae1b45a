"""A program that computes with a backend of Keras, and prints which devices it has found, as JSON.

It is a process of its own, since a broken library can end its process:

    python -m fcn.doctor.backend_program tensorflow
"""

import sys
from typing import Any

from fcn.system.text import print_json


def main(backend: str) -> None:
    """Computes a sum with a backend, and prints `{"gpus": NAMES, "cuda": WHETHER IT WAS BUILT FOR GPUS}`.

    Args:
        backend: "tensorflow", "jax" or "torch".
    """
    print_json({"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[backend]())


def _tensorflow() -> dict[str, Any]:
    from fcn.system.backend import start_backend

    start_backend("tensorflow")
    import keras

    assert float(keras.ops.sum(keras.ops.ones(2))) == 2
    devices = keras.distribution.list_devices("gpu")
    return {"gpus": devices, "cuda": None}


def _jax() -> dict[str, Any]:
    import jax

    assert float(jax.numpy.ones(2).sum()) == 2
    return {"gpus": [str(one) for one in jax.devices() if one.platform == "gpu"], "cuda": None}


def _torch() -> dict[str, Any]:
    import torch

    assert float(torch.ones(2).sum()) == 2
    count = torch.cuda.device_count()
    return {
        "gpus": [torch.cuda.get_device_name(index) for index in range(count)],
        "cuda": torch.version.cuda is not None,
    }


if __name__ == "__main__":
    main(sys.argv[1])
