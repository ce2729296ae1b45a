"""One variant of `engines.py`: a net on an engine, which labels one image per request.

With the variant "prepare", it writes the files for OpenVINO, PyTorch and ONNX Runtime, and exits.
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rounds import Reply, answer

NUM_CLASSES = 21
PRECISIONS = {"fp32": "float32", "bf16": "bfloat16", "int8": "int8"}
CALIBRATION_IMAGES = 4
WEIGHTS = "weights.npz"

Label = Callable[[Any], Any]


def our_net(width: float) -> Any:
    """Returns the package's FCN-8s with random weights."""
    import keras
    from task import draw_weights

    from fcn.models.fcn import FCN

    keras.utils.set_random_seed(0)
    net = FCN(NUM_CLASSES, width=width)
    draw_weights(net)
    return net


def prepare_others(folder: Path, size: tuple[int, int], width: float) -> None:
    """Writes the net for other frameworks: `weights.npz`, `float32.xml` and `int8.xml`.

    The int8 scales are calibrated on noise, which is enough for timing.
    """
    from fcn.data.image_io import encode_jpeg
    from fcn.exports.formats.quantization import quantize
    from fcn.inference.engines.openvino import import_openvino
    from fcn.inference.engines.openvino_graph import convert_net

    rng = np.random.default_rng(0)
    paths = [folder / f"{index}.jpg" for index in range(CALIBRATION_IMAGES)]
    for path in paths:
        path.write_bytes(encode_jpeg(rng.integers(0, 256, (*size, 3), np.uint8)))
    net = our_net(width)
    arrays = {
        f"{layer.name}/{index}": array
        for layer in net.layers
        for index, array in enumerate(layer.get_weights())
    }
    np.savez(folder / WEIGHTS, mean=net.mean, scale=net.scale, **arrays)
    model = convert_net(net)
    save = import_openvino().save_model
    save(model, folder / "float32.xml", compress_to_fp16=False)
    save(quantize(model, paths), folder / "int8.xml", compress_to_fp16=False)


def torch_net(folder: Path, width: float) -> Any:
    """Returns PyTorch's net with the package's weights."""
    from torch_fcn import TorchFCN, set_weights

    arrays = np.load(folder / WEIGHTS)
    weights: dict[str, list[Any]] = {}
    for key in arrays.files:
        name, _, index = key.partition("/")
        if index:
            weights.setdefault(name, []).append(arrays[key])
    net = TorchFCN(NUM_CLASSES, width).eval()
    set_weights(net, weights, arrays["mean"], arrays["scale"])
    return net


def torch_label(variant: str, folder: Path, width: float) -> Label:
    """Returns a function that labels with PyTorch, channels last."""
    import torch

    net = torch_net(folder, width).to(memory_format=torch.channels_last)
    bfloat16 = "bf16" in variant

    def label(images: Any) -> Any:
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            logits = net(images.permute(0, 3, 1, 2).float().contiguous(memory_format=torch.channels_last))
        confidence, classes = logits.float().softmax(1).max(1)
        return classes.to(torch.uint8), confidence

    compiled = torch.compile(label, dynamic=False) if variant.endswith("compiled") else label

    def run(images: Any) -> Any:
        with torch.inference_mode():
            return [tensor.numpy() for tensor in compiled(torch.from_numpy(images))]

    return run


def onnx_label(folder: Path, size: tuple[int, int], width: float) -> Label:
    """Returns a function that labels with ONNX Runtime: PyTorch's net, exported for images of one size."""
    import onnxruntime
    import torch

    class Labeling(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.net = torch_net(folder, width)

        def forward(self, images: Any) -> Any:
            confidence, classes = self.net(images.permute(0, 3, 1, 2).float()).softmax(1).max(1)
            return classes.to(torch.uint8), confidence

    path = folder / "net.onnx"
    example = torch.zeros(1, *size, 3, dtype=torch.uint8)
    torch.onnx.export(Labeling().eval(), (example,), path, input_names=["images"], dynamo=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda images: session.run(None, {"images": images})


def engine_label(variant: str, folder: Path, width: float) -> Label:
    """Returns a function that labels with an engine of the package, or with stock Keras layers."""
    from fcn.classes import VOC_CLASS_NAMES, Classes

    classes = Classes.named(VOC_CLASS_NAMES)
    if variant == "keras plain":
        import keras
        import tensorflow as tf
        from plain_fcn import plain_fcn8s
        from task import draw_weights

        from fcn.inference.engines.tensorflow import TensorFlowEngine

        keras.utils.set_random_seed(0)
        plain = plain_fcn8s(NUM_CLASSES, width)
        draw_weights(plain)

        def compute(images: Any) -> Any:
            return plain(tf.cast(images, tf.float32), training=False)

        return TensorFlowEngine(classes, compute, "float32").label
    name, _, short = variant.partition(" ")
    precision = PRECISIONS[short]
    if name == "tensorflow":
        from fcn.inference.engines.tensorflow import net_engine

        return net_engine(our_net(width), precision).label
    from fcn.inference.engines.openvino import OpenVinoEngine, read_model

    file = "int8.xml" if precision == "int8" else "float32.xml"
    model = read_model(folder / file)
    return OpenVinoEngine(classes, model, precision, None, lambda: model).label


def prepare(variant: str, folder: Path, size: tuple[int, int], width: float) -> Callable[[Reply], Reply]:
    """Builds a variant; returns a function that labels an image and replies with its time."""
    if variant.startswith("onnx"):
        label = onnx_label(folder, size, width)
    elif variant.startswith("torch"):
        label = torch_label(variant, folder, width)
    else:
        label = engine_label(variant, folder, width)
    image = np.random.default_rng(1).integers(0, 256, (1, *size, 3), np.uint8)

    def handle(_: Reply) -> Reply:
        start = time.perf_counter()
        label(image)
        return {"seconds": time.perf_counter() - start}

    return handle


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("variant")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--size", type=int, nargs=2, required=True)
    parser.add_argument("--width", type=float, required=True)
    arguments = parser.parse_args()
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if arguments.variant == "prepare":
        prepare_others(arguments.folder, tuple(arguments.size), arguments.width)
    else:
        answer(lambda: prepare(arguments.variant, arguments.folder, tuple(arguments.size), arguments.width))
