"""Reads and checks the configuration of one run.

A configuration is a YAML 1.2 file with the sections of `fcn.config.sections`, which have the defaults of
what it leaves out. Unknown keys, wrong types and values out of range are refused with the key, the file and
what is expected.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError, model_validator
from ruamel.yaml import YAML

from fcn.config.bounded_yaml import MAX_BYTES, TOO_LONG, parse_yaml
from fcn.config.close_keys import close_keys
from fcn.config.overrides import RENAMED, not_yaml, read_overrides
from fcn.config.recipes import find_recipe, recipe_names
from fcn.config.sections import AugmentationConfig, DataConfig, LossConfig, ModelConfig, Section, TrainConfig
from fcn.config.teaching import check_teaching
from fcn.errors import ConfigError
from fcn.system.files import read_at_most, unreadable
from fcn.system.remedies import overrides_name, set_keys
from fcn.system.text import print_notice


class Config(Section):
    """A configuration of one run."""

    data: DataConfig
    augmentation: AugmentationConfig = AugmentationConfig()
    model: ModelConfig = ModelConfig()
    loss: LossConfig = LossConfig()
    train: TrainConfig = TrainConfig()

    @model_validator(mode="after")
    def _sections_fit_together(self) -> "Config":
        check_teaching(self.data, self.loss, self.train)
        if self.augmentation.crop_size is None and self.train.batch_size > self.train.accumulate:
            raise ValueError(
                "augmentation.crop_size is null, so images differ in size and come one at a time: "
                "train.accumulate must equal train.batch_size"
            )
        return self

    def with_values(self, section: str, **values: Any) -> "Config":
        """Returns a configuration with other values in one section, which are not checked.

        Args:
            section: Name of the section.
            **values: The values, by key.

        Example:
            >>> as_config({"data": {"root": "VOC2012"}}).with_values("train", steps=9).train.steps
            9
        """
        changed = getattr(self, section).model_copy(update=values)
        return self.model_copy(update={section: changed})

    def to_yaml(self) -> str:
        """Returns the configuration with every default spelled out, as YAML that `load_config` reads."""
        stream = StringIO()
        yaml = YAML()
        yaml.default_flow_style = False
        yaml.dump(self.values(), stream)
        return stream.getvalue()

    def values(self) -> dict[str, Any]:
        """Returns the sections as dictionaries, with every default but the steps of another length."""
        values = self.model_dump(mode="json")
        if self.train.epochs is not None or self.train.hours is not None:
            del values["train"]["steps"]
        return values


_LENGTHS = ("steps", "epochs", "hours")
"""Keys of `train` of which one is given; `--set` of one replaces the others."""

_SECTIONS: dict[str, type[Section]] = {
    "data": DataConfig,
    "augmentation": AugmentationConfig,
    "model": ModelConfig,
    "loss": LossConfig,
    "train": TrainConfig,
}


def is_configuration(path: Path) -> bool:
    """Returns whether a path is that of a configuration, by its name, and not of a model.

    Example:
        >>> is_configuration(Path("configs/camvid.yaml")), is_configuration(Path("runs/camvid"))
        (True, False)
        >>> is_configuration(Path("voc_fcn8s"))  # a recipe
        True
    """
    return path.suffix in (".yaml", ".yml") or find_recipe(path) is not None


def load_config(path: Path | str, overrides: Sequence[str] = ()) -> Config:
    """Reads a configuration file that a user wrote.

    Where it has a key by an older name, a hint on stderr says so.

    Args:
        path: A YAML file, or the name of a recipe that comes with this package, such as "voc_fcn8s".
        overrides: "section.key=value" each; the value is read as YAML.

    Raises:
        ConfigError: If the file cannot be read or anything in it is not as expected.
    """
    path = Path(path)
    values = _read(path)
    if _rename(values, str(path)):
        _hint(path)
    return _changed(path, values, overrides)


def load_saved_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Reads a configuration that a training wrote, by this version or an earlier one.

    Args:
        path: A YAML file.
        overrides: As of `load_config`.

    Raises:
        ConfigError: If the file cannot be read or anything in it is not as expected.
    """
    values = _read(path)
    _rename(values, str(path))
    return _changed(path, values, overrides)


def as_config(
    config: Config | Mapping[str, Mapping[str, Any]] | Path | str, overrides: Sequence[str] = ()
) -> Config:
    """Returns a configuration that a program gives in any form.

    Args:
        config: A configuration, its sections as dictionaries, or what `load_config` takes.
        overrides: As of `load_config`.

    Raises:
        ConfigError: If the file cannot be read or anything in it is not as expected.

    Example:
        >>> as_config({"data": {"root": "VOC2012"}, "train": {"steps": 9}}, ["train.seed=1"]).train.steps
        9
    """
    if isinstance(config, (Path, str)):
        return load_config(config, overrides)
    if isinstance(config, Config):
        if not overrides:
            return config
        config = config.values()
    values = {name: dict(keys) if isinstance(keys, Mapping) else keys for name, keys in config.items()}
    place = Path("configuration")
    if _rename(values, str(place)):
        _hint(place)
    return _changed(place, values, overrides)


def _changed(path: Path, values: dict[str, Any], overrides: Sequence[str]) -> Config:
    """Returns the configuration of a file with some of its values replaced."""
    changes = read_overrides(overrides)
    if _rename(changes, overrides_name()):
        _hint(path)
    for section, keys in changes.items():
        if values.get(section) is None:
            values[section] = {}
        if isinstance(values[section], dict):
            if section == "train" and any(keys.get(key) is not None for key in _LENGTHS):
                values[section] = {
                    key: value for key, value in values[section].items() if key not in _LENGTHS
                }
            values[section].update(keys)
    return _validate(path, values)


def _read(path: Path) -> dict[str, Any]:
    """Reads the sections of a file, unchecked."""
    try:
        with (find_recipe(path) or path).open("rb") as file:
            values = parse_yaml(read_at_most(file, MAX_BYTES, ValueError(TOO_LONG)))
    except OSError as error:
        recipes = f"Recipes can be given by name, such as voc_fcn8s: {', '.join(recipe_names())}."
        raise ConfigError(f"{path}: {unreadable(error)} {recipes}") from error
    except ValueError as error:
        raise not_yaml(f"{path}:", error) from error
    values = {} if values is None else values
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected sections such as `model:` and `train:`. Received: {values!r}.")
    return values


@cache
def _hint(path: Path) -> None:
    """Says once for each file that a key has another name now; a comparison reads its file once a net."""
    print_notice(f"{path}: data.input_scale is now called model.input_scale; the old name still works.")


def _rename(values: dict[str, Any], source: str) -> bool:
    """Moves values of `RENAMED` keys to their present names; returns whether there were any.

    Args:
        values: The sections, which are changed.
        source: Where they come from, for errors.

    Raises:
        ConfigError: If a key is there under both names, with different values.
    """
    found = False
    for old, new in RENAMED.items():
        (old_section, old_key), (section, key) = old.split("."), new.split(".")
        before, now = values.get(old_section), values.get(section)
        now = {} if now is None else now
        if not isinstance(before, dict) or not isinstance(now, dict) or old_key not in before:
            continue  # anything but a section is refused later
        value = before.pop(old_key)
        if now.setdefault(key, value) != value:
            raise ConfigError(
                f"{source}: {old}={value} and {new}={now[key]} differ, but the first is the old name of the "
                f"second. Keep {new}."
            )
        values[section] = now
        found = True
    return found


def _validate(path: Path, values: dict[str, Any]) -> Config:
    """Returns the configuration, or raises one error with everything that is wrong in it."""
    try:
        return Config.model_validate_json(json.dumps(values, default=str))
    except ValidationError as error:
        # Several things may be wrong in one list or dictionary: one line is enough.
        lines = dict.fromkeys(_explain(path, problem, values) for problem in error.errors())
        raise ConfigError(*lines) from error


def changed_keys(saved: Config, wanted: Config) -> list[str]:
    """Returns "section.key: saved -> wanted" for each value that two configurations do not share."""
    before, after = saved.model_dump(mode="json"), wanted.model_dump(mode="json")
    return [
        f"{section}.{key}: {before[section][key]} -> {value}"
        for section, keys in after.items()
        for key, value in keys.items()
        if before[section][key] != value
    ]


def _explain(path: Path, problem: Any, values: dict[str, Any]) -> str:
    """Returns a line about one wrong key of a configuration, with what is expected."""
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        *sections, unknown = problem["loc"]
        fields = _SECTIONS[sections[0]].model_fields if sections else Config.model_fields
        close = close_keys(str(unknown), fields)
        hint = (
            f"Did you mean {'.'.join([*map(str, sections), close[0]])}?"
            if close
            else f"Known keys: {', '.join(fields)}."
        )
        return f"{path}: {where}: unknown key. {hint}"
    if where == "data" and problem["type"] == "missing":
        where = "data.root"
    if problem["type"] == "missing" and len(where.split(".")) == 2:
        return f"{path}: {where}: is missing. Give it in the file or with {set_keys(f'{where}=VALUE')}."
    if problem["type"] == "value_error":
        return f"{path}: {problem['msg'].removeprefix('Value error, ')}."
    section, *keys = problem["loc"]
    if not keys:
        return f"{path}: {where}: expected keys and their values. Received: {values[section]!r}."
    # The rest of Pydantic's location are its own names for parts of a value.
    where, received = f"{section}.{keys[0]}", values[section][keys[0]]
    return f"{path}: {where}: expected {_expected(section, keys[0], problem)}. Received: {received!r}."


def _expected(section: str, key: str, problem: Any) -> str:
    """Returns the values that a key may have, with an example where there is one."""
    field = _SECTIONS[section].model_fields[key]
    text = field.description or problem["msg"].removeprefix("Input should be ")
    if problem["type"].startswith("int_"):
        text = field.description or "a whole number (integer), written in digits alone"
    elif problem["type"].startswith(("greater", "less")) and not field.description:
        text = f"a value {text}"
    if not field.description and type(None) in get_args(field.annotation):
        text += ", or null"
    if field.is_required():
        return text
    default = field.get_default()
    example = (
        field.examples[0] if field.examples else default if isinstance(default, str) else json.dumps(default)
    )
    return f"{text}, for example {section}.{key}={example}"
