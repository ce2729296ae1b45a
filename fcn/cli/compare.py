"""The command `fcn compare`."""

import argparse
from pathlib import Path

from fcn.cli.arguments import (
    WEIGHTS_COMMAND,
    Commands,
    add_command,
    add_engine,
    add_set,
    add_trust,
    at_least,
    find_model,
)
from fcn.cli.size_arguments import read_size
from fcn.config.file import is_configuration
from fcn.config.sections import NETS
from fcn.errors import PartialError
from fcn.system.backend import start_backend
from fcn.system.results import check_writable, write_json_result
from fcn.system.shell import join_words
from fcn.system.text import print_json, print_lines, print_notice

_OUTPUT = Path("runs/compare")
_PICTURES = 6


def add_parser(commands: Commands) -> None:
    """Adds the command."""
    compare = add_command(
        commands,
        "compare",
        run,
        "Train or load several nets, and compare their scores, size, time and memory.",
        "python -m fcn compare configs/quickstart.yaml --nets fcn8s,frontend --output runs/compare",
    )
    compare.add_argument(
        "sources",
        type=Path,
        nargs="+",
        metavar="CONFIG_OR_MODEL",
        help="a YAML file, to train; or a run folder, a .keras file or the name of a published net "
        f"({WEIGHTS_COMMAND}), to load",
    )
    compare.add_argument(
        "--nets",
        type=_nets,
        default=(),
        metavar="NET,NET,...",
        help=f"train each configuration once with each of these nets: {', '.join(NETS)}; default: its own",
    )
    compare.add_argument(
        "--output",
        type=Path,
        default=_OUTPUT,
        metavar="DIR",
        help=f"output folder; nets that were trained there are not trained again; default: {_OUTPUT}",
    )
    compare.add_argument("--steps", type=at_least(1), metavar="N", help="steps of every training")
    compare.add_argument("--seed", type=at_least(0), metavar="S", help="random seed of every training")
    add_set(compare, "change one value of every configuration")
    compare.add_argument(
        "--vary",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE,VALUE,...",
        help="train each configuration once with each of these values; given again, with each combination",
    )
    compare.add_argument(
        "--halving",
        action="store_true",
        help="train all nets for some of the steps, the better half for twice as many, and so on (successive "
        "halving), so that only the last net takes all steps",
    )
    compare.add_argument(
        "--data",
        type=Path,
        metavar="ROOT",
        help="data set in VOC layout, to train and to score on; default: that of the configurations",
    )
    compare.add_argument(
        "--split", metavar="NAME", help="split to score on; default: that of the configurations"
    )
    compare.add_argument(
        "--size",
        type=read_size,
        metavar="HxW",
        help="image size for GFLOP and timing; default: the most common one of the split",
    )
    compare.add_argument(
        "--images",
        type=at_least(1),
        default=_PICTURES,
        metavar="N",
        help=f"number of images to show side by side, from all over the split; default: {_PICTURES}",
    )
    add_engine(compare)
    add_trust(compare)


def run(options: argparse.Namespace) -> None:
    """Trains or loads several nets and compares them."""
    from fcn.comparison.candidates import Request
    from fcn.comparison.plan import plan_comparison

    output: Path = options.output
    options.sources = [
        source if is_configuration(source) else find_model(source, options.engine)
        for source in options.sources
    ]
    plan = plan_comparison(
        Request(
            options.sources,
            output,
            options.nets,
            options.set,
            options.steps,
            options.seed,
            options.data,
            options.split,
            options.vary,
            options.halving,
        )
    )
    results = output / "comparison.json", output / "comparison.html"
    for path in results:
        check_writable(path)
    start_backend(options.engine)
    from fcn.comparison.compare import Labeler, compare
    from fcn.comparison.document import comparison_document
    from fcn.comparison.page import write_comparison_page
    from fcn.comparison.text import print_comparison

    labeler = Labeler(options.engine, options.precision, options.trust)
    comparison = compare(plan, labeler, options.size, options.images)
    document = comparison_document(comparison, options.command_line)
    for warning in comparison.warnings:
        print_notice(f"Warning: {warning}")
    write_json_result(results[0], document)
    write_comparison_page(results[1], comparison, join_words(options.command_line))
    if options.json:
        print_json(document)
    else:
        print_comparison(comparison)
        print_lines(f"Wrote {output}/: comparison.html, comparison.json.")
    untimed = [net.name for net in comparison.nets if not net.complete]
    missing = {"could not be timed": untimed, "could not be trained": list(comparison.failures)}
    if any(missing.values()):
        said = "; ".join(f"{'; '.join(names)}: {problem}" for problem, names in missing.items() if names)
        raise PartialError(f"{said}; see the reason above. Everything else was written.")


def _nets(text: str) -> tuple[str, ...]:
    """Reads names of nets, separated by commas."""
    names = tuple(text.split(","))
    if not set(names) <= set(NETS) or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(
            f"expected names separated by commas, each once, among {', '.join(NETS)}; received {text!r}"
        )
    return names
