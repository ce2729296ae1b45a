"""Published weights into our nets: which net a file holds, and where each of its arrays goes.

The net is recognized by names and shapes of its layers alone; layers without arrays may be missing.
Sources of layer names, means and class lists: the authors' repository (Long, Shelhamer & Darrell,
fcn.berkeleyvision.org), keras.applications, torchvision and the TensorFlow ports of VGG16.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fcn.errors import RunError
from fcn.models.architecture import FC6_KERNEL_SIZE, FULLY_CONNECTED
from fcn.models.decimation import decimate
from fcn.models.factory import build_model
from fcn.models.net import SegmentationNet
from fcn.weights.layer import Layer
from fcn.weights.published.recognize import (
    CONTEXT_MODULE,
    CONVOLUTIONS,
    Recognized,
    recognize_net,
)
from fcn.weights.reader import Format, read_layers, recognize

Array = npt.NDArray[np.float32]

# Positions of the convolutions and fully connected layers in torchvision's `vgg16`: activations and
# poolings count there.
_TORCH_FEATURES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
_TORCH_CLASSIFIER = (0, 3, 6)
_DENSE = ("fc6", "fc7", "fc8")
_NAMES: dict[Format, dict[str, str]] = {
    "caffe": {f"conv{name[5]}_{name[-1]}": name for name in CONVOLUTIONS}
    | {
        name: name
        for name in (
            *("fc6", "fc7", "fc8", "score_fr", "score_pool4", "score_pool3", "scale_pool4", "scale_pool3"),
            *("upscore2", "upscore_pool4", "upscore16", "upscore8"),
        )
    }
    | {"upscore": "upscore32"}
    # Yu & Koltun's nets spell the same layers in two ways, that for Pascal VOC in the second.
    | {name: name for name in ("final", *CONTEXT_MODULE)}
    | {"fc-final": "final"}
    | {name.replace("ctx_", "ct_"): name for name in CONTEXT_MODULE},
    "keras": {name: name for name in CONVOLUTIONS} | {"fc1": "fc6", "fc2": "fc7", "predictions": "fc8"},
    "onnx": {f"conv_{index}": name for index, name in enumerate((*CONVOLUTIONS, *_DENSE))}
    | {f"dense_{index}": name for index, name in enumerate(_DENSE)},
    "tensorflow_npy": {f"conv{name[5]}_{name[-1]}": name for name in CONVOLUTIONS}
    | {name: name for name in _DENSE},
    "torch": {
        f"features.{position}": name for position, name in zip(_TORCH_FEATURES, CONVOLUTIONS, strict=True)
    }
    | {f"classifier.{position}": name for position, name in zip(_TORCH_CLASSIFIER, _DENSE, strict=True)}
    # timm spells the same classifier so, as convolutions.
    | {"pre_logits.fc1": "fc6", "pre_logits.fc2": "fc7", "head.fc": "fc8"},
}
# torchfcn and Chainer's conversions keep the names that Caffe's layers had.
_NAMES["torch"] |= _NAMES["caffe"]
_NAMES["chainer"] = _NAMES["caffe"]
_NAMES["safetensors"] = _NAMES["torch"]
_NAMES["keras_hub"] = _NAMES["keras"]
# Formats that keep channels in front of places, in kernels and in what a flattened map becomes.
_CHANNELS_FIRST: frozenset[Format] = frozenset({"caffe", "chainer", "onnx", "safetensors", "torch"})
# KerasHub's VGG16 lies in a net of this name, or alone in one file of a preset, and its head in the other.
_KERAS_HUB_NET = "vgg_backbone"
_KERAS_HUB_BACKBONE, _KERAS_HUB_HEAD = "model.weights.h5", "task.weights.h5"
_MOST_CONFIG = 1 << 16
# Nets that scale their skips in code: their files do not tell them from nets that do not.
_SCALED_IN_CODE: frozenset[Format] = frozenset({"chainer", "safetensors", "torch"})


def read_published(
    source: Path,
    net: str = "fcn8s",
    skip_scales: tuple[float, float] | None = None,
    known_format: Format | None = None,
) -> tuple[Recognized, SegmentationNet]:
    """Reads published weights into a net, a layer at a time.

    Args:
        source: A file of weights that `fcn.weights.reader` reads; the suffix does not matter.
        net: Which net to put a classifier's weights into.
        skip_scales: Factors of pool4 and pool3 in front of their score layers, where the file is known to be
            of a net whose code scales them; None for what the file says.
        known_format: The format, where more is known than the file says: "keras_hub" of a backbone.

    Returns:
        What the file holds, and the net. Of a classifier without its fully connected layers, these have new
        weights and one channel; `Recognized.missing` names them.

    Raises:
        RunError: If the file cannot be read or holds another net.
    """
    format = recognize(source)
    if format == "keras" and (known_format == "keras_hub" or _is_in_preset(source)):
        format = "keras_hub"
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
            if format == "keras" and layer.net == _KERAS_HUB_NET:
                format = "keras_hub"
    found = recognize_net(source, format, shapes, constants, tuple(left_out), net)
    if skip_scales is not None and "num_classes" in found.options and format in _SCALED_IN_CODE:
        title = found.title.replace("FCN-8s", "FCN-8s at once")
        found = found._replace(title=title, options=found.options | {"skip_scales": skip_scales})
    model = build_model(found.net, **found.options)
    for name, layer in _named_layers(source, format):
        if name in shapes and name != "fc8":
            _assign(model, name, _oriented(source, name, layer, format), source)
    return found, model


def _named_layers(source: Path, format: Format) -> Iterator[tuple[str | None, Layer]]:
    """Yields each layer with our name for it; None for one that our nets have no place for."""
    names = _NAMES[format]
    backbone = source.with_name(_KERAS_HUB_BACKBONE)
    has_backbone = format == "keras_hub" and source.name == _KERAS_HUB_HEAD and backbone.is_file()
    for file in (backbone, source) if has_backbone else (source,):
        for layer in read_layers(file):
            if layer.blobs:
                # SIFT Flow's nets have a semantic and a geometric head; the first is what others have.
                yield names.get(layer.name.removesuffix("_sem")), layer


def _is_in_preset(source: Path) -> bool:
    """Returns whether a file is one of the two that KerasHub writes into the folder of a preset."""
    if source.name not in (_KERAS_HUB_BACKBONE, _KERAS_HUB_HEAD):
        return False
    try:
        with source.with_name("config.json").open("rb") as file:
            return b"keras_hub" in file.read(_MOST_CONFIG)
    except OSError:
        return False


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
    """Returns whether a layer is fully connected; old Caffe files store two axes of 1 in front."""
    return kernel.ndim == 2 or (kernel.ndim == 4 and kernel.shape[:2] == (1, 1))


def _constant(source: Path, layer: Layer) -> float:
    """Returns the one factor of a layer that scales all channels alike."""
    values = np.unique(layer.blobs[0])
    if values.size != 1:
        raise RunError(f"{source}: {layer.name} scales channels differently, which no published net does.")
    return float(values[0])


def _assign(model: SegmentationNet, name: str, arrays: list[Array], source: Path) -> None:
    """Puts arrays into a layer of the net."""
    if name in FULLY_CONNECTED and all(np.isnan(array).all() for array in arrays):
        raise RunError(
            f"{source}: {name} has no values (all are NaN), as in torchvision's vgg16_features file, whose "
            "classifier was left out. Take a file with a classifier, such as torchvision's "
            "vgg16-397923af.pth."
        )
    if not all(np.isfinite(array).all() for array in arrays):
        raise RunError(f"{source}: {name} holds weights that are not finite. Download the file again.")
    layer = model.get_layer(name)
    if model.fc6 == "largefov" and name in ("fc6", "fc7"):
        arrays = decimate(arrays, [weight.shape for weight in layer.weights])
    try:
        layer.set_weights(arrays)
    except ValueError as error:
        raise RunError(f"{source}: {name} does not fit the net ({error}).") from error
