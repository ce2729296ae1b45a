"""Writes the model card, a page for people in every exported version."""

import math
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as package_version
from pathlib import Path

from fcn.exports.card.markdown import Code, block, code, plain, table
from fcn.exports.card.results import agreement, calibration, engines, files, license_terms, scores, training
from fcn.inference.engines.exported import MODEL_CARD, litert_file, onnx_file
from fcn.inference.engines.signatures import ANY, SERVING_DEFAULT, Tensor, signatures
from fcn.inference.tiling.memory import labeling_bytes
from fcn.models.fields import NetDescription
from fcn.models.net import SegmentationNet
from fcn.system.files import write_text
from fcn.version import __version__

_PACKAGES = (
    *("tensorflow", "keras", "numpy", "openvino", "nncf", "onnx", "onnxruntime"),
    *("ai-edge-litert", "ai-edge-quantizer"),
)
_AXES = {1: "B", 2: "BC", 3: "BHW", 4: "BHWC"}
"""Names of the sides of tensors, by how many there are."""
_PHOTO_SIZE = (3000, 4000)


def write_card(model: SegmentationNet, version: Path) -> None:
    """Writes `model_card.md` into an exported version, from the other files of the version.

    Args:
        model: The net.
        version: Folder with all other files of the version.

    Raises:
        OutputError: If it cannot be written.
        RunError: If one of these files cannot be read.
    """
    sections = {
        "Architecture": _net(model),
        "Classes": _classes(model),
        "Signatures": _signatures(model),
        "Training": training(version),
        "Scores": scores(version),
        **({} if model.temperatures is None else {"Calibration": calibration(model.temperatures, version)}),
        "Agreement with the trained net": agreement(version),
        "Engines": engines(version),
        "Files": files(version),
        "Usage": _usage(version),
        "License": license_terms(version),
        "Limits": _limits(model),
        "Versions of packages": _packages(),
    }
    parts = [f"# {plain(model.name)}: {model.num_classes} classes", _summary(model)]
    parts += [f"## {title}\n\n{text}" for title, text in sections.items()]
    write_text(version / MODEL_CARD, "\n\n".join(parts) + "\n")


def _summary(model: SegmentationNet) -> str:
    return (
        f"A fully convolutional net on VGG16 ({model.paper}): every pixel of an image gets one of "
        f"{model.num_classes} classes. "
        f"Exported on {datetime.now(UTC):%Y-%m-%d} by fcn {__version__}."
    )


def _net(model: SegmentationNet) -> str:
    kind = type(model)
    names = (
        *("stride", "context", "fc6", "width", "fc_channels", "channels"),
        *("geometry", "upsampling"),
        *("batch_normalization", "input_scale", "bits"),
    )
    rows = [[code(name), code(getattr(model, name))] for name in names if hasattr(model, name)]
    return "\n\n".join(
        [
            table(["argument", "value"], [*rows, ["parameters", f"{model.count_params():,}"]]),
            f"`assets/model.json` has all arguments; `{kind.__module__}.{kind.__name__}` describes them.",
        ]
    )


def _classes(model: SegmentationNet) -> str:
    rows = [
        [index, name, code("#{:02x}{:02x}{:02x}".format(*color))]
        for index, (name, color) in enumerate(zip(model.class_names, model.palette, strict=True))
    ]
    return table(["id", "class", "color"], rows)


def _signatures(model: SegmentationNet) -> str:
    rows = [
        [code(name), _tensors(signature.inputs), _tensors(signature.outputs)]
        for name, signature in signatures(model.num_classes).items()
    ]
    order = "red, green, blue" if model.channel_order == "rgb" else "blue, green, red"
    return "\n\n".join(
        [
            table(["signature", "input", "output"], rows),
            "B images of H rows and W columns. `image_bytes` are the contents of JPEG, PNG or BMP files, "
            "whose sizes may differ; `label_png_bytes` are 8-bit gray PNGs of class ids, each at its image's "
            "size; `class_areas` are the shares (0 to 1) of an image that each class covers; "
            f"`mean_confidence` is the softmax of the label{_divided(model)}, on average over the pixels. "
            "`images` are RGB.",
            f"Send pixels as they are, 0 to 255: inside the net the channels, in the order {order}, are "
            f"reduced by {_numbers(model.mean)} and multiplied by {_numbers(model.scale)}."
            + (
                f" The layers see images at {model.input_scale:g} of their size; scores are enlarged again. "
                "`predict_shrunk_logits` is for this package, which labels large images in pieces with it."
                if model.input_scale != 1
                else ""
            ),
        ]
    )


def _divided(model: SegmentationNet) -> str:
    return "" if model.temperatures is None else " with the scores divided by the temperature below"


def _tensors(tensors: dict[str, Tensor]) -> Code:
    return Code(", ".join(code(f"{name}: {_type(tensor)}") for name, tensor in tensors.items()))


def _type(tensor: Tensor) -> str:
    axes = zip(_AXES[len(tensor.shape)], tensor.shape, strict=True)
    sides = [axis if side == ANY else str(side) for axis, side in axes]
    return f"{tensor.dtype}[{', '.join(sides)}]"


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.6g}" for value in values)


def _usage(version: Path) -> str:
    return "\n\n".join(
        [
            "VERSION is the folder of this file, and EXPORT the folder above it.",
            "With TensorFlow Serving, for JSON over HTTP at `/v1/models/fcn:predict`:",
            block(
                "sh",
                "tensorflow_model_server --rest_api_port=8501 --model_name=fcn \\\n"
                '    --model_base_path="$PWD/EXPORT"',
            ),
            "With this package's server, which answers the same requests and has a page to try it on:",
            block("sh", "python -m fcn serve EXPORT --port 8501"),
            "In Python with TensorFlow alone:",
            block(
                "python",
                "import tensorflow as tf\n\n"
                f'label = tf.saved_model.load("VERSION").signatures["{SERVING_DEFAULT}"]\n'
                'answer = label(image_bytes=tf.constant([open("photo.jpg", "rb").read()]))\n'
                'open("label.png", "wb").write(answer["label_png_bytes"][0].numpy())',
            ),
            "In Python with this package, also for images that would not fit into memory in one piece:",
            block("python", 'import fcn\n\nlabel = fcn.Predictor("EXPORT").predict("photo.jpg").label'),
            *_usage_of_formats(version),
        ]
    )


def _usage_of_formats(version: Path) -> list[str]:
    """Returns how an app uses the files for LiteRT and ONNX Runtime, where there are some."""
    pixels = (
        "`PIXELS` are an upright image as `predict_tensor` takes it, `uint8[1, H, W, 3]`; `logits` are the "
        "other output, and `assets/classes.json` has the names of the class ids:"
    )
    litert, onnx = litert_file(version), onnx_file(version)
    parts = []
    if litert.exists():
        parts += [
            f"On a phone, or in Python with LiteRT alone ({litert.stat().st_size / 1e6:,.1f} MB, one image "
            "at a time). The file names 1 x 1 as the size of its input: without the runner below, resize the "
            f"input to that of the image first, and tell the outputs by their types. {pixels}",
            block(
                "python",
                "from ai_edge_litert.interpreter import Interpreter\n\n"
                f'net = Interpreter("VERSION/{litert.relative_to(version).as_posix()}")\n'
                'label = net.get_signature_runner("predict")(images=PIXELS)["label"]',
            ),
        ]
    if onnx.exists():
        parts += [
            f"With ONNX Runtime alone ({onnx.stat().st_size / 1e6:,.1f} MB). {pixels}",
            block(
                "python",
                "import onnxruntime\n\n"
                f'net = onnxruntime.InferenceSession("VERSION/{onnx.relative_to(version).as_posix()}")\n'
                '(label,) = net.run(["label"], {"images": PIXELS})',
            ),
        ]
    return parts


def _limits(model: SegmentationNet) -> str:
    photo_bytes = labeling_bytes(NetDescription.from_config(model.get_config()), *_PHOTO_SIZE)
    pixel_bytes = math.ceil(photo_bytes / math.prod(_PHOTO_SIZE))
    limits = [
        "Every pixel gets one of the classes above; nothing is marked as none of them.",
        "How it labels other kinds of images than those it was trained and scored on is not known, nor "
        "whether a low `mean_confidence` shows where it is wrong.",
        "Image files are turned upright by their EXIF orientation, so labels are of upright images. An "
        "orientation in a compressed text of a PNG is not found.",
        "`predict_tensor` and `predict_logits` take images of one size in a request.",
        f"The SavedModel labels an image in one piece. By estimate that takes {pixel_bytes} bytes a pixel, "
        f"{photo_bytes / 1e9:.1f} GB for 12 megapixels.",
    ]
    return "\n".join(f"- {limit}" for limit in limits)


def _packages() -> str:
    versions = [("python", platform.python_version())]
    for name in _PACKAGES:
        try:
            versions.append((name, package_version(name)))
        except PackageNotFoundError:
            continue
    return table(["package", "version"], versions)
