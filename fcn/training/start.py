"""The weights that a training starts from: another net's, or published ones."""

import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from fcn.classes import Classes
from fcn.config.sections import DILATED_NETS, ModelConfig
from fcn.errors import RunError
from fcn.models.arguments import NetArguments
from fcn.models.context import CONTEXT_LAYERS
from fcn.models.decimation import decimate
from fcn.models.factory import build_model
from fcn.models.fcn import AT_ONCE_SKIP_SCALES, FCN
from fcn.models.net import SegmentationNet
from fcn.runs.model_file import is_exported, load_model
from fcn.weights.checksum import KERAS_MD5
from fcn.weights.published.convert import read_published

IMAGENET_FILE = "vgg16_weights_tf_dim_ordering_tf_kernels.h5"
"""Keras' weights of VGG16 with its fully connected layers."""

IMAGENET_URL = f"https://storage.googleapis.com/tensorflow/keras-applications/vgg16/{IMAGENET_FILE}"
IMAGENET_MD5 = KERAS_MD5[IMAGENET_FILE]
"""URL where Keras publishes the file, and its checksum (keras.applications.vgg16)."""

_HEAD_PREFIXES = ("score", "upscore", "final", "ctx_")


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


def load_start(weights: str, trust: bool = False) -> tuple[SegmentationNet, bool]:
    """Loads the net that `model.weights` names.

    Args:
        weights: "imagenet", or the path of a run folder, a `.keras` file or a file of published weights.
        trust: Whether to load also a `.keras` file with parts that could run code.

    Returns:
        The net, and whether its score layers are trained; those of a classifier are not.

    Raises:
        RunError: If there is no such net, or it cannot be read.
        TrustError: If it has parts that could run code.
    """
    path = _download_imagenet() if weights == "imagenet" else Path(weights)
    if path.is_dir() or is_exported(path) or path.suffix == ".keras" or not path.exists():
        model = load_model(path, trust)
        # Scores that are zero everywhere were never trained: an imported classifier's.
        return model, model.has_trained_scores()
    found, model = read_published(path)
    return model, found.has_scores


def start_from(
    source: SegmentationNet,
    has_scores: bool,
    config: ModelConfig,
    classes: Classes,
    bits: int = NetArguments.bits,
) -> Start:
    """Builds the net of a configuration with all weights of another net that fit.

    Channel order, mean and scale belong to the weights and come along. With the same classes every layer
    of the same name is kept, so that a finer net continues a coarser one: its new score layers are zero
    and change nothing, and its new context module passes scores on. With other classes, score, context and
    upsampling layers get new weights. A LargeFOV's fc6 and fc7 are decimated from those of a net that has
    VGG16's.

    Args:
        source: The net to start from.
        has_scores: Whether its score layers are trained.
        config: The net to build.
        classes: Its classes.
        bits: How many bits the values of its images of 16 bits use.

    Raises:
        RunError: If a layer below the scores has another shape in `source`, or its context module is one of
            the other geometry.
    """
    layers = {layer.name: layer for layer in source.layers if layer.weights}
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
        theirs = [name for name in ("score_pool4", "score_pool3") if name in layers]
        options["skip_scales"] = (*source.skip_scales[: len(theirs)], *own[len(theirs) :])
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
    kept, reinitialized, new = [], [], []
    for layer in model.layers:
        if not layer.weights:
            continue
        if layer.name not in layers:
            new.append(layer.name)
        elif layer.name.startswith(_HEAD_PREFIXES) and not keeps_scores:
            reinitialized.append(layer.name)
        else:
            arrays = [np.asarray(array) for array in layers[layer.name].get_weights()]
            if decimates and layer.name.startswith(("fc6", "fc7", source.score_layer)):
                arrays = decimate(arrays, [weight.shape for weight in layer.weights])
            _assign(arrays, layer)
            kept.append(layer.name)
    return Start(model, tuple(kept), tuple(reinitialized), tuple(new))


def _assign(arrays: list[Any], target: Any) -> None:
    shapes, expected = [array.shape for array in arrays], [tuple(weight.shape) for weight in target.weights]
    if shapes != expected:
        raise RunError(
            f"model.weights: expected {target.name} to have weights of the shapes {expected}. Received: "
            f"{shapes}. Set model.width, model.fc_channels and model.batch_normalization to those of the net "
            "to start from."
        )
    target.set_weights(arrays)


def _download_imagenet() -> Path:
    home = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"))
    try:
        home.mkdir(parents=True, exist_ok=True)
        with redirect_stdout(sys.stderr):  # where progress belongs
            found = keras.utils.get_file(
                IMAGENET_FILE,
                IMAGENET_URL,
                cache_dir=str(home),
                cache_subdir="models",
                file_hash=IMAGENET_MD5,
            )
    except Exception as error:  # Keras wraps network errors in plain exceptions
        raise RunError(
            f"model.weights=imagenet: {IMAGENET_URL} could not be downloaded ({error}). Without a network, "
            f"put the file at {home / 'models' / IMAGENET_FILE} (MD5 {IMAGENET_MD5}), or set model.weights "
            "to its path."
        ) from error
    return Path(found)
