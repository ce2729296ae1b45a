"""The weights that a training starts from: another net's, or published ones."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fcn.classes import Classes
from fcn.config.file import Config
from fcn.config.sections import DILATED_NETS, ModelConfig
from fcn.data.voc import Example
from fcn.errors import RunError
from fcn.evaluation.evaluate import label_agreement
from fcn.inference.predictor import Predictor
from fcn.models.architecture import FC_CHANNELS, FULLY_CONNECTED, layer_channels
from fcn.models.arguments import NetArguments
from fcn.models.context import CONTEXT_LAYERS
from fcn.models.decimation import decimate
from fcn.models.factory import LARGEFOV_NETS, build_model
from fcn.models.fcn import AT_ONCE_SKIP_SCALES, FCN
from fcn.models.net import SegmentationNet
from fcn.pages.percent import percent
from fcn.runs.configured_net import build_configured
from fcn.runs.model_file import is_exported, load_model
from fcn.runs.named_net import resolve_weights
from fcn.system.remedies import set_keys
from fcn.system.text import print_notice
from fcn.training.kept_classes import common_classes, keep_classes
from fcn.weights.catalog import NETS
from fcn.weights.checksum import identify
from fcn.weights.published.convert import read_published
from fcn.weights.reader import recognize

_WITH_TOP, _WITHOUT_TOP, _KERAS_HUB = "vgg16-keras", "vgg16-keras-notop", "vgg16-keras-hub"
_HEAD_PREFIXES = ("score", "upscore", "final", "ctx_")
# Enough to see that a net continues another one, few enough not to wait for.
_AGREEMENT_IMAGES = 10


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
        partly_kept: Names of the layers that keep the weights of `kept_classes` alone.
        kept_classes: Names of the classes that both nets have, where their other classes differ.
    """

    model: SegmentationNet
    kept: tuple[str, ...] = ()
    reinitialized: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    partly_kept: tuple[str, ...] = ()
    kept_classes: tuple[str, ...] = ()

    def describe(self) -> str:
        """Returns in a sentence which layers keep the weights of the other net and which do not."""
        text = f"{len(self.kept)} layers keep its weights"
        if self.partly_kept:
            text += f"; {', '.join(self.partly_kept)} keep those of {', '.join(self.kept_classes)}"
        if self.new:
            text += f"; new: {', '.join(self.new)}"
        if self.reinitialized:
            text += f"; newly initialized: {', '.join(self.reinitialized)}"
        return text


def new_model(
    config: Config, classes: Classes, val_examples: Sequence[Example], trust: bool
) -> tuple[SegmentationNet, bool]:
    """Builds the net with the weights it starts from, and prints how it fits the net they came from.

    Returns:
        The net, and whether it starts from one that was trained on labels.
    """
    weights = config.model.weights
    if weights == "none":
        return build_configured(config, classes), False
    source, has_scores, missing = load_start(start_weights(config.model), trust)
    start = start_from(source, has_scores, config.model, classes, config.data.used_bits, missing)
    print_notice(f"Starting from {weights}: {start.describe()}.")
    if has_scores and not (start.reinitialized or start.partly_kept):
        examples = val_examples[:_AGREEMENT_IMAGES]
        agreement = label_agreement(Predictor(source), Predictor(start.model), examples)
        print_notice(
            f"Before the first step it agrees with {weights} on {percent(agreement)} of the pixels of "
            f"{len(examples)} images."
        )
    return start.model, has_scores


def start_weights(config: ModelConfig) -> str:
    """Returns the `weights` of a configuration, with the name of a published net in place of "imagenet".

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
        return _WITH_TOP  # its fc6 and fc7 are decimated from VGG16's
    channels = layer_channels("full", config.width, config.fc_channels, config.channels or {})
    return _WITH_TOP if all(channels[name] == FC_CHANNELS for name in FULLY_CONNECTED) else _WITHOUT_TOP


def load_start(weights: str, trust: bool = False) -> Source:
    """Loads the net that a training starts from.

    Args:
        weights: The path of a run folder, a `.keras` file or a file of published weights; or the name of a
            published net, which is downloaded when it is first used.
        trust: Whether to load also a `.keras` file with parts that could run code.

    Raises:
        DownloadError: If a published net cannot be downloaded.
        RunError: If there is no such net, or it cannot be read.
        TrustError: If it has parts that could run code.
    """
    is_name = weights in NETS and not Path(weights).exists()
    path = resolve_weights(weights)
    if path.is_dir() or is_exported(path) or path.suffix == ".keras" or not path.exists():
        model = load_model(path, trust)
        # Scores that are zero everywhere were never trained: an imported classifier's.
        return Source(model, model.has_trained_scores())
    recognize(path)  # raises an error that explains what is wrong with the file
    name = weights if is_name else identify(path).name
    published = None if name is None else NETS[name]
    found, model = read_published(
        path,
        skip_scales=published.skip_scales if published else None,
        known_format=published.format if published else None,
    )
    if found.missing and name is None:
        pixels = (
            " Its pixels are assumed to be those of Keras' own file: BGR, the mean subtracted. If KerasHub "
            f"wrote it, give its name: {set_keys(f'model.weights={_KERAS_HUB}')}."
        )
        print_notice(
            f"{path}: has the layers and shapes of {NETS[_WITHOUT_TOP].title}, but is not the published file."
            f"{pixels if found.format == 'keras' else ''}"
        )
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
    and change nothing, and its new context module passes scores on. With other classes, score and upsampling
    layers keep the weights of the classes with the same name, and context layers get new ones. A LargeFOV's
    fc6 and fc7 are decimated from those of a net that has VGG16's. Where fc6 or fc7 has another shape,
    because of `fc_channels`, both get new weights, and so does the layer that scores them.

    Args:
        source: The net to start from.
        has_scores: Whether its score layers are trained.
        config: The net to build.
        classes: Its classes.
        bits: How many bits the values of its images of 16 bits use.
        missing: Names of layers of `source` with weights that mean nothing.

    Raises:
        RunError: If a layer below fc6 has another shape in `source`, its context module is one of the other
            geometry, or its trained skips have other scales than `model.skip_scales`.
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
    shared = common_classes(source.class_names, classes.names) if has_scores and not keeps_scores else {}
    if (keeps_scores or shared) and isinstance(source, FCN) and config.net not in DILATED_NETS:
        # A score layer belongs to the scale of its input; a skip the source lacks has the new net's scale.
        own = config.skip_scales or (AT_ONCE_SKIP_SCALES if config.net == "fcn8s_at_once" else (1.0, 1.0))
        skips = [name for name in ("score_pool4", "score_pool3") if name in layers]
        kept_scales = source.skip_scales[: len(skips)]
        if shared and config.skip_scales and config.skip_scales[: len(skips)] != kept_scales:
            shared, kept_scales = {}, config.skip_scales[: len(skips)]
        if config.skip_scales and config.skip_scales[: len(skips)] != kept_scales:
            raise RunError(
                f"{config.weights}: its score layers were trained with model.skip_scales="
                f"{list(source.skip_scales)}. Received: {list(config.skip_scales)}. Leave them out."
            )
        options["skip_scales"] = (*kept_scales, *own[len(skips) :])
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
    partly_kept: list[str] = []
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
        if refit and layer.name.startswith(fully_connected):
            reinitialized.append(layer.name)
        elif is_head and not keeps_scores:
            is_kept = bool(shared) and keep_classes(layers[layer.name], layer, shared)
            (partly_kept if is_kept else reinitialized).append(layer.name)
        else:
            _assign(arrays, layer)
            kept.append(layer.name)
    names = tuple(classes.names[index] for index in shared) if partly_kept else ()
    return Start(model, tuple(kept), tuple(reinitialized), tuple(new), tuple(partly_kept), names)


def _assign(arrays: list[Any], target: Any) -> None:
    shapes, expected = [array.shape for array in arrays], [tuple(weight.shape) for weight in target.weights]
    if shapes != expected:
        raise RunError(
            f"model.weights: expected {target.name} to have weights of the shapes {expected}. Received: "
            f"{shapes}. Set model.width, model.channels and model.batch_normalization to those of the net to "
            "start from."
        )
    target.set_weights(arrays)
