"""Recognizes the net in a file of published weights by the names and shapes of its layers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from fcn.classes import MAX_CLASSES
from fcn.errors import RunError
from fcn.models.architecture import (
    CHANNELS_BY_FC6,
    CONVOLUTION_CHANNELS,
    FC6_KERNEL_SIZE,
    FULLY_CONNECTED,
    VGG16_BLOCKS,
    scaled,
)
from fcn.models.arguments import IMAGENET_MEAN, IMAGENET_SCALE
from fcn.models.context import CONTEXT_LAYERS
from fcn.models.factory import LARGEFOV_NETS
from fcn.weights.published.sources import DILATED_SOURCES, SOURCES, Source
from fcn.weights.reader import Format

CONVOLUTIONS = tuple(CONVOLUTION_CHANNELS)
"""VGG16's 13 convolutions, in order, by the names that Keras and this package give them."""

CONTEXT_MODULE = (*CONTEXT_LAYERS, "ctx_final")
"""The layers of the context module, in order, by the names that this package gives them."""

# As both spellings begin.
_CONTEXT_CONVOLUTIONS = ("ctx_conv", "ct_conv")

# Formats of classifiers that torchvision trained, and of others that expect pixels as they do.
_OF_TORCHVISION: tuple[Format, ...] = ("keras_hub", "onnx", "safetensors", "torch")
_VGG_MEAN = (103.939, 116.779, 123.68)

# What each net has between the fully connected layers and its scores, besides score_fr.
_HEADS = {
    32: ("upscore32",),
    16: ("upscore2", "score_pool4", "upscore16"),
    8: ("upscore2", "score_pool4", "upscore_pool4", "score_pool3", "upscore8"),
}


class Recognized(NamedTuple):
    """A net found in a file.

    Attributes:
        title: Its name, for people.
        format: Of the file.
        net: Name of the net, as `build_model` takes it.
        options: Further arguments of `build_model`.
        left_out: Names of layers in the file that the net has no place for.
        missing: Names of layers that have new weights, since the file lacks them: fc6 and fc7 of a classifier
            without its fully connected layers.
    """

    title: str
    format: Format
    net: str
    options: dict[str, Any]
    left_out: tuple[str, ...]
    missing: tuple[str, ...] = ()

    @property
    def has_scores(self) -> bool:
        """Whether the file holds a segmentation net with its scores, not a classifier to start from."""
        return "num_classes" in self.options


def recognize_net(
    source: Path,
    format: Format,
    shapes: Mapping[str, tuple[int, ...]],
    constants: Mapping[str, float],
    left_out: tuple[str, ...],
    classifier_net: str,
) -> Recognized:
    """Returns the net that a file holds.

    Args:
        source: The file, for errors.
        format: Of the file.
        shapes: Of each layer's kernel, `(height, width, in, out)`, by our names.
        constants: The one factor of each layer that scales.
        left_out: Names of layers that none of our nets has a place for.
        classifier_net: Which net to start if it is a classifier.

    Raises:
        RunError: If it is not one of our nets, or not all of it.
    """
    missing = tuple(name for name in (*CONVOLUTIONS, *FULLY_CONNECTED) if name not in shapes)
    if missing and (missing != FULLY_CONNECTED or set(shapes) != set(CONVOLUTIONS)):
        is_head = missing == CONVOLUTIONS
        hint = " It is a head alone: keep the other files of its preset beside it." if is_head else ""
        raise RunError(
            f"{source}: expected the layers of VGG16. Missing: {', '.join(missing[:6])}"
            f"{', ...' if len(missing) > 6 else ''}.{hint}"
        )
    width = shapes[CONVOLUTIONS[0]][-1] / VGG16_BLOCKS[0][0]
    _check_shapes(source, shapes, width)
    # The weights of layers that a file lacks are not used: with one channel they are small.
    options: dict[str, Any] = {"width": width, "fc_channels": 1 if missing else shapes["fc6"][-1]}
    if missing:
        title = f"VGG16's convolutions ({format})"
        options |= _classifier_normalization(format)
        return Recognized(title, format, classifier_net, options, left_out, missing)
    if "final" in shapes:
        return _recognize_dilated(source, format, shapes, options, left_out)
    if "score_fr" not in shapes:
        if classifier_net in LARGEFOV_NETS:
            fewer = CHANNELS_BY_FC6["largefov"] / CHANNELS_BY_FC6["full"]
            options["fc_channels"] = scaled(shapes["fc6"][-1], fewer)
        title = f"VGG16 classifier ({format}), as the start of {classifier_net}"
        options |= _classifier_normalization(format)
        return Recognized(title, format, classifier_net, options, left_out)
    stride = next((stride for stride in (8, 16, 32) if f"upscore{stride}" in shapes), None)
    if stride is None:
        raise RunError(f"{source}: expected upscore8, upscore16 or upscore, the last upsampling of an FCN.")
    lost = [name for name in _HEADS[stride] if name not in shapes]
    if constants:
        skips = [name for name in _HEADS[stride] if name.startswith("score_")]
        lost += [name for skip in skips if (name := skip.replace("score", "scale")) not in constants]
    if lost:
        raise RunError(f"{source}: expected all layers of an FCN-{stride}s. Missing: {', '.join(lost)}.")
    trained, data = _trained(source, shapes["score_fr"][-1], SOURCES)
    options |= trained
    title = f"FCN-{stride}s"
    if constants:
        options["skip_scales"] = tuple(constants.get(f"scale_{pool}", 1.0) for pool in ("pool4", "pool3"))
        title += " at once"
    return Recognized(f"{title}, {data}", format, f"fcn{stride}s", options, left_out)


def _recognize_dilated(
    source: Path,
    format: Format,
    shapes: Mapping[str, tuple[int, ...]],
    options: dict[str, Any],
    left_out: tuple[str, ...],
) -> Recognized:
    """Recognizes Yu & Koltun's front end, with or without a context module."""
    num_classes = shapes["final"][-1]
    trained, data = _trained(source, num_classes, DILATED_SOURCES)
    more = [name for name in left_out if name.startswith(_CONTEXT_CONVOLUTIONS)]
    if more:
        raise RunError(
            f"{source}: expected the context module of Yu & Koltun's paper. It also has {', '.join(more)}, "
            "which none of the nets here has."
        )
    context = [name for name in CONTEXT_MODULE if name in shapes]
    lost = [name for name in CONTEXT_MODULE if name not in shapes]
    if context and lost:
        raise RunError(f"{source}: expected all layers of a context module. Missing: {', '.join(lost)}.")
    options |= trained
    if context:
        large = shapes[CONTEXT_LAYERS[0]][-1] != num_classes
        options["context"] = "large" if large else "basic"
    title = f"Front end with {options['context']} context" if context else "Front end"
    net = "context" if context else "frontend"
    return Recognized(f"{title}, {data}", format, net, options, left_out)


def _trained(source: Path, num_classes: int, sources: Mapping[int, Source]) -> tuple[dict[str, Any], str]:
    """Returns the options of a published net that has scores, and what it was trained on, for people.

    Args:
        source: The file, for errors.
        num_classes: How many classes it scores.
        sources: The data sets of its authors, by the number of classes.
    """
    if num_classes > MAX_CLASSES:
        raise RunError(f"{source}: expected at most {MAX_CLASSES} classes. Received: {num_classes}.")
    known = sources.get(num_classes)
    options: dict[str, Any] = {"num_classes": num_classes, "geometry": "reference", "upsampling": "frozen"}
    options |= _bgr(known.mean if known else sources[21].mean)
    if known:
        options["class_names"] = known.class_names
    return options, known.title if known else f"{num_classes} classes"


def _classifier_normalization(format: Format) -> dict[str, Any]:
    """Returns what the weights of a classifier expect of pixels, which the format tells."""
    if format in _OF_TORCHVISION:
        return {"channel_order": "rgb", "mean": IMAGENET_MEAN, "scale": IMAGENET_SCALE}
    return _bgr(_VGG_MEAN)


def _bgr(mean: tuple[float, float, float]) -> dict[str, Any]:
    return {"channel_order": "bgr", "mean": mean, "scale": (1.0, 1.0, 1.0)}


def _check_shapes(source: Path, shapes: Mapping[str, tuple[int, ...]], width: float) -> None:
    inputs = 3
    for block, (channels, convolutions) in enumerate(VGG16_BLOCKS, start=1):
        for index in range(1, convolutions + 1):
            name, outputs = f"block{block}_conv{index}", scaled(channels, width)
            if shapes[name] != (3, 3, inputs, outputs):
                raise RunError(
                    f"{source}: expected {name} to be a kernel of (3, 3, {inputs}, {outputs}) (height, "
                    f"width, in, out). Received: {shapes[name]}. It is not VGG16, or not for color images."
                )
            inputs = outputs
    if "fc6" not in shapes:
        return
    fc6 = (FC6_KERNEL_SIZE, FC6_KERNEL_SIZE, inputs)
    if shapes["fc6"][:-1] != fc6 or shapes["fc7"][:2] != (1, 1):
        raise RunError(
            f"{source}: expected fc6 to see {fc6} (height, width, channels). Received: {shapes['fc6']}."
        )
