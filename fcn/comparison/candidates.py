"""The nets of a comparison: their names, their folders, and how they are trained."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from fcn.comparison.grid import (
    Variation,
    check_different,
    folder_name,
    points,
    read_variations,
    value_text,
)
from fcn.config.file import Config, is_configuration, load_config
from fcn.config.overrides import split_override
from fcn.errors import ConfigError, RunError
from fcn.system.places import output_below
from fcn.training.steps import with_steps


class Request(NamedTuple):
    """The arguments of a comparison.

    Attributes:
        sources: Configurations to train, and run folders or `.keras` files to load.
        output: Folder of the trained runs and of what is written about all.
        nets: Train each configuration once for each of these nets; empty for its own net.
        changes: "section.key=value" for every configuration.
        steps: Length of every training; None for the steps in the configurations.
        seed: Random seed of every training; None for the seeds in the configurations.
        data: Data set to train and score on; None for the one in the configurations.
        split: Split to score on; None for the one in the configurations.
        vary: "section.key=value,value,..." each; a configuration is trained with each combination.
        halving: Whether only the better half of the nets is trained on, again and again.
    """

    sources: Sequence[Path]
    output: Path
    nets: Sequence[str] = ()
    changes: Sequence[str] = ()
    steps: int | None = None
    seed: int | None = None
    data: Path | None = None
    split: str | None = None
    vary: Sequence[str] = ()
    halving: bool = False


class Candidate(NamedTuple):
    """A net that takes part.

    Attributes:
        name: Its name in tables.
        path: A run folder, which need not exist yet if the net is trained, or a `.keras` file.
        config: How to train it; None for a net that is loaded.
        varied: Its values of the keys that vary, as JSON has them.
    """

    name: str
    path: Path
    config: Config | None
    varied: Mapping[str, Any] = MappingProxyType({})

    def trained_for(self, steps: int) -> "Candidate":
        """Returns the net as one that is trained for another number of steps."""
        if self.config is None:
            return self
        return self._replace(config=self.config.with_values("train", steps=steps))


def find_candidates(request: Request) -> tuple[tuple[Candidate, ...], tuple[str, ...]]:
    """Returns the nets in the order of the table, and the keys that vary.

    Raises:
        ConfigError: If a configuration or a value cannot be read.
        RunError: If two nets have the same name, or an option applies to none.
    """
    configs = [source for source in request.sources if is_configuration(source)]
    options = {
        "--nets": request.nets,
        "--set": request.changes,
        "--steps": request.steps,
        "--seed": request.seed,
        "--vary": request.vary,
        "--halving": request.halving or None,
    }
    idle = [name for name, value in options.items() if value not in (None, (), [])]
    if idle and not configs:
        raise RunError(
            f"{idle[0]}: applies to configurations that are trained, and none is given. Leave it out."
        )
    variations = read_variations(request.vary, _taken_keys(request))
    found = []
    for source in request.sources:
        if source not in configs:
            found.append(Candidate(_name_of(source), source, None))
            continue
        for net in request.nets or (None,):
            name = source.stem if net is None else net if len(configs) == 1 else f"{source.stem}-{net}"
            if variations:
                prefix = "" if net is None and len(configs) == 1 else name
                found += _grid(request, source, net, variations, prefix)
            else:
                found.append(
                    Candidate(name, request.output / name, with_steps(_config(request, source, net)))
                )
    names = [one.name for one in found]
    for one in found:
        if names.count(one.name) > 1:
            raise RunError(
                f"{one.name}: two nets have this name, and tables need different ones. Rename a file or "
                "folder, or leave one out."
            )
    return tuple(found), tuple(variation.key for variation in variations)


def _taken_keys(request: Request) -> dict[str, str]:
    """Returns the option that gives a value to a key, by key."""
    taken = {}
    for change in request.changes:
        section, key, _ = split_override(change)
        taken[f"{section}.{key}"] = "--set"
    options = (
        ("--nets", request.nets, ("model.net",)),
        ("--steps", request.steps, ("train.steps", "train.epochs")),
        ("--seed", request.seed, ("train.seed",)),
        ("--data", request.data, ("data.root",)),
    )
    return taken | {key: option for option, value, keys in options if value not in (None, ()) for key in keys}


def _grid(
    request: Request, source: Path, net: str | None, variations: Sequence[Variation], prefix: str
) -> list[Candidate]:
    """Returns a net for each combination of values.

    Args:
        request: The arguments.
        source: The configuration.
        net: The net to train; None for that of the configuration.
        variations: The values.
        prefix: What all names begin with; may be empty.
    """
    combined = list(points(variations))
    configs = [_config(request, source, net, point.overrides) for point in combined]
    values = [point.values(config) for point, config in zip(combined, configs, strict=True)]
    check_different(values, variations)
    found = []
    for config, varied in zip(configs, values, strict=True):
        name = ", ".join([*([prefix] if prefix else []), *map(value_text, varied.values())])
        folder = ",".join([*([prefix] if prefix else []), folder_name(varied)])
        path = output_below(request.output, folder, "--vary")
        found.append(Candidate(name, path, with_steps(config), varied))
    return found


def _config(request: Request, source: Path, net: str | None, varied: Sequence[str] = ()) -> Config:
    """Reads a configuration and applies the changes of the command.

    Raises:
        ConfigError: If it cannot be read, or has hours in place of steps.
    """
    values = {"model.net": net, "train.steps": request.steps, "train.seed": request.seed}
    changes = [f"{key}={value}" for key, value in values.items() if value is not None]
    config = load_config(source, [*request.changes, *varied, *changes])
    if config.train.hours is not None:
        raise ConfigError(
            f"{source}: train.hours={config.train.hours:g} would give each net another number of steps. Nets "
            "are compared after equally many: add --steps N."
        )
    if request.data is not None:
        config = config.with_values("data", root=request.data)
    return config


def _name_of(model: Path) -> str:
    path = model.absolute()
    if path.is_file() and path.parent.name == "checkpoints":
        return f"{path.parents[1].name}-{path.stem}"
    return path.name.removesuffix(".keras")
