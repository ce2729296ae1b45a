"""FCN-8s on VGG16 in plain PyTorch: the same layers as `fcn.models.fcn.FCN`, for comparison.

As a script, it checks that the net is the same: it gives a thin Keras FCN and this one the same random
weights, and compares their logits at odd sizes. This needs Keras and one of its backends, besides PyTorch:

    KERAS_BACKEND=jax PYTHONPATH=. python benchmarks/torch_fcn.py
"""

import os
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Channels and number of 3x3 convolutions of each block of VGG16."""

SIZES = ((64, 96), (37, 51), (33, 64), (45, 67), (70, 31), (1, 1), (2, 97))
"""(height, width) of the images on which both nets are compared."""

TOLERANCE = 1e-4
"""Largest difference of two logits that may count as rounding."""


class TorchFCN(nn.Module):  # type: ignore[misc]
    """FCN-8s with padding "same"; each pooling rounds odd sizes up.

    Submodules have the names of the Keras layers. Input: `float[B, 3, H, W]` RGB, 0 to 255. Output: logits
    `float[B, C, H, W]`.

    Args:
        num_classes: Number of classes.
        width: Channels of every layer in front of the scores, relative to VGG16.
        fc_channels: Channels of fc6 and fc7; None for 4,096 times `width`.
        dropout: Share of the numbers dropped after fc6 and fc7 while training.
    """

    def __init__(
        self, num_classes: int = 21, width: float = 1.0, fc_channels: int | None = None, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1) * 255)
        self.register_buffer("scale", 1 / (torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1) * 255))
        channels, pools = 3, []
        for block, (filters, count) in enumerate(BLOCKS, start=1):
            for index in range(1, count + 1):
                name, filters_here = f"block{block}_conv{index}", max(1, round(filters * width))
                self.add_module(name, _convolution(channels, filters_here, 3))
                channels = filters_here
            pools.append(channels)
        fc = max(1, round(4096 * width)) if fc_channels is None else fc_channels
        self.fc6 = _convolution(channels, fc, 7)
        self.fc7 = _convolution(fc, fc, 1)
        self.drop = nn.Dropout(dropout)
        self.pool = nn.MaxPool2d(2, ceil_mode=True)
        self.score_fr = _score(fc, num_classes)
        self.upscore2 = _upscore(num_classes, 2)
        self.score_pool4 = _score(pools[3], num_classes)
        self.upscore_pool4 = _upscore(num_classes, 2)
        self.score_pool3 = _score(pools[2], num_classes)
        self.upscore8 = _upscore(num_classes, 8)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Returns the logits of a batch."""
        x = (images - self.mean) * self.scale
        pools = []
        for block, (_, count) in enumerate(BLOCKS, start=1):
            for index in range(1, count + 1):
                x = functional.relu(self.get_submodule(f"block{block}_conv{index}")(x))
            x = self.pool(x)
            pools.append(x)
        x = self.drop(functional.relu(self.fc6(x)))
        x = self.drop(functional.relu(self.fc7(x)))
        skip4, skip3 = self.score_pool4(pools[3]), self.score_pool3(pools[2])
        scores = _cut(self.upscore2(self.score_fr(x)), skip4) + skip4
        scores = _cut(self.upscore_pool4(scores), skip3) + skip3
        return _cut(self.upscore8(scores), images)


def copy_weights(model: Any, net: TorchFCN) -> None:
    """Gives a `TorchFCN` the weights and the normalization of a Keras `FCN`.

    Args:
        model: An FCN-8s in the geometry "same", RGB, of the same width and classes.
        net: The net to change.

    Raises:
        ValueError: If the weights of a layer do not fit.
    """
    weights = {layer.name: layer.get_weights() for layer in model.layers if layer.weights}
    set_weights(net, weights, model.mean, model.scale)


def set_weights(net: TorchFCN, weights: Mapping[str, Any], mean: Any, scale: Any) -> None:
    """Gives a `TorchFCN` the arrays of a Keras `FCN`, by layer, and its normalization.

    Raises:
        ValueError: If the weights of a layer do not fit.
    """
    names = {name for name, module in net.named_children() if list(module.parameters())}
    if names != set(weights):
        raise ValueError(
            f"Expected layers of the same names. Received: {sorted(names ^ set(weights))} in one only."
        )
    with torch.no_grad():
        net.mean.copy_(torch.tensor(mean).view(1, 3, 1, 1))
        net.scale.copy_(torch.tensor(scale).view(1, 3, 1, 1))
        for name in names:
            module = net.get_submodule(name)
            for parameter, value in zip(module.parameters(), weights[name], strict=True):
                # [height, width, in, out] to [out, in, height, width]; transposed ones swap in and out.
                array = np.transpose(value, (3, 2, 0, 1)) if value.ndim == 4 else value
                if array.shape != tuple(parameter.shape):
                    raise ValueError(
                        f"{name}: expected the shape {tuple(parameter.shape)}. Received: {array.shape}."
                    )
                parameter.copy_(torch.from_numpy(np.ascontiguousarray(array)))


def _convolution(channels: int, filters: int, kernel_size: int) -> nn.Conv2d:
    layer = nn.Conv2d(channels, filters, kernel_size, padding=kernel_size // 2)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)
    return layer


def _score(channels: int, num_classes: int) -> nn.Conv2d:
    layer = nn.Conv2d(channels, num_classes, 1)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _upscore(num_classes: int, stride: int) -> nn.ConvTranspose2d:
    """Returns a transposed convolution that starts as bilinear interpolation."""
    layer = nn.ConvTranspose2d(
        num_classes, num_classes, 2 * stride, stride=stride, padding=stride // 2, bias=False
    )
    line = 1 - (torch.arange(2 * stride) - (2 * stride - 1) / 2).abs() / stride
    with torch.no_grad():
        layer.weight.copy_(torch.eye(num_classes)[:, :, None, None] * torch.outer(line, line))
    return layer


def _cut(x: torch.Tensor, partner: torch.Tensor) -> torch.Tensor:
    """Cuts a map at the bottom and on the right to the size of its partner."""
    return x[:, :, : partner.shape[2], : partner.shape[3]]


def compare(size: tuple[int, int], memory_format: torch.memory_format) -> float:
    """Returns the largest difference between the logits of a thin Keras FCN and a `TorchFCN` like it.

    Args:
        size: (height, width) of the image.
        memory_format: Layout of the PyTorch net and its input.
    """
    from task import draw_weights, random_batch

    from fcn.models.fcn import FCN

    num_classes, width, fc_channels = 5, 1 / 16, 48
    model = FCN(num_classes, width=width, fc_channels=fc_channels)
    draw_weights(model)
    net = TorchFCN(num_classes, width, fc_channels).to(memory_format=memory_format).eval()
    copy_weights(model, net)
    images, _ = random_batch(2, size, num_classes)
    expected = np.asarray(model.predict_on_batch(images))
    with torch.no_grad():
        received = net(torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(memory_format=memory_format))
    received = received.permute(0, 2, 3, 1).numpy()
    if received.shape != expected.shape:
        raise ValueError(f"Expected logits of the shape {expected.shape}. Received: {received.shape}.")
    print(f"  {size[0]:3} x {size[1]:<3} {memory_format!s:24} spread {expected.std():6.3f}", end="  ")
    return float(np.abs(received - expected).max())


def main() -> int:
    """Compares both nets and returns whether they differ."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    os.environ.setdefault("JAX_PLATFORMS", "cpu")  # a GPU multiplies float32 with 10 bits of each factor
    import keras

    print(f"Keras {keras.__version__} on {keras.backend.backend()} against PyTorch {torch.__version__}")
    worst = 0.0
    for size in SIZES:
        for memory_format in (torch.contiguous_format, torch.channels_last):
            difference = compare(size, memory_format)
            print(f"largest difference {difference:.1e}")
            worst = max(worst, difference)
    same = worst <= TOLERANCE
    print(
        f"{'The same net' if same else 'NOT the same net'}: {worst:.1e}, at most {TOLERANCE:.0e} is rounding"
    )
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
