"""Plans a training: what fits the data, this machine's memory and the time there is, each with its reason."""

import math
from typing import NamedTuple

from fcn.config.file import Config
from fcn.config.sections import DataConfig
from fcn.errors import ConfigError
from fcn.pages.percent import percent
from fcn.planning.fingerprint import Fingerprint, take_fingerprint
from fcn.planning.reasons import explain_trials
from fcn.planning.search import ENOUGH_STEPS, Search, TrialResult
from fcn.planning.shapes import choose_shapes
from fcn.report.page import duration
from fcn.system.bfloat16 import bfloat16_instructions
from fcn.system.memory import available_bytes
from fcn.system.parallel import available_cores, cores_wanted
from fcn.system.text import counted, print_notice
from fcn.training import devices
from fcn.training.cost import Cost, most_steps

FEW_IMAGES = 1_000
RARE_SHARE = 0.02
"""A class with a smaller share of the labeled pixels is rare."""
_TEMPERATURE = 0.05
_SCORINGS = 4
_MOST_SCORING = 0.05
_MEMORY = 0.8
# Above this load for each core, a training with a thread for each gets little more than half of them.
_BUSY = 0.75
_FROZEN = ("block1_*", "block2_*", "block3_*")


class TrainingPlan(NamedTuple):
    """A plan.

    Attributes:
        config: How to train.
        reasons: Why a value was chosen, by "section.key".
        fingerprint: Facts of the data.
        found: The trial of what was chosen.
        trials: All trials.
        hours: Time of the training.
        limit_bytes: Memory that it may take; None if that is not known.
        seconds: Its expected time.
        device: The hardware.
    """

    config: Config
    reasons: dict[str, str]
    fingerprint: Fingerprint
    found: TrialResult
    trials: tuple[TrialResult, ...]
    hours: float
    limit_bytes: float | None
    seconds: float
    device: str


def make_plan(config: Config, hours: float, memory_gigabytes: float | None) -> TrainingPlan:
    """Measures the data and this machine, and returns a plan.

    Args:
        config: The configuration to start from; the plan replaces some of its values.
        hours: Time of the training, with its validations.
        memory_gigabytes: Memory that the training may take: of the accelerator if there is one, else of its
            process; None for 80% of what is free, or all of an accelerator.

    Raises:
        ConfigError: If the memory is too little, or the loss is summed over pixels.
        FcnError: If the data cannot be used, or no steps can be taken.
    """
    if config.loss.reduction == "sum":
        raise ConfigError(
            "loss.reduction=sum: a plan changes the crop, and the rate of a summed loss depends on its "
            "pixels. Set loss.reduction=mean and a learning rate for it."
        )
    print_notice(f"Reading {config.data.root} ...")
    fingerprint, data = take_fingerprint(config)
    shapes = choose_shapes(fingerprint.median_size)
    on_accelerator = bool(devices.describe()["accelerators"])
    limit = _limit_bytes(memory_gigabytes, on_accelerator)
    print_notice(
        f"{counted(fingerprint.num_train, 'training image')}; measuring steps on "
        f"{devices.name_device(config.train.devices)}, each time in a process of its own. A few minutes."
    )
    busy = describe_busy(cores_wanted(), available_cores())
    if busy:
        print_notice(f"Warning: {busy} Measuring takes longer, and steps look slower than they are.")
    reasons: dict[str, str] = {}
    config = _choose_sampling(config, fingerprint, reasons)
    config = _choose_frozen(config, fingerprint, on_accelerator, reasons)
    seconds = 3600 * hours
    search = Search(config, data, limit, seconds, on_accelerator)
    found = in_float32 = search.find(shapes)
    if on_accelerator or bfloat16_instructions():
        found = search.in_bfloat16(found)
    if found.cost is None:
        raise ConfigError("The plan found no trial that fits.")  # `find` has raised it
    config = found.option.apply(config)
    config, steps_seconds = _choose_steps(config, found.cost, fingerprint, seconds, reasons)
    reasons |= explain_trials(found, in_float32, fingerprint, search)
    if busy:
        reasons["train.steps"] += f". {busy} Plan again when it is quiet"
    return TrainingPlan(
        config,
        reasons,
        fingerprint,
        found,
        tuple(search.trials),
        hours,
        limit,
        steps_seconds,
        found.cost.device,
    )


def describe_busy(wanted: float | None, cores: int) -> str:
    """Returns that other programs use the cores, a sentence; empty if they leave enough of them.

    Args:
        wanted: How many cores programs could have used before the trials; None if that is not known.
        cores: How many there are.

    Example:
        >>> describe_busy(15.2, 2)
        'Other programs use this machine: they wanted 15.2 cores of 2 in the last minute.'
        >>> describe_busy(1.2, 2)
        ''
    """
    if wanted is None or wanted <= _BUSY * cores:
        return ""
    return f"Other programs use this machine: they wanted {wanted:.1f} cores of {cores} in the last minute."


def _limit_bytes(gigabytes: float | None, on_accelerator: bool) -> float | None:
    if gigabytes is not None:
        return 1e9 * gigabytes
    free = None if on_accelerator else available_bytes()
    return None if free is None else _MEMORY * free


def _choose_sampling(config: Config, fingerprint: Fingerprint, reasons: dict[str, str]) -> Config:
    present = [one for one in fingerprint.classes if one.images]
    rare = min(present, key=lambda one: one.share)
    shown = f"{rare.name} has {percent(rare.share)} of the labeled pixels"
    if len(present) > 1 and rare.share < RARE_SHARE:
        reasons["data.sampling"] = f"{shown}: crops that hold rare classes are drawn more often"
        return config.with_values("data", sampling="balanced", sampling_temperature=_TEMPERATURE)
    reasons["data.sampling"] = f"no class is rare: {shown}, the fewest (rare is below {percent(RARE_SHARE)})"
    idle = DataConfig.model_fields["sampling_temperature"].default
    return config.with_values("data", sampling="uniform", sampling_temperature=idle)


def _choose_frozen(
    config: Config, fingerprint: Fingerprint, on_accelerator: bool, reasons: dict[str, str]
) -> Config:
    if config.model.weights == "none":
        reasons["train.freeze"] = "the weights are new, so that all layers have to learn"
        return config.with_values("train", freeze=())
    few = fingerprint.num_train < FEW_IMAGES
    if few or not on_accelerator:
        why = (
            f"{counted(fingerprint.num_train, 'image')} cannot improve edges and textures learned from more"
            if few
            else "gradients of the large maps are most of the time on a CPU"
        )
        reasons["train.freeze"] = why
        return config.with_values("train", freeze=_FROZEN)
    reasons["train.freeze"] = f"with {FEW_IMAGES:,} images and a GPU all layers can learn"
    return config.with_values("train", freeze=())


def _choose_steps(
    config: Config, cost: Cost, fingerprint: Fingerprint, seconds: float, reasons: dict[str, str]
) -> tuple[Config, float]:
    """Returns the configuration with its steps, and the seconds that they take."""
    megapixels = fingerprint.val_megapixels
    scoring = cost.save_seconds + megapixels * cost.score_seconds
    scorings = _SCORINGS if scoring <= _MOST_SCORING * seconds else 1

    def planned(steps: int) -> Config:
        every = math.ceil(steps / scorings)
        train = {
            "steps": steps,
            "epochs": None,
            "hours": None,
            "evaluate_steps": every,
            "checkpoint_steps": every,
            "warmup_steps": min(config.train.warmup_steps, steps // 10),
        }
        return config.with_values("train", **train)

    steps = max(1, most_steps(lambda steps: cost.total_seconds(planned(steps), steps, megapixels), seconds))
    epochs = steps * config.train.batch_size / fingerprint.num_train
    reasons["train.steps"] = (
        f"{cost.step_seconds:.3g} s each, in {duration(seconds)} with scoring; each image is seen about "
        f"{f'{epochs:,.0f}' if epochs >= 10 else f'{epochs:.2g}'} times"
    )
    if steps < ENOUGH_STEPS:
        reasons["train.steps"] += f". Fewer than {ENOUGH_STEPS} rarely suffice: give more --hours"
    reasons["train.evaluate_steps"] = (
        f"{counted(scorings, 'scoring')}, each about {scoring:.3g} s on "
        f"{counted(fingerprint.num_val, 'image')}"
    )
    final = planned(steps)
    return final, cost.total_seconds(final, steps, megapixels)
