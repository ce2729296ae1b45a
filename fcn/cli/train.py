"""The command `fcn train`."""

import argparse
from pathlib import Path

from fcn.cli.arguments import Commands, add_command, add_set, add_trust
from fcn.cli.tables import print_scores
from fcn.config.file import Config, changed_keys, is_configuration, load_config, load_saved_config
from fcn.errors import ConfigError, RunError
from fcn.pages.percent import percent
from fcn.runs.folder import RunFolder
from fcn.system.backend import start_backend
from fcn.system.json_files import read_json_file
from fcn.system.remedies import as_started, resume_run
from fcn.system.shell import quoted
from fcn.system.text import print_json, print_lines


def add_parser(commands: Commands) -> None:
    """Adds the command."""
    train = add_command(
        commands,
        "train",
        run,
        "Train a net and write a run folder.",
        "python train.py configs/voc_fcn8s.yaml --run runs/voc --set train.steps=1000",
    )
    train.add_argument(
        "config",
        type=Path,
        nargs="?",
        metavar="CONFIG",
        help="a YAML file, or the name of a recipe in configs/, such as voc_fcn8s; not needed with "
        "--resume RUN",
    )
    train.add_argument(
        "--run", type=Path, metavar="DIR", help="run folder to write; default: runs/NAME_OF_CONFIG"
    )
    train.add_argument(
        "--stages", action="store_true", help="train FCN-32s, then FCN-16s from it, then FCN-8s from that"
    )
    train.add_argument("--profile", action="store_true", help="also print how long steps waited for data")
    train.add_argument(
        "--resume",
        nargs="?",
        const="",
        metavar="RUN",
        help="continue from the last checkpoint of RUN, or without a value of the run folder of CONFIG or "
        "--run; --set train.steps=N makes it longer",
    )
    add_set(train, "change one value")
    add_trust(train)


def run(options: argparse.Namespace) -> None:
    """Trains a net."""
    config, options.run = _find_training(options)
    resumes = options.resume is not None
    if resumes and not (options.json or options.stages):
        folder = RunFolder(options.run)
        ended = _ended(folder, config)
        if ended is not None:
            from fcn.runs.progress import longer

            print_lines(
                f"{options.run}: finished at step {ended}.",
                f"To train longer: {resume_run(options.run, longer(folder, folder.load_config()))}",
            )
            return
    from fcn.labels.validation_split import check_lists

    check_lists(config.data, RunFolder(options.run))  # a wrong path is told before a library is loaded
    start_backend()
    from fcn.evaluation.evaluation import scores_document
    from fcn.evaluation.metrics import none_for_nan
    from fcn.training.loop import train
    from fcn.training.stages import train_stages

    run_training = train_stages if options.stages else train
    result = run_training(config, options.run, resumes, trust=options.trust)
    folder = result.run
    names = result.classes.names
    if options.json:
        data = config.data
        document = scores_document(
            result.evaluation, names, data.root, data.val_split, result.training, result.warnings
        )
        print_json(document | {"run": str(folder.path), "data_wait": none_for_nan(result.data_wait)})
        return
    print_scores(result.evaluation, names, f"best checkpoint on {config.data.val_split}")
    _print_best_step(folder)
    if options.profile:
        wait = none_for_nan(result.data_wait)
        print_lines(
            "No steps were timed."
            if wait is None
            else f"Steps spent {percent(wait, digits=1)} of their time waiting for data."
        )
    shown = quoted(folder.path)
    events = ", events/ for TensorBoard" if "tensorboard" in config.train.log else ""
    print_lines(
        f"Wrote {folder.path}/: checkpoints/best.keras and last.keras, {folder.scores.name}, "
        f"{folder.log.name}, {folder.report.name}{events}.",
        f"Next: {as_started('python infer.py')} {shown} IMAGES --output LABELS --overlay",
        f"      {as_started('python -m fcn')} export {shown} EXPORT",
    )


def _print_best_step(run: RunFolder) -> None:
    """Says so if the best checkpoint is not the last that was scored, so that its scores are others."""
    from fcn.runs.log import scored_steps

    try:
        best = int(read_json_file(run.scores)["step"])
    except (OSError, ValueError, TypeError, KeyError):  # an older version wrote no step
        return
    last = max(scored_steps(run.log), default=best)
    if best < last:
        print_lines(
            f"These are the scores after step {best:,}, the best; those after step {last:,} are not higher."
        )


def _find_training(options: argparse.Namespace) -> tuple[Config, Path]:
    """Returns what is trained, and its run folder: those of CONFIG, or of the run that is resumed.

    Raises:
        ConfigError: If the configuration cannot be read, or none is named.
        RunError: If there is no such run, or two are named.
    """
    path, named = options.config, Path(options.resume or ".")
    is_named = bool(options.resume)
    if is_named and path is None and is_configuration(named) and not named.is_dir():
        path, is_named = named, False  # `--resume CONFIG`: the value belongs to no option
    if path is None and not is_named and options.resume is not None and options.run is not None:
        named, is_named = options.run, True
    if not is_named:
        if path is None:
            raise ConfigError("Expected CONFIG, a YAML file, or --resume RUN, the folder of a run.")
        return load_config(path, options.set), options.run or Path("runs") / path.stem
    if options.run is not None and options.run.resolve() != named.resolve():
        raise RunError(f"--resume {named} and --run {options.run} name two run folders. Leave one out.")
    run = RunFolder(named)
    has_stages = options.stages and path is not None
    if not run.exists() and not has_stages:
        stages = " A training with --stages also needs CONFIG." if options.stages else ""
        raise RunError(
            f"{named}: is not a run folder: it has no config.yaml.{stages} To start a run there: "
            f"{as_started('python train.py')} CONFIG --run {quoted(named)}"
        )
    if path is not None:
        return load_config(path, options.set), named
    return load_saved_config(run.config, options.set), named


def _ended(run: RunFolder, config: Config) -> int | None:
    """Returns the step at which a run has ended; None if it has not, or if something else is wanted of it."""
    from fcn.report.page import is_finished_report
    from fcn.runs.progress import finished_step
    from fcn.training.steps import with_recorded_steps, with_steps

    if not run.exists() or not is_finished_report(run.report):
        return None
    wanted = with_recorded_steps(with_steps(config), run)
    return None if changed_keys(run.load_config(), wanted) else finished_step(run, wanted)
