"""Remedies in the words of the caller: options on the command line, arguments in Python.

A message such as "resume it with --resume RUN" is of no use in a notebook, where nothing takes that option.
"""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import PurePath

from fcn.system.shell import join_words, quoted

_OPTIONS: ContextVar[bool] = ContextVar("_OPTIONS", default=False)


@contextmanager
def naming_options() -> Iterator[None]:
    """Makes remedies name options as long as the block runs, as the command line needs them."""
    before = _OPTIONS.set(True)
    try:
        yield
    finally:
        _OPTIONS.reset(before)


def as_started(command: str, program: str | None = None, interpreter: str | None = None) -> str:
    """Returns a command as this program was started: as `fcn`, or with the same Python.

    A package that was installed from its wheel has no `train.py`, and the `python` of the shell may be
    another or none.

    Args:
        command: It begins with "python -m fcn", "python train.py" or "python infer.py". Paths of the user
            are added to what is returned, so that nothing in them is taken for a command.
        program: How this program was started; None for `sys.argv[0]`.
        interpreter: How Python was started; None for `sys.orig_argv[0]`.

    Example:
        >>> as_started("python train.py", "/usr/bin/fcn"), as_started("python -m fcn doctor", "fcn.exe")
        ('fcn train', 'fcn doctor')
        >>> as_started("python infer.py RUN", "../train.py", ".venv/bin/python")
        '.venv/bin/python ../infer.py RUN'
        >>> as_started("python -m fcn doctor", "notebook.py", "/usr/bin/python3")
        'python -m fcn doctor'
    """
    path = PurePath(sys.argv[0] if program is None else program)
    if path.stem == "fcn":
        return re.sub("^python -m fcn", "fcn", re.sub(r"^python (train|infer)\.py", r"fcn \1", command))
    python = sys.orig_argv[0] if interpreter is None else interpreter
    is_script = path.name in ("train.py", "infer.py")
    if is_script:
        command = re.sub("^python (train.py|infer.py)", lambda found: _beside(path, found[1]), command)
    ours = is_script or path.parts[-2:] == ("fcn", "__main__.py")
    if not ours or not PurePath(python).name.startswith("python"):
        return command
    return re.sub("^python ", lambda _: f"{quoted(python)} ", command)


def _beside(script: PurePath, name: str) -> str:
    return f"python {quoted(script.with_name(name))}"


def resume_run(run: object, *settings: str) -> str:
    """Returns how to resume a run, with some keys changed.

    Args:
        run: Its folder.
        settings: "section.key=value" each.

    Example:
        >>> resume_run("runs/a")
        "fcn.train(None, 'runs/a', resume=True)"
        >>> with naming_options():
        ...     resume_run("runs/a"), resume_run("runs/a", "train.steps=9")
        ('python -m fcn train --resume runs/a', 'python -m fcn train --resume runs/a --set train.steps=9')
    """
    changes = [set_keys(*settings)] if settings else []
    if _OPTIONS.get():
        return " ".join([_training(), "--resume", quoted(run), *changes])
    return f"fcn.train({', '.join(['None', repr(str(run)), 'resume=True', *changes])})"


def set_keys(*settings: str) -> str:
    """Returns how to change keys of a configuration.

    Args:
        settings: "section.key=value" each.

    Example:
        >>> set_keys("train.steps=100", "train.ema=null")
        "overrides=['train.steps=100', 'train.ema=null']"
        >>> with naming_options():
        ...     set_keys("train.steps=100", "train.ema=null")
        '--set train.steps=100 --set train.ema=null'
    """
    if _OPTIONS.get():
        return " ".join(f"--set {quoted(setting)}" for setting in settings)
    return f"overrides={list(settings)}"


def overrides_name() -> str:
    """Returns what changes of a configuration are called.

    Example:
        >>> overrides_name()
        'overrides'
        >>> with naming_options():
        ...     overrides_name()
        '--set'
    """
    return "--set" if _OPTIONS.get() else "overrides"


def other_run(*settings: str) -> str:
    """Returns how to start a training in another folder, with some keys changed.

    Args:
        settings: "section.key=value" each.

    Example:
        >>> other_run("train.ema=null")
        "run_path=NAME, overrides=['train.ema=null']"
        >>> with naming_options():
        ...     other_run("train.ema=null")
        '--run NAME --set train.ema=null'
    """
    separator = " " if _OPTIONS.get() else ", "
    place = "--run NAME" if _OPTIONS.get() else "run_path=NAME"
    return separator.join([place, *([set_keys(*settings)] if settings else [])])


def run_from(config: object, *settings: str) -> str:
    """Returns the whole way to start another run from the configuration of a run.

    Args:
        config: The file of the configuration.
        settings: "section.key=value" each, which the new run has besides.

    Example:
        >>> run_from("runs/a/config.yaml", "model.weights=runs/a")
        "fcn.train('runs/a/config.yaml', run_path=NAME, overrides=['model.weights=runs/a'])"
        >>> with naming_options():
        ...     run_from("runs/a/config.yaml", "model.weights=runs/a")
        'python -m fcn train runs/a/config.yaml --run NAME --set model.weights=runs/a'
    """
    given = other_run(*settings)
    if _OPTIONS.get():
        return f"{_training()} {quoted(config)} {given}"
    return f"fcn.train({str(config)!r}, {given})"


def _training() -> str:
    """Returns the command that trains: train.py only where it was started, since a wheel has none."""
    script = PurePath(sys.argv[0]).name == "train.py"
    return as_started("python train.py" if script else "python -m fcn train")


def score_run(run: object, root: object, split: str) -> str:
    """Returns how to score the net of a run.

    Args:
        run: Its folder.
        root: A data set.
        split: Name of one of its lists.

    Example:
        >>> score_run("runs/a", "data", "val")
        "fcn.evaluate('runs/a', 'data', 'val')"
        >>> with naming_options():
        ...     score_run("runs/a", "data", "val")
        'python -m fcn evaluate runs/a --data data --split val'
    """
    if _OPTIONS.get():
        options = join_words([run, "--data", root, "--split", split])
        return f"{as_started('python -m fcn evaluate')} {options}"
    return f"fcn.evaluate({', '.join(repr(str(value)) for value in (run, root, split))})"
