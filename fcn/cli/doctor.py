"""The command `fcn doctor`."""

import argparse

from fcn.cli.arguments import Commands, add_command
from fcn.errors import PartialError
from fcn.system.text import print_json, print_lines
from fcn.version import __version__

_MARKS = {"good": "ok", "absent": "-", "bad": "BAD"}


def add_parser(commands: Commands) -> None:
    """Adds the command."""
    add_command(
        commands,
        "doctor",
        run,
        "Tell what works in this installation, and how to fix what does not.",
        "python -m fcn doctor",
    )


def run(options: argparse.Namespace) -> None:
    """Examines the installation."""
    from fcn.doctor.examination import examine

    findings = examine()
    bad = [one for one in findings if one.state == "bad"]
    if options.json:
        print_json({"version": __version__, "findings": [one._asdict() for one in findings]})
    else:
        width = max(len(one.topic) for one in findings)
        print_lines(f"fcn {__version__}")
        for one in findings:
            print_lines(f"{_MARKS[one.state]:>3}  {one.topic:<{width}}  {one.text}")
            if one.remedy is not None:
                print_lines(f"{'':>3}  {'':<{width}}  fix: {one.remedy}")
    if bad:
        raise PartialError(f"Does not work: {', '.join(one.topic for one in bad)}.")
