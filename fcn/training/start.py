"""The weights that a training starts from: another net's, or published ones."""

import hashlib
import os
import sys
from collections.abc import Collection
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from fcn.classes import Classes
from fcn.config.sections import DILATED_NETS, ModelConfig
from fcn.errors import RunError
from fcn.models.architecture import FC_CHANNELS, scaled
from fcn.models.arguments import NetArguments
from fcn.models.context import CONTEXT_LAYERS
from fcn.models.decimation import decimate
from fcn.models.factory import LARGEFOV_NETS, build_model
from fcn.models.fcn import AT_ONCE_SKIP_SCALES, FCN
from fcn.models.net import SegmentationNet
from fcn.runs.model_file import is_exported, load_model
from fcn.system.text import print_notice
from fcn.weights.checksum import KERAS_MD5
from fcn.weights.published.convert import read_published
from fcn.weights.published.recognize import FULLY_CONNECTED

IMAGENET_URL = "https://storage.googleapis.com/tensorflow/keras-applications/vgg16"
"""URL where Keras publishes its weights of VGG16 (keras.applications.vgg16)."""

IMAGENET_FILES = {
    "vgg16-keras": "vgg16_weights_tf_dim_ordering_tf_kernels.h5",
    "vgg16-keras-notop": "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
}
"""The files there, with and without fully connected layers."""

_HEAD_PREFIXES = ("score", "upscore", "final", "ctx_")


class Source(NamedTuple):
    """A net that a training starts from.

    Attributes:
        model: The net.
        has_scores: Whether its score layers are trained; those of a classifier are not.
        missing: Names of its layers with weights that mean nothing, since its file lacks them.
    """

    model: SegmentationNet
    has_scores: bool
    missing: tuple[str, ...] = ()


class Start(NamedTuple):
    """A net before its first step.

    Attributes:
        model: The net.
        kept: Names of the layers that have another net's weights.
        reinitialized: Names of the layers with new weights although the other net has them.
        new: Names of the layers that the other net does not have.
    """

    model: SegmentationNet
    kept: tuple[str, ...] = ()
    reinitialized: tuple[str, ...] = ()
    new: tuple[str, ...] = ()

    def describe(self) -> str:
        """Returns in a sentence which layers keep the weights of the other net and which do not."""
        text = f"{len(self.kept)} layers keep its weights"
        if self.new:
            text += f"; new: {', '.join(self.new)}"
        if self.reinitialized:
            text += f"; newly initialized: {', '.join(self.reinitialized)}"
        return text


def start_weights(config: ModelConfig) -> str:
    """Returns the `weights` of a configuration, with the name of a file in place of "imagenet".

    That is the smallest of Keras' files with all weights of VGG16 that the net takes over.

    Args:
        config: The net.

    Example:
        >>> start_weights(ModelConfig(net="fcn8s", fc_channels=512, weights="imagenet"))
        'vgg16-keras-notop'
        >>> start_weights(ModelConfig(net="fcn8s_largefov", weights="imagenet"))
        'vgg16-keras'
    """
    if config.weights != "imagenet":
        return config.weights
    if config.net in LARGEFOV_NETS:
        return "vgg16-keras"  # its fc6 and fc7 are decimated from VGG16's
    channels = config.fc_channels or scaled(FC_CHANNELS, config.width)
    return "vgg16-keras" if channels == FC_CHANNELS else "vgg16-keras-notop"


def load_start(weights: str, trust: bool = False) -> Source:
    """Loads the net that a training starts from.

    Args:
        weights: A name of `IMAGENET_FILES`, or the path of a run folder, a `.keras` file or a file of
            published weights.
        trust: Whether to load also a `.keras` file with parts that could run code.

    Raises:
        RunError: If there is no such net, or it cannot be read.
        TrustError: If it has parts that could run code.
    """
    path = _download_imagenet(IMAGENET_FILES[weights]) if weights in IMAGENET_FILES else Path(weights)
    if path.is_dir() or is_exported(path) or path.suffix == ".keras" or not path.exists():
        model = load_model(path, trust)
        # Scores that are zero everywhere were never trained: an imported classifier's.
        return Source(model, model.has_trained_scores())
    found, model = read_published(path)
    if found.missing:
        _describe_without_top(path)
    return Source(model, found.has_scores, found.missing)


def start_from(
    source: SegmentationNet,
    has_scores: bool,
    config: ModelConfig,
    classes: Classes,
    bits: int = NetArguments.bits,
    missing: Collection[str] = (),
) -> Start:
    """Builds the net of a configuration with all weights of another net that fit.

    Channel order, mean and scale belong to the weights and come along. With the same classes every layer
    of the same name is kept, so that a finer net continues a coarser one: its new score layers are zero
    and change nothing, and its new context module passes scores on. With other classes, score, context and
    upsampling layers get new weights. A LargeFOV's fc6 and fc7 are decimated from those of a net that has
    VGG16's. Where fc6 or fc7 has another shape, because of `fc_channels`, both get new weights, and so does
    the layer that scores them.

    Args:
        source: The net to start from.
        has_scores: Whether its score layers are trained.
        config: The net to build.
        classes: Its classes.
        bits: How many bits the values of its images of 16 bits use.
        missing: Names of layers of `source` with weights that mean nothing.

    Raises:
        RunError: If a layer below fc6 has another shape in `source`, or its context module is one of the
            other geometry.
    """
    layers = {layer.name: layer for layer in source.layers if layer.weights and layer.name not in missing}
    keeps_scores = has_scores and source.class_names == classes.names
    if (
        keeps_scores
        and config.net == "context"
        and CONTEXT_LAYERS[0] in layers
        and source.geometry != config.geometry
    ):
        raise RunError(
            f"{config.weights}: has a context module of model.geometry={source.geometry}, whose weights do "
            f"not work with {config.geometry}. Set model.geometry={source.geometry}."
        )
    options = config.options()
    if keeps_scores and isinstance(source, FCN) and config.net not in DILATED_NETS:
        # A score layer belongs to the scale of its input; a skip the source lacks has the new net's scale.
        own = AT_ONCE_SKIP_SCALES if config.net == "fcn8s_at_once" else (1.0, 1.0)
        skips = [name for name in ("score_pool4", "score_pool3") if name in layers]
        options["skip_scales"] = (*source.skip_scales[: len(skips)], *own[len(skips) :])
    model = build_model(
        num_classes=len(classes.names),
        class_names=classes.names,
        palette=classes.palette,
        channel_order=source.channel_order,
        mean=source.mean,
        scale=source.scale,
        bits=bits,
        **options,
    )
    decimates = (source.fc6, model.fc6) == ("full", "largefov")
    fully_connected = (*FULLY_CONNECTED, source.score_layer)  # and their batch normalizations
    kept, reinitialized, new = [], [], []
    refit = False
    for layer in model.layers:
        if not layer.weights:
            continue
        if layer.name not in layers:
            new.append(layer.name)
            continue
        arrays = [np.asarray(array) for array in layers[layer.name].get_weights()]
        shapes = [tuple(weight.shape) for weight in layer.weights]
        if decimates and layer.name.startswith(fully_connected):
            arrays = decimate(arrays, shapes)
        refit = refit or (layer.name == "fc6" and [array.shape for array in arrays] != shapes)
        is_head = layer.name.startswith(_HEAD_PREFIXES)
        if (is_head and not keeps_scores) or (refit and layer.name.startswith(fully_connected)):
            reinitialized.append(layer.name)
        else:
            _assign(arrays, layer)
            kept.append(layer.name)
    return Start(model, tuple(kept), tuple(reinitialized), tuple(new))


def _assign(arrays: list[Any], target: Any) -> None:
    shapes, expected = [array.shape for array in arrays], [tuple(weight.shape) for weight in target.weights]
    if shapes != expected:
        raise RunError(
            f"model.weights: expected {target.name} to have weights of the shapes {expected}. Received: "
            f"{shapes}. Set model.width and model.batch_normalization to those of the net to start from."
        )
    target.set_weights(arrays)


def _describe_without_top(path: Path) -> None:
    """Prints whether a file without fully connected layers is the one that Keras publishes."""
    with path.open("rb") as file:
        md5 = hashlib.file_digest(file, "md5").hexdigest()
    if md5 not in KERAS_MD5.values():
        print_notice(
            f"{path}: has the layers and shapes of Keras' VGG16 without top, but is not the published file "
            f"(MD5 {md5})."
        )


def _download_imagenet(name: str) -> Path:
    home = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"))
    url, md5 = f"{IMAGENET_URL}/{name}", KERAS_MD5[name]
    try:
        home.mkdir(parents=True, exist_ok=True)
        with redirect_stdout(sys.stderr):  # where progress belongs
            found = keras.utils.get_file(name, url, cache_dir=str(home), cache_subdir="models", file_hash=md5)
    except Exception as error:  # Keras wraps network errors in plain exceptions
        raise RunError(
            f"model.weights=imagenet: {url} could not be downloaded ({error}). Without a network, put the "
            f"file at {home / 'models' / name} (MD5 {md5}), or set model.weights to its path."
        ) from error
    return Path(found)
