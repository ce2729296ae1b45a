"""Trains from coarse to fine: FCN-32s, FCN-16s from it, FCN-8s from that (Long et al., section 4.3)."""

from pathlib import Path

from fcn.config.file import Config
from fcn.config.sections import SKIP_NETS
from fcn.errors import ConfigError
from fcn.runs.model_file import RunFolder
from fcn.training.loop import TrainingResult, train

STAGES = ("fcn32s", "fcn16s", "fcn8s")
"""Each net starts from the one before it."""


def train_stages(
    config: Config, run_path: Path | str, resume: bool = False, trust: bool = False
) -> TrainingResult:
    """Trains every net up to that of the configuration, each from the best checkpoint of the one before.

    Args:
        config: How to train in each stage; the first stage starts from `model.weights`.
        run_path: Folder of the runs, one for each net: `RUN/fcn32s`, `RUN/fcn16s`, `RUN/fcn8s`.
        resume: Whether to resume stages that were stopped.
        trust: Whether to start also from a `.keras` file with parts that could run code.

    Returns:
        The result of the last stage.

    Raises:
        ConfigError: If the net has no stages.
        FcnError: As `train` raises.
    """
    if config.model.net not in STAGES:
        raise ConfigError(
            f"model.net={config.model.net}: is trained at once, without stages. Choose {', '.join(STAGES)}."
        )
    weights = config.model.weights
    for net in STAGES[: STAGES.index(config.model.net) + 1]:
        stage = RunFolder(Path(run_path) / net)
        scales = config.model.skip_scales if net in SKIP_NETS else None
        changed = config.with_values("model", net=net, weights=weights, skip_scales=scales)
        result = train(changed, stage.path, resume and stage.exists(), trust=trust)
        weights = str(stage.path)
    return result
