"""One variant of `slim_speed.py`: a net on an engine, which labels one image per request.

With the variant "prepare", it writes the nets for OpenVINO and what PyTorch needs to know, and exits.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rounds import Reply, answer

NETS = ("full", "small", "4096")
TORCH = ("full torch bf16", "full torch fp32")
CALIBRATION_IMAGES = 4
FACTS = "nets.json"

Label = Callable[[Any], Any]


def prepare(run: Path, small: Path, folder: Path, size: tuple[int, int]) -> None:
    """Writes all nets in int8, `full.xml` and so on, and `nets.json`.

    Args:
        run: A run folder or a `.keras` file.
        small: The same of the slim net.
        folder: Where to write.
        size: (height, width) of the image.
    """
    from fcn.data.image_io import encode_jpeg
    from fcn.exports.formats.quantization import quantize
    from fcn.inference.engines.openvino import import_openvino
    from fcn.inference.engines.openvino_graph import convert_net
    from fcn.inspection.facts import inspect_model
    from fcn.models.architecture import FC_CHANNELS
    from fcn.runs.model_file import load_model, net_file, save_model

    rng = np.random.default_rng(0)
    paths = [folder / f"{index}.jpg" for index in range(CALIBRATION_IMAGES)]
    for path in paths:
        path.write_bytes(encode_jpeg(rng.integers(0, 256, (*size, 3), np.uint8)))
    full = load_model(run)
    wide = type(full).from_config(
        full.get_config() | {"fc_channels": FC_CHANNELS, "channels": None, "temperatures": None}
    )
    files = {"full": net_file(run), "small": net_file(small), "4096": folder / "4096.keras"}
    save_model(wide, files["4096"])
    facts = {}
    for name, net in zip(NETS, (full, load_model(small), wide), strict=True):
        model = quantize(convert_net(net), paths)
        import_openvino().save_model(model, folder / f"{name}.xml", compress_to_fp16=False)
        keys = ("name", "num_classes", "width", "fc_channels", "channels", "input_scale", "geometry")
        facts[name] = {key: getattr(net, key) for key in keys} | {
            "gflop": inspect_model(net, size).gflop,
            "parameters": int(net.count_params()),
            "bytes": files[name].stat().st_size,
            "class_names": net.class_names,
        }
    (folder / FACTS).write_text(json.dumps(facts))


def describe_torch(net: Mapping[str, Any]) -> str | None:
    """Returns why PyTorch's net cannot be as large as a net; None if it can.

    Args:
        net: An entry of `nets.json`.
    """
    if net["name"] != "fcn8s" or net["geometry"] != "same" or net["channels"]:
        return "its net here is always an fcn8s of geometry 'same' without model.channels"
    return None


def torch_label(variant: str, net: Mapping[str, Any]) -> Label:
    """Returns a function that labels with PyTorch, compiled, channels last.

    Args:
        variant: One of `TORCH`.
        net: An entry of `nets.json`.
    """
    import torch
    from torch.nn import functional
    from torch_fcn import TorchFCN

    torch.manual_seed(0)
    model = TorchFCN(net["num_classes"], net["width"], net["fc_channels"]).eval()
    model = model.to(memory_format=torch.channels_last)
    bfloat16, scale = variant.endswith("bf16"), net["input_scale"]

    def label(images: Any) -> Any:
        pixels = images.permute(0, 3, 1, 2).float().contiguous(memory_format=torch.channels_last)
        size = pixels.shape[2:]
        if scale != 1:
            small = [max(1, round(length * scale)) for length in size]
            pixels = functional.interpolate(pixels, small, mode="bilinear", antialias=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            logits = model(pixels).float()
        if scale != 1:
            logits = functional.interpolate(logits, size, mode="bilinear")
        confidence, classes = logits.softmax(1).max(1)
        return classes.to(torch.uint8), confidence

    compiled = torch.compile(label, dynamic=False)

    def run(images: Any) -> Any:
        with torch.inference_mode():
            return [tensor.numpy() for tensor in compiled(torch.from_numpy(images))]

    return run


def openvino_label(name: str, folder: Path, class_names: list[str]) -> Label:
    """Returns a function that labels with OpenVINO in int8, as this package does."""
    from fcn.classes import Classes
    from fcn.inference.engines.openvino import OpenVinoEngine, read_model

    model = read_model(folder / f"{name}.xml")
    return OpenVinoEngine(Classes.named(tuple(class_names)), model, "int8", None, lambda: model).label


def build(variant: str, folder: Path, size: tuple[int, int]) -> Callable[[Reply], Reply]:
    """Builds a variant; returns a function that labels an image and replies with its time."""
    name = variant.split()[0]
    net = json.loads((folder / FACTS).read_text())[name]
    label = (
        torch_label(variant, net) if variant in TORCH else openvino_label(name, folder, net["class_names"])
    )
    image = np.random.default_rng(1).integers(0, 256, (1, *size, 3), np.uint8)

    def handle(_: Reply) -> Reply:
        start = time.perf_counter()
        classes, _confidence = label(image)
        return {"seconds": time.perf_counter() - start, "shape": list(classes.shape)}

    return handle


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("variant")
    parser.add_argument("nets", type=Path, nargs="*", help="of prepare: RUN and SMALL")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--size", type=int, nargs=2, required=True)
    arguments = parser.parse_args()
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if arguments.variant == "prepare":
        full_net, small_net = arguments.nets
        prepare(full_net, small_net, arguments.folder, tuple(arguments.size))
    else:
        answer(lambda: build(arguments.variant, arguments.folder, tuple(arguments.size)))
