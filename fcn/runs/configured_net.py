"""Builds the net of a configuration."""

from fcn.classes import Classes
from fcn.config.file import Config
from fcn.models.factory import build_model
from fcn.models.net import SegmentationNet


def build_configured(config: Config, classes: Classes) -> SegmentationNet:
    """Builds the net of a configuration with new weights, whatever `model.weights` is.

    Args:
        config: The configuration.
        classes: The classes of the net.

    Raises:
        ValueError: If options of the configuration do not fit each other.
    """
    options = config.model.options() | {"input_scale": config.data.input_scale}
    return build_model(
        num_classes=len(classes.names), class_names=classes.names, palette=classes.palette, **options
    )
