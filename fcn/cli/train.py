"""The command `fcn train`."""

import argparse
from pathlib import Path

from fcn.cli.arguments import Commands, add_command, add_set, add_trust
from fcn.cli.tables import print_scores
from fcn.pages.percent import percent
from fcn.system.backend import start_backend
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
    train.add_argument("config", type=Path, metavar="CONFIG", help="a YAML file; recipes are in configs/")
    train.add_argument(
        "--run", type=Path, metavar="DIR", help="run folder to write; default: runs/NAME_OF_CONFIG"
    )
    train.add_argument(
        "--stages", action="store_true", help="train FCN-32s, then FCN-16s from it, then FCN-8s from that"
    )
    train.add_argument("--profile", action="store_true", help="also print how long steps waited for data")
    train.add_argument("--resume", action="store_true", help="continue from the last checkpoint")
    add_set(train, "change one value")
    add_trust(train)


def run(options: argparse.Namespace) -> None:
    """Trains a net."""
    from fcn.config.file import load_config

    config = load_config(options.config, options.set)
    start_backend()
    from fcn.evaluation.evaluate import scores_document
    from fcn.evaluation.metrics import none_for_nan
    from fcn.training.loop import train
    from fcn.training.stages import train_stages

    options.run = options.run or Path("runs") / options.config.stem
    run_training = train_stages if options.stages else train
    result = run_training(config, options.run, options.resume, trust=options.trust)
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
    if options.profile:
        wait = none_for_nan(result.data_wait)
        print_lines(
            "No steps were timed."
            if wait is None
            else f"Steps spent {percent(wait, digits=1)} of their time waiting for data."
        )
    print_lines(
        f"Wrote {folder.path}/: checkpoints/best.keras and last.keras, {folder.scores.name}, "
        f"{folder.log.name}, {folder.report.name}, events/ for TensorBoard.",
        f"Next: python infer.py {folder.path} IMAGES --output LABELS --overlay",
        f"      python -m fcn export {folder.path} EXPORT",
    )
