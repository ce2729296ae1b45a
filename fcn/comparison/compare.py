"""Runs a comparison, from its plan to all its numbers."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from fcn.comparison.candidates import Candidate
from fcn.comparison.machine import describe_machine
from fcn.comparison.plan import Plan
from fcn.comparison.result import Comparison, NetResult, NetSize
from fcn.comparison.runs import check_starts, config_of, open_candidate, training_cost
from fcn.comparison.same_work import same_work
from fcn.comparison.timed_process import Labeling, Size, TrainingStep
from fcn.comparison.timing import time_tasks
from fcn.comparison.training import describe_trainings, train_all
from fcn.data.image_io import read_size
from fcn.data.voc import Example
from fcn.errors import NonFiniteLossError
from fcn.evaluation.evaluate import evaluate_and_check
from fcn.inference.predictor import Predictor
from fcn.inspection.facts import inspect_model
from fcn.report.pictures import label_picture, spread
from fcn.system.progress import track
from fcn.system.text import counted, print_notice


class Labeler(NamedTuple):
    """The engine that computes the labels.

    Attributes:
        engine: One of `fcn.inference.engines.engine.ENGINES`.
        precision: One of `fcn.inference.engines.engine.PRECISIONS`.
        trust: Whether to load also models with parts that could run code.
    """

    engine: str
    precision: str
    trust: bool = False


def compare(plan: Plan, labeler: Labeler, size: Size | None, num_pictures: int) -> Comparison:
    """Trains what is not trained yet, then scores and times all nets.

    All nets are inspected before any is trained, and before that the weights they start from are there.

    Args:
        plan: What to compare, and on what.
        labeler: What computes the labels, for scores and for times.
        size: (height, width) of the image for GFLOP and timing; None for the most common one of the split.
        num_pictures: How many images to show, from all over the split.

    Raises:
        FcnError: If a net cannot take part, or cannot be trained. Nets trained before are kept.
    """
    if trainings := describe_trainings(plan):
        print_notice(trainings)
    check_starts(plan.candidates)
    size = size or most_common_size(plan.examples)
    sizes = {
        one.name: _size_of(one, plan, size, labeler.trust)
        for one in track(plan.candidates, "inspecting nets")
    }
    rungs, failures = train_all(plan, labeler.trust)
    candidates = [one for one in plan.candidates if one.name not in failures]
    if not candidates:
        raise NonFiniteLossError("No net could be trained:", *failures.values())
    count = len(candidates)
    print_notice(f"Scoring {counted(count, 'net')} on {counted(len(plan.examples), 'image')}.")
    environment = describe_machine()
    warnings: list[str] = []
    shown = spread(plan.examples, num_pictures)
    nets = [
        _scored(one, plan, labeler, sizes[one.name], shown, warnings)
        for one in track(candidates, "scoring nets")
    ]
    nets = _timed(nets, plan, labeler, size)
    names = tuple(example.name for example in shown)
    return Comparison(plan, size, tuple(nets), names, tuple(warnings), environment, rungs, failures)


def most_common_size(examples: Iterable[Example]) -> Size:
    """Returns the (height, width) that most images of a split have; of equally common ones, the first.

    Raises:
        DataError: If an image cannot be read.
    """
    found: Counter[Size] = Counter()
    for example in examples:
        found[read_size(example.image_path)] += 1
    return found.most_common(1)[0][0]


def _size_of(candidate: Candidate, plan: Plan, size: Size, trust: bool) -> NetSize:
    net = open_candidate(candidate, plan.classes, trust, plan.rungs)
    inspection = inspect_model(net, size)
    field = None if inspection.field is None else tuple(axis.size for axis in inspection.field)
    return NetSize(net.name, inspection.parameters, inspection.gflop, field)


def _scored(
    candidate: Candidate,
    plan: Plan,
    labeler: Labeler,
    size: NetSize,
    shown: list[Example],
    warnings: list[str],
) -> NetResult:
    """Scores a net and labels the images that are shown; adds to the warnings."""
    predictor = Predictor(candidate.path, labeler.engine, labeler.precision, trust=labeler.trust)
    checked = evaluate_and_check(
        predictor,
        plan.root,
        plan.split,
        boundary=True,
        label_orientation=plan.label_orientation,
        examples=None if plan.val_share is None else plan.examples,
    )
    warnings += [f"{candidate.name}: {text}" for text in (*checked.warnings, *checked.notes)]
    pictures = tuple(label_picture(predictor, example) for example in shown)
    engine = f"{predictor.engine.name} {predictor.engine.precision}"
    return NetResult(
        candidate, config_of(candidate), size, checked.evaluation, pictures, engine, *training_cost(candidate)
    )


def _timed(nets: list[NetResult], plan: Plan, labeler: Labeler, size: Size) -> list[NetResult]:
    """Returns nets with their times; of several that do the same work, the first is timed."""
    labelings = {
        net.name: Labeling(net.candidate.path, labeler.engine, labeler.precision, size, labeler.trust)
        for net in nets
    }
    steps = {
        net.name: TrainingStep(net.config, size, plan.classes, labeler.trust)
        for net in nets
        if net.config is not None
    }
    timed_for = same_work(nets)
    print_notice(f"Timing {counted(len(set(timed_for.values())), 'net')}, each in a process of its own.")
    firsts = list(dict.fromkeys(timed_for.values()))
    labeling_times = time_tasks({name: labelings[name] for name in firsts}, "timing labels")
    step_times = time_tasks({name: steps[name] for name in firsts if name in steps}, "timing training steps")
    return [
        net._replace(
            labeling=labeling_times.get(timed_for[net.name]),
            training_step=step_times.get(timed_for[net.name]),
        )
        for net in nets
    ]
