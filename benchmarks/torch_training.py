"""A training step and a pass of `TorchFCN`, with the usual optimizations of PyTorch."""

from collections.abc import Callable
from typing import Any

import numpy.typing as npt
import torch
from task import LEARNING_RATE, MOMENTUM
from torch.nn import functional

from fcn.classes import VOID


def on_device(images: npt.NDArray[Any], device: str, memory_format: torch.memory_format) -> torch.Tensor:
    """Returns images `[B, H, W, 3]` as a tensor `[B, 3, H, W]` in the given layout."""
    return torch.from_numpy(images).to(device).permute(0, 3, 1, 2).contiguous(memory_format=memory_format)


def training_step(
    net: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor, bfloat16: bool
) -> Callable[[], float]:
    """Returns a function that takes one step and returns its loss.

    SGD with momentum, fused; mean cross entropy over the pixels that are not void, in float32.

    Args:
        net: The net, compiled or not.
        images: `float32[B, 3, H, W]`.
        labels: `int64[B, H, W]`, 255 = void.
        bfloat16: Whether autocast computes in bfloat16.
    """
    optimizer = torch.optim.SGD(net.parameters(), LEARNING_RATE, momentum=MOMENTUM, fused=True)

    def step() -> float:
        net.train()
        optimizer.zero_grad()
        with torch.autocast(images.device.type, torch.bfloat16, enabled=bfloat16):
            logits = net(images)
        loss = functional.cross_entropy(logits.float(), labels, ignore_index=VOID)
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step
