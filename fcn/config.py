"""The configuration of one run, checked at once.

A configuration is a YAML 1.2 file with the sections below. Everything has one default, here; unknown
keys, wrong types and values out of range are refused with the key, the file and what is expected.
"""

import difflib
import json
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from fcn.errors import ConfigError

Net = Literal["fcn32s", "fcn16s", "fcn8s", "fcn8s_at_once"]
NETS: tuple[str, ...] = get_args(Net)
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class DataConfig(_Section):
    """Where the examples are.

    Attributes:
        root: Folder in VOC layout, relative to where the command runs.
        train_split: List of the examples to learn from.
        val_split: List of the examples to score on.
    """

    root: Path
    train_split: str = "train"
    val_split: str = "val"


class AugmentationConfig(_Section):
    """How training examples are changed; see `fcn.data.augmentation`.

    Attributes:
        crop_size: (height, width) of what a step sees, in pixels; None for whole images, one a step.
        scale: Smallest and largest random scale.
        flip: Whether every second example is mirrored left to right.
        color_jitter: Largest relative change of brightness, contrast and saturation.
    """

    crop_size: tuple[Count, Count] | None = (384, 384)
    scale: tuple[Positive, Positive] = (0.5, 2.0)
    flip: bool = True
    color_jitter: Fraction = 0.3

    @model_validator(mode="after")
    def _scale_in_order(self) -> "AugmentationConfig":
        if self.scale[0] > self.scale[1]:
            raise ValueError("expected the smaller scale first")
        return self


class ModelConfig(_Section):
    """Which net; see `fcn.models.fcn.FCN` for each argument.

    Attributes:
        net: "fcn32s", "fcn16s", "fcn8s", or "fcn8s_at_once", whose skips are scaled to be trained at once.
        weights: What to start from; "none": random weights; "imagenet": VGG16's, downloaded by Keras; or
            the path of a run folder, a `.keras` file or a file of published weights.
    """

    net: Net = "fcn8s"
    width: Positive = 1.0
    fc_channels: Count | None = None
    geometry: Literal["same", "reference"] = "same"
    upsampling: Literal["learned", "learned_intermediate", "frozen"] = "learned"
    dropout: Fraction = 0.5
    batch_normalization: bool = False
    weights: Annotated[str, Field(min_length=1)] = "none"


class TrainConfig(_Section):
    """How to learn.

    Attributes:
        steps: Number of updates of the weights.
        batch_size: Examples a step.
        optimizer: "sgd" with momentum, or "adamw".
        learning_rate: For the loss averaged over labeled pixels.
        schedule: "constant", or "poly": learning_rate * (1 - step / steps) ** power.
        power: Exponent of "poly".
        warmup_steps: Steps over which the learning rate rises from 0.
        momentum: Of "sgd".
        weight_decay: Share of each kernel taken off at a step, times the learning rate; biases and
            batch normalization keep theirs.
        seed: Where all chance comes from.
        log_steps: Steps between lines of the log.
        checkpoint_steps: Steps between checkpoints.
        evaluate_steps: Steps between scorings of the validation split; the last step is always scored.
    """

    steps: Count = 20_000
    batch_size: Count = 1
    optimizer: Literal["sgd", "adamw"] = "sgd"
    learning_rate: Positive = 1e-3
    schedule: Literal["constant", "poly"] = "constant"
    power: Positive = 0.9
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    momentum: Fraction = 0.9
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 5e-4
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    log_steps: Count = 20
    checkpoint_steps: Count = 500
    evaluate_steps: Count = 2_000


class Config(_Section):
    """The configuration of one run."""

    data: DataConfig
    augmentation: AugmentationConfig = AugmentationConfig()
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()

    @model_validator(mode="after")
    def _whole_images_come_alone(self) -> "Config":
        if self.augmentation.crop_size is None and self.train.batch_size > 1:
            raise ValueError(
                "augmentation.crop_size is null, so images differ in size and train.batch_size must be 1"
            )
        return self

    def to_yaml(self) -> str:
        """Returns the configuration with every default spelled out, as YAML that `load_config` reads."""
        stream = StringIO()
        yaml = YAML()
        yaml.default_flow_style = False
        yaml.dump(self.model_dump(mode="json"), stream)
        return stream.getvalue()


_SECTIONS: dict[str, type[_Section]] = {
    "data": DataConfig,
    "augmentation": AugmentationConfig,
    "model": ModelConfig,
    "train": TrainConfig,
}


def load_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Reads a configuration file.

    Args:
        path: A YAML file.
        overrides: "section.key=value" each; the value is read as YAML.

    Raises:
        ConfigError: If the file cannot be read or anything in it is not as expected.
    """
    try:
        values = _parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}). Recipes are in configs/.") from error
    except ValueError as error:
        raise ConfigError(f"{path}: is not YAML. {error}") from error
    values = {} if values is None else values
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected sections such as `model:` and `train:`. Received: {values!r}.")
    for override in overrides:
        _override(values, override)
    try:
        return Config.model_validate_json(json.dumps(values, default=str))
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(path, problem) for problem in error.errors())) from error


def changed_keys(saved: Config, wanted: Config) -> list[str]:
    """Returns "section.key: saved -> wanted" for each value that two configurations do not share."""
    before, after = saved.model_dump(mode="json"), wanted.model_dump(mode="json")
    return [
        f"{section}.{key}: {before[section][key]} -> {value}"
        for section, keys in after.items()
        for key, value in keys.items()
        if before[section][key] != value
    ]


def _parse(text: str) -> Any:
    """Reads YAML that JSON can hold too.

    Raises:
        ValueError: If it is anything else.
    """
    try:
        value = YAML(typ="safe", pure=True).load(text)
        json.dumps(value, default=str)
    except (YAMLError, TypeError, KeyError) as error:
        # ruamel.yaml lets Python's own errors through where a value does not fit its tag, and JSON
        # refuses keys that are lists.
        raise ValueError(str(error)) from error
    return value


def _override(values: dict[str, Any], override: str) -> None:
    """Sets one value in the nested dictionary `values` from "section.key=value"."""
    key, equals, text = override.partition("=")
    section, dot, name = key.partition(".")
    if not (equals and dot and section and name) or "." in name:
        raise ConfigError(f"--set {override}: expected section.key=value, for example train.steps=100.")
    try:
        value = _parse(text)
    except ValueError as error:
        raise ConfigError(f"--set {override}: the value is not YAML. {error}") from error
    if values.get(section) is None:
        values[section] = {}
    if isinstance(values[section], dict):
        values[section][name] = value


def _explain(path: Path, problem: Any) -> str:
    """Says what is wrong with one key of a configuration, in a line."""
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        *sections, unknown = problem["loc"]
        fields = _SECTIONS[sections[0]].model_fields if sections else Config.model_fields
        close = difflib.get_close_matches(str(unknown), fields, n=1)
        hint = (
            f"Did you mean {'.'.join([*map(str, sections), close[0]])}?"
            if close
            else f"Known keys: {', '.join(fields)}."
        )
        return f"{path}: {where}: unknown key. {hint}"
    if where == "data" and problem["type"] == "missing":
        where = "data.root"
    if problem["type"] == "missing" and len(where.split(".")) == 2:
        return f"{path}: {where}: is missing. Give it in the file or with --set {where}=VALUE."
    message = problem["msg"].removeprefix("Value error, ")
    received = "" if not where or problem["type"] == "value_error" else f" Received: {problem['input']!r}."
    return f"{path}: {where + ': ' if where else ''}{message}.{received}"
