"""How a net that was made smaller is trained on. Imports no backend."""

from fcn.config.file import Config

RATE_AFTER_RANDOM, RATE_AFTER_TRAINED = 0.1, 0.4
"""Learning rate relative to that of a run that began with random weights, or with trained ones."""


def fine_tuning(config: Config) -> list[str]:
    """Returns the settings that suit the training of a net that was made smaller.

    At a high rate the small net loses what it has kept. After recipes with 1e-4, which began with ImageNet's
    convolutions, 4e-5 was far better than 2e-4 on CamVid and Pascal VOC (docs/results.md); after random
    weights, a tenth was better than the whole (docs/tutorials/small_fast_net.md). Other shares were not
    compared as far. Layers that were frozen have lost channels. Those that learned faster than others, since
    they were new behind the convolutions of ImageNet, are no longer new.

    Args:
        config: That of the run whose net was made smaller.

    Returns:
        "section.key=value" each.

    Example:
        >>> from fcn.config.file import as_config
        >>> fine_tuning(as_config({"data": {"root": "VOC2012"}, "train": {"learning_rate": 1e-3}}))
        ['train.learning_rate=0.0001']
    """
    train = config.train
    share = RATE_AFTER_RANDOM if config.model.weights == "none" else RATE_AFTER_TRAINED
    settings = [f"train.learning_rate={train.learning_rate * share:g}"]
    if train.freeze:
        settings.append("train.freeze=[]")
    if train.learning_rate_multipliers:
        settings.append("train.learning_rate_multipliers={}")
    return settings
