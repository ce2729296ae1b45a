"""Writes the published FCNs as Caffe files: a prototxt and a caffemodel with random weights.

Independent of the package: its own list of layers, and the tests' own writer of the wire format.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from weight_files import blob, field

BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
CROPS = {32: (19,), 16: (5, 27), 8: (5, 9, 31)}


class CaffeLayer(NamedTuple):
    name: str
    kind: str
    bottoms: tuple[str, ...]
    parameters: str = ""
    blobs: tuple[np.ndarray, ...] = ()


class Builder:
    """Collects the layers of an FCN, top to bottom."""

    def __init__(self, num_classes: int, width: float, fc_channels: int, seed: int) -> None:
        self.layers: list[CaffeLayer] = []
        self.rng = np.random.default_rng(seed)
        self.channels = {"data": 3}
        self.num_classes, self.width, self.fc_channels = num_classes, width, fc_channels

    def add(self, name: str, kind: str, *bottoms: str, parameters: str = "", blobs: Any = ()) -> str:
        self.layers.append(CaffeLayer(name, kind, bottoms, parameters, tuple(blobs)))
        self.channels[name] = blobs[0].shape[0] if kind == "Convolution" else self.channels[bottoms[0]]
        return name

    def convolution(
        self, name: str, bottom: str, outputs: int, size: int, pad: int, relu: bool = True
    ) -> str:
        inputs = self.channels[bottom]
        kernel = self.rng.standard_normal((outputs, inputs, size, size), np.float32)
        kernel *= (2 / (inputs * size * size)) ** 0.5
        bias = 0.1 * self.rng.standard_normal(outputs).astype(np.float32)
        parameters = f"convolution_param {{ num_output: {outputs} kernel_size: {size} pad: {pad} }}"
        top = self.add(name, "Convolution", bottom, parameters=parameters, blobs=(kernel, bias))
        if not relu:
            return top
        return self.add(f"{name}_relu", "ReLU", top)

    def deconvolution(self, name: str, bottom: str, stride: int) -> str:
        size, classes = 2 * stride, self.num_classes
        # Not symmetric, and across classes: a flipped or transposed kernel changes the answer.
        kernel = self.rng.standard_normal((classes, classes, size, size), np.float32) / size
        parameters = f"num_output: {classes} kernel_size: {size} stride: {stride} bias_term: false"
        parameters = f"convolution_param {{ {parameters} }}"
        return self.add(name, "Deconvolution", bottom, parameters=parameters, blobs=(kernel,))

    def crop(self, name: str, bottom: str, like: str, offset: int) -> str:
        return self.add(name, "Crop", bottom, like, parameters=f"crop_param {{ axis: 2 offset: {offset} }}")


def build_fcn(
    stride: int,
    num_classes: int = 21,
    width: float = 1.0,
    fc_channels: int = 4096,
    at_once: bool = False,
    suffix: str = "",
    seed: int = 0,
) -> list[CaffeLayer]:
    net = Builder(num_classes, width, fc_channels, seed)
    top, pools = "data", {}
    for block, (channels, convolutions) in enumerate(BLOCKS, start=1):
        for index in range(1, convolutions + 1):
            pad = 100 if (block, index) == (1, 1) else 1
            top = net.convolution(f"conv{block}_{index}", top, max(1, round(channels * width)), 3, pad)
        top = pools[block] = net.add(
            f"pool{block}", "Pooling", top, parameters="pooling_param { pool: MAX kernel_size: 2 stride: 2 }"
        )
    top = net.convolution("fc6", top, fc_channels, 7, 0)
    top = net.convolution("fc7", top, fc_channels, 1, 0)
    top = net.convolution(f"score_fr{suffix}", top, num_classes, 1, 0, relu=False)
    *skip_crops, last_crop = CROPS[stride]
    upscore = f"upscore2{suffix}"
    for pool, factor, crop in zip((4, 3), (0.01, 0.0001), skip_crops, strict=False):
        top = net.deconvolution(upscore, top, 2)
        skip = pools[pool]
        if at_once:
            scale = np.full(net.channels[skip], factor, np.float32)
            skip = net.add(f"scale_pool{pool}", "Scale", skip, blobs=(scale,))
        skip = net.convolution(f"score_pool{pool}{suffix}", skip, num_classes, 1, 0, relu=False)
        skip = net.crop(f"score_pool{pool}{suffix}c", skip, top, crop)
        top = net.add(f"fuse_pool{pool}{suffix}", "Eltwise", top, skip)
        upscore = f"upscore_pool{pool}{suffix}"
    last = f"upscore{suffix}" if stride == 32 else f"upscore{stride}{suffix}"
    top = net.deconvolution(last, top, stride)
    net.crop(f"score{suffix}", top, "data", last_crop)
    return net.layers


def write_prototxt(path: Path, layers: list[CaffeLayer], height: int, width: int) -> Path:
    lines = [f'input: "data" input_dim: 1 input_dim: 3 input_dim: {height} input_dim: {width}']
    for layer in layers:
        bottoms = " ".join(f'bottom: "{bottom}"' for bottom in layer.bottoms)
        names = f'name: "{layer.name}" type: "{layer.kind}" {bottoms} top: "{layer.name}"'
        lines.append(f"layer {{ {names} {layer.parameters} }}")
    path.write_text("\n".join(lines))
    return path


def write_caffemodel(path: Path, layers: list[CaffeLayer]) -> Path:
    with path.open("wb") as file:
        for layer in layers:
            content = field(1, layer.name.encode()) + field(2, layer.kind.encode())
            content += b"".join(field(7, blob(array)) for array in layer.blobs)
            file.write(field(100, content))
    return path
