"""One variant of `training_step.py`: builds a net and takes one step per request."""

import argparse
import time
from collections.abc import Callable
from typing import Any

from rounds import Reply, answer
from task import NUM_CLASSES, random_batch


def keras_step(variant: str, width: float, batch: Any) -> Callable[[], float]:
    """Returns a function that takes a step of a variant on Keras and returns its loss."""
    if variant == "keras plain":
        import keras
        from plain_fcn import compile_plain, plain_fcn8s

        keras.utils.set_random_seed(0)
        model = plain_fcn8s(NUM_CLASSES, width)
        compile_plain(model)
    else:
        from our_training import Precision, our_fcn8s

        precision: Precision = "bfloat16" if "bf16" in variant else "float32"
        model = our_fcn8s(NUM_CLASSES, width, precision, xla=variant.endswith(" xla"))
    return lambda: float(model.train_on_batch(*batch))


def torch_step(variant: str, width: float, batch: Any) -> Callable[[], float]:
    """Returns a function that takes a step of a variant on PyTorch, channels last."""
    import torch
    from torch_fcn import TorchFCN
    from torch_training import on_device, training_step

    torch.manual_seed(0)
    net = TorchFCN(NUM_CLASSES, width).to(memory_format=torch.channels_last)
    compiled = torch.compile(net, dynamic=False) if variant.endswith("compiled") else net
    images, labels = batch
    return training_step(
        compiled,
        on_device(images, "cpu", torch.channels_last),
        torch.from_numpy(labels).long(),
        bfloat16="bf16" in variant,
    )


def prepare(variant: str, size: tuple[int, int], width: float) -> Callable[[Reply], Reply]:
    """Builds a variant; returns a function that takes a step and replies with its time."""
    build = torch_step if variant.startswith("torch") else keras_step
    step = build(variant, width, random_batch(1, size, NUM_CLASSES))

    def handle(_: Reply) -> Reply:
        start = time.perf_counter()
        loss = step()
        return {"seconds": time.perf_counter() - start, "loss": loss}

    return handle


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("variant")
    parser.add_argument("--size", type=int, nargs=2, required=True)
    parser.add_argument("--width", type=float, required=True)
    arguments = parser.parse_args()
    answer(lambda: prepare(arguments.variant, tuple(arguments.size), arguments.width))
