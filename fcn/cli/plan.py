"""The command `fcn plan`."""

import argparse
from pathlib import Path

from fcn.cli.arguments import Commands, above_zero, add_command, add_memory, add_set
from fcn.config.file import is_configuration, load_config
from fcn.system.backend import start_backend
from fcn.system.files import occupied
from fcn.system.remedies import as_started
from fcn.system.results import check_writable
from fcn.system.shell import quoted
from fcn.system.text import print_json, print_lines

_OUTPUT = Path("plan.yaml")
_HOURS = 0.5


def add_parser(commands: Commands) -> None:
    """Adds the command."""
    plan = add_command(
        commands,
        "plan",
        run,
        "Measure a data set and this machine, and write a configuration that fits both.",
        "python -m fcn plan data/mine --hours 0.5 --output mine.yaml",
    )
    plan.add_argument(
        "source",
        type=Path,
        metavar="CONFIG|ROOT",
        help="a YAML file to start from, or a data set in VOC layout, for which configs/own_classes.yaml is "
        "that",
    )
    plan.add_argument(
        "--hours",
        type=above_zero("hours, such as 0.5 or 2"),
        default=_HOURS,
        metavar="H",
        help=f"time of the training with its validations; default: {_HOURS:g}",
    )
    add_memory(plan, "80%% of what is free, or all of a GPU", "that the training may take")
    plan.add_argument(
        "--output",
        type=Path,
        metavar="FILE.yaml",
        help=f"where to write; an existing file is replaced; default: a new file {_OUTPUT}",
    )
    add_set(plan, "change one value to start from")


def run(options: argparse.Namespace) -> None:
    """Writes a plan."""
    from fcn.planning.own_classes import own_classes

    output: Path = options.output or _OUTPUT
    if options.output is None and (output.exists() or output.is_symlink()):
        raise occupied(
            output, f"Choose another file with --output FILE, or replace this one with --output {output}."
        )
    check_writable(output)
    if is_configuration(options.source):
        config = load_config(options.source, options.set)
    else:
        config = own_classes(options.source, options.set)
    start_backend()
    from fcn.planning.plan import make_plan
    from fcn.planning.recipe import format_plan, plan_document, summarize_plan
    from fcn.system.files import write_text

    plan = make_plan(config, options.hours, options.memory)
    write_text(output, format_plan(plan, output, options.command_line))
    if options.json:
        print_json(plan_document(plan, output))
        return
    training = f"{as_started('python train.py')} {quoted(output)}"
    print_lines(*summarize_plan(plan), f"Wrote {output}.", f"Next: {training}")
