"""Opens the net of a configuration or of a model file for inspection."""

from pathlib import Path

import keras

from fcn.classes import VOC_CLASS_NAMES, Classes
from fcn.config.file import Config, is_configuration, load_config
from fcn.data.voc import read_classes
from fcn.errors import RunError
from fcn.models.net import SegmentationNet
from fcn.runs.configured_net import build_configured
from fcn.runs.model_file import is_exported, load_keras, model_file


def open_for_inspection(path: Path, trust: bool = False) -> keras.Model:
    """Builds the net of a configuration with new weights, or loads a model.

    Args:
        path: A YAML file; or a run folder, a `.keras` or an `.h5` file of any Keras model.
        trust: Whether to load also a model with parts that could run code.

    Raises:
        ConfigError: If the configuration cannot be used.
        DataError: If its data set exists and cannot be used.
        RunError: If there is no model, or it cannot be read.
        TrustError: If it has parts that could run code.
    """
    if is_configuration(path):
        return build_net(load_config(path))
    if is_exported(path):
        raise RunError(
            f"{path}: is an exported model, which no longer has layers. Give the configuration, the run "
            "folder or the .keras file it came from."
        )
    return load_keras(model_file(path), trust)


def build_net(config: Config) -> SegmentationNet:
    """Builds the net of a configuration with new weights.

    The number of classes comes from its data set; if that is not on this machine, the net gets Pascal VOC's
    21 classes. `model.weights` is not read: weights do not change the size of a net.

    Raises:
        DataError: If the data set exists and cannot be used.
    """
    data, root = config.data, config.data.root
    classes = read_classes(root, configured=data.classes) if root.is_dir() else Classes.named(VOC_CLASS_NAMES)
    return build_configured(config, classes)
