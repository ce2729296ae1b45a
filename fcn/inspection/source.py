"""Opens the net of a configuration or of a model file for inspection."""

from pathlib import Path

import keras

from fcn.classes import VOC_CLASS_NAMES, Classes
from fcn.config.file import Config, is_configuration, load_config
from fcn.data.voc import read_classes
from fcn.errors import RunError
from fcn.inference.engines.exported import exported_config
from fcn.models.dilated import DilatedNet
from fcn.models.fcn import FCN
from fcn.models.net import SegmentationNet
from fcn.runs.configured_net import build_configured
from fcn.runs.model_file import exported_version, is_exported, load_keras, model_file


def open_for_inspection(path: Path, trust: bool = False) -> keras.Model:
    """Builds the net of a configuration or of an export with new weights, or loads a model.

    Args:
        path: A YAML file; an exported folder; or a run folder, a `.keras` or an `.h5` file of any model.
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
        return _build_exported(exported_version(path))
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


def _build_exported(version: Path) -> SegmentationNet:
    """Builds the net of an export with new weights.

    Raises:
        RunError: If the export does not tell what its net is.
    """
    config = exported_config(version)
    if config is None:
        raise RunError(
            f"{version}: is an exported model of an old version, which does not tell its layers. Give the "
            "configuration, the run folder or the .keras file it came from."
        )
    net = DilatedNet if "context" in config else FCN
    try:
        found: SegmentationNet = net.from_config(config)
    except (TypeError, ValueError) as error:
        raise RunError(f"{version}: its net cannot be built ({error}). Export it again.") from error
    return found
