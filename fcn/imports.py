"""Published weights into our nets: which net a file holds, and where each of its arrays goes.

The net is recognized by names and shapes of its layers alone; layers without arrays may be missing.
Sources of layer names, means and class lists: the authors' repository (Long, Shelhamer & Darrell,
fcn.berkeleyvision.org), keras.applications, torchvision and the TensorFlow ports of VGG16.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fcn.classes import MAX_CLASSES
from fcn.errors import RunError
from fcn.files import atomic_folder, write_json
from fcn.imported_classes import SOURCES
from fcn.models.factory import build_model
from fcn.models.fcn import FCN, IMAGENET_MEAN, IMAGENET_SCALE
from fcn.models.geometry import FC6_KERNEL_SIZE
from fcn.models.vgg import VGG16_BLOCKS, scaled
from fcn.run import RunFolder, save_model
from fcn.weights.checksum import checked_sha256
from fcn.weights.layer import Layer
from fcn.weights.reader import Format, read_layers, recognize

Array = npt.NDArray[np.float32]

CONVOLUTIONS = tuple(
    f"block{block}_conv{index}"
    for block, (_, convolutions) in enumerate(VGG16_BLOCKS, start=1)
    for index in range(1, convolutions + 1)
)
"""VGG16's 13 convolutions, in order, by the names that Keras and this package give them."""

# Positions of the convolutions and fully connected layers in torchvision's `vgg16`: activations and
# poolings count there.
_TORCH_FEATURES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
_TORCH_CLASSIFIER = (0, 3, 6)
_NAMES: dict[Format, dict[str, str]] = {
    "caffe": {f"conv{name[5]}_{name[-1]}": name for name in CONVOLUTIONS}
    | {
        name: name
        for name in (
            *("fc6", "fc7", "fc8", "score_fr", "score_pool4", "score_pool3", "scale_pool4", "scale_pool3"),
            *("upscore2", "upscore_pool4", "upscore16", "upscore8"),
        )
    }
    | {"upscore": "upscore32"},
    "keras": {name: name for name in CONVOLUTIONS} | {"fc1": "fc6", "fc2": "fc7", "predictions": "fc8"},
    "tensorflow_npy": {f"conv{name[5]}_{name[-1]}": name for name in CONVOLUTIONS}
    | {name: name for name in ("fc6", "fc7", "fc8")},
    "torch": {
        f"features.{position}": name for position, name in zip(_TORCH_FEATURES, CONVOLUTIONS, strict=True)
    }
    | {
        f"classifier.{position}": name
        for position, name in zip(_TORCH_CLASSIFIER, ("fc6", "fc7", "fc8"), strict=True)
    },
}
# Formats that keep channels in front of places, in kernels and in what a flattened map becomes.
_CHANNELS_FIRST: frozenset[Format] = frozenset({"caffe", "torch"})

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
        title: What it is, for people.
        format: Of the file.
        net: Name of the net, as `build_model` takes it.
        options: Further arguments of `build_model`.
        left_out: Names of layers in the file that the net has no place for.
    """

    title: str
    format: Format
    net: str
    options: dict[str, Any]
    left_out: tuple[str, ...]

    @property
    def has_scores(self) -> bool:
        """Whether the file holds a segmentation net with its scores, not a classifier to start from."""
        return "num_classes" in self.options


def import_weights(source: Path, output: Path, net: str = "fcn8s") -> Recognized:
    """Reads published weights and writes a run folder that every other command takes.

    Args:
        source: A caffemodel, a Keras VGG16 `.h5`, a `vgg16.npy` or a torchvision `vgg16` `.pth`; the
            suffix does not matter.
        output: A folder that is not there yet, or empty.
        net: Which net to put a classifier's weights into; its score layers start at zero. Files that
            hold a segmentation net say themselves.

    Returns:
        What was found.

    Raises:
        OutputError: If the folder cannot be written to or the disk is full.
        RunError: If the file cannot be read, holds another net, or `output` holds something.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise RunError(f"{output}: is there already. Choose another folder with --output.")
    found, model = read_published(source, net)
    sha256 = checked_sha256(source)
    document = {
        "source": source.name,
        "sha256": sha256,
        "format": found.format,
        "net": found.title,
        "left_out": found.left_out,
    }
    # Whole or not there: a folder that was being written when the power went would be taken for a run.
    with atomic_folder(output) as temporary:
        save_model(model, RunFolder(temporary).best)
        write_json(temporary / "import.json", document)
    return found


def read_published(source: Path, net: str = "fcn8s") -> tuple[Recognized, FCN]:
    """Reads published weights into a net, a layer at a time.

    Args:
        source: A file as for `import_weights`.
        net: Which net to put a classifier's weights into.

    Raises:
        RunError: If the file cannot be read or holds another net.
    """
    format = recognize(source)
    shapes: dict[str, tuple[int, ...]] = {}
    constants: dict[str, float] = {}
    left_out = []
    for name, layer in _named_layers(source, format):
        if name is None:
            left_out.append(layer.name)
        elif name.startswith("scale_"):
            constants[name] = _constant(source, layer)
        else:
            shapes[name] = _oriented(source, name, layer, format)[0].shape
    found = _recognize_net(source, format, shapes, constants, tuple(left_out), net)
    model = build_model(found.net, **found.options)
    for name, layer in _named_layers(source, format):
        if name in shapes and name != "fc8":
            _assign(model, name, _oriented(source, name, layer, format), source)
    return found, model


def _named_layers(source: Path, format: Format) -> Iterator[tuple[str | None, Layer]]:
    """Yields each layer with our name for it; None for one that our nets have no place for."""
    names = _NAMES[format]
    for layer in read_layers(source):
        if layer.blobs:
            # SIFT Flow's nets have a semantic and a geometric head; the first is what others have.
            yield names.get(layer.name.removesuffix("_sem")), layer


def _oriented(source: Path, name: str, layer: Layer, format: Format) -> list[Array]:
    """Returns kernel `float32[kh, kw, in, out]` (transposed: `[kh, kw, out, in]`) and bias `float32[out]`."""
    kernel, *rest = layer.blobs
    dense = name in ("fc6", "fc7", "fc8") and _is_matrix(kernel)
    size = FC6_KERNEL_SIZE if name == "fc6" else 1
    rows, columns = kernel.shape[-2:] if kernel.ndim >= 2 else (0, 0)
    inputs = columns if format in _CHANNELS_FIRST else rows
    if (kernel.ndim != 4 and not dense) or 0 in kernel.shape or (dense and inputs % size**2):
        raise RunError(f"{source}: {layer.name} has the shape {kernel.shape}, which no layer of VGG16 has.")
    if dense and format in _CHANNELS_FIRST:
        kernel = kernel.reshape(rows, -1, size, size).transpose(2, 3, 1, 0)
    elif dense:
        kernel = kernel.reshape(size, size, -1, columns)
    elif format in _CHANNELS_FIRST:
        kernel = kernel.transpose(2, 3, 1, 0)
    return [kernel, *(bias.reshape(-1) for bias in rest)]


def _is_matrix(kernel: Array) -> bool:
    """Tells a fully connected layer's weights, which old Caffe files store with two axes of 1 in front."""
    return kernel.ndim == 2 or (kernel.ndim == 4 and kernel.shape[:2] == (1, 1))


def _constant(source: Path, layer: Layer) -> float:
    """Returns the one factor of a layer that scales all channels alike."""
    values = np.unique(layer.blobs[0])
    if values.size != 1:
        raise RunError(f"{source}: {layer.name} scales channels differently, which no published net does.")
    return float(values[0])


def _recognize_net(
    source: Path,
    format: Format,
    shapes: Mapping[str, tuple[int, ...]],
    constants: Mapping[str, float],
    left_out: tuple[str, ...],
    classifier_net: str,
) -> Recognized:
    missing = [name for name in (*CONVOLUTIONS, "fc6", "fc7") if name not in shapes]
    if missing:
        hint = " This is the file without top: take the one with it." if missing == ["fc6", "fc7"] else ""
        raise RunError(
            f"{source}: expected the layers of VGG16. Missing: {', '.join(missing[:6])}"
            f"{', ...' if len(missing) > 6 else ''}.{hint}"
        )
    width = shapes[CONVOLUTIONS[0]][-1] / VGG16_BLOCKS[0][0]
    _check_shapes(source, shapes, width)
    options: dict[str, Any] = {"width": width, "fc_channels": shapes["fc6"][-1]}
    if "score_fr" not in shapes:
        if format == "torch":
            normalization = {"channel_order": "rgb", "mean": IMAGENET_MEAN, "scale": IMAGENET_SCALE}
        else:
            normalization = _bgr(_VGG_MEAN)
        title = f"VGG16 classifier ({format}), as the start of {classifier_net}"
        return Recognized(title, format, classifier_net, options | normalization, left_out)
    stride = next((stride for stride in (8, 16, 32) if f"upscore{stride}" in shapes), None)
    if stride is None:
        raise RunError(f"{source}: expected upscore8, upscore16 or upscore, the last upsampling of an FCN.")
    lost = [name for name in _HEADS[stride] if name not in shapes]
    if constants:
        skips = [name for name in _HEADS[stride] if name.startswith("score_")]
        lost += [name for skip in skips if (name := skip.replace("score", "scale")) not in constants]
    if lost:
        raise RunError(f"{source}: expected all layers of an FCN-{stride}s. Missing: {', '.join(lost)}.")
    num_classes = shapes["score_fr"][-1]
    if num_classes > MAX_CLASSES:
        raise RunError(f"{source}: expected at most {MAX_CLASSES} classes. Received: {num_classes}.")
    known = SOURCES.get(num_classes)
    title = f"FCN-{stride}s"
    options |= {"num_classes": num_classes, "geometry": "reference", "upsampling": "frozen"}
    options |= _bgr(known.mean if known else SOURCES[21].mean)
    if known:
        options["class_names"] = known.class_names
    if constants:
        options["skip_scales"] = tuple(constants.get(f"scale_{pool}", 1.0) for pool in ("pool4", "pool3"))
        title += " at once"
    title += f", {known.title}" if known else f", {num_classes} classes"
    return Recognized(title, format, f"fcn{stride}s", options, left_out)


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
    fc6 = (FC6_KERNEL_SIZE, FC6_KERNEL_SIZE, inputs)
    if shapes["fc6"][:-1] != fc6 or shapes["fc7"][:2] != (1, 1):
        raise RunError(
            f"{source}: expected fc6 to see {fc6} (height, width, channels). Received: {shapes['fc6']}."
        )


def _assign(model: FCN, name: str, arrays: list[Array], source: Path) -> None:
    """Puts arrays into a layer of the net."""
    if not all(np.isfinite(array).all() for array in arrays):
        raise RunError(f"{source}: {name} holds weights that are not finite. Download the file again.")
    try:
        model.get_layer(name).set_weights(arrays)
    except ValueError as error:
        raise RunError(f"{source}: {name} does not fit the net ({error}).") from error
