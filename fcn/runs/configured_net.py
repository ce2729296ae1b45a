"""Builds the net of a configuration, with new weights."""

from fcn.classes import Classes
from fcn.config.file import Config
from fcn.models.factory import build_model
from fcn.models.net import SegmentationNet


def build_configured(config: Config, classes: Classes) -> SegmentationNet:
    """Builds the net of a configuration with new weights, not those of `model.weights`.

    Args:
        config: The configuration.
        classes: The classes it tells apart.

    Raises:
        ValueError: If options of the configuration do not fit each other.
    """
    return build_model(
        num_classes=len(classes.names),
        class_names=classes.names,
        palette=classes.palette,
        bits=config.data.used_bits,
        **config.model.options(),
    )
