"""The trainings of a comparison: one net after the other, or in rungs of which the better half goes on."""

import gc
from collections.abc import Sequence
from typing import NamedTuple

from fcn.comparison.candidates import Candidate
from fcn.comparison.halving import Rung, better_half, rung_sizes
from fcn.comparison.plan import Plan
from fcn.comparison.runs import best_score, finish, has_passed, is_finished
from fcn.errors import NonFiniteLossError
from fcn.system.text import counted, print_notice


class Trainings(NamedTuple):
    """The results of the trainings of a comparison.

    Attributes:
        rungs: The rounds of a halving; empty without one.
        failures: Why a net of a grid could not be trained, by name.
    """

    rungs: tuple[Rung, ...]
    failures: dict[str, str]


def describe_trainings(plan: Plan) -> str:
    """Returns how many trainings a comparison has, and of how many steps; "" if it has none."""
    steps = [one.config.train.steps for one in plan.candidates if one.config is not None]
    if not steps:
        return ""
    if not plan.rungs:
        shortest = "" if min(steps) == max(steps) else f"{min(steps):,} to "
        return f"{counted(len(steps), 'training')} of {shortest}{max(steps):,} steps."
    sizes = rung_sizes(len(steps))
    before = (0, *plan.rungs)
    total = sum(size * (end - start) for size, start, end in zip(sizes, before, plan.rungs, strict=False))
    rungs = ", ".join(f"{size} to step {end:,}" for size, end in zip(sizes, plan.rungs, strict=True))
    return f"{len(steps)} trainings in rungs: {rungs}; {total:,} steps in place of {sum(steps):,}."


def train_all(plan: Plan, trust: bool = False) -> Trainings:
    """Trains what is not trained yet, and resumes what is not finished.

    In a grid, a loss that is not finite ends the training of one net and not the comparison: too high a
    learning rate is what a grid is there to find.

    Args:
        plan: The nets.
        trust: Whether to start also from weights of a model with parts that could run code.

    Raises:
        FcnError: If a net cannot be trained. Nets trained before are kept.
    """
    failures: dict[str, str] = {}
    candidates = [one for one in plan.candidates if one.config is not None]
    if not plan.rungs:
        unfinished = [one for one in candidates if not is_finished(one)]
        _train_each(unfinished, trust, failures if plan.varied else None)
        return Trainings((), failures)
    rungs: list[Rung] = []
    for number, steps in enumerate(plan.rungs, start=1):
        unfinished = [one.trained_for(steps) for one in candidates if not has_passed(one, steps)]
        if unfinished:
            print_notice(
                f"Rung {number} of {len(plan.rungs)}: {counted(len(candidates), 'net')} to step {steps:,}."
            )
        _train_each(unfinished, trust, failures)
        scores = {one.name: best_score(one, steps) for one in candidates if one.name not in failures}
        kept = better_half(scores)
        rungs.append(Rung(steps, scores, kept))
        candidates = [one for one in candidates if one.name in kept]
    return Trainings(tuple(rungs), failures)


def _train_each(unfinished: Sequence[Candidate], trust: bool, failures: dict[str, str] | None) -> None:
    """Trains nets.

    Args:
        unfinished: The nets.
        trust: Whether to start also from weights of a model with parts that could run code.
        failures: Gets the reason where a loss is not finite; None to raise it.
    """
    for number, one in enumerate(unfinished, start=1):
        print_notice(f"Training {one.name} ({number} of {len(unfinished)}) in {one.path}.")
        try:
            finish(one, trust)
        except NonFiniteLossError as error:
            if failures is None:
                raise
            print_notice(f"Warning: {one.name}: {error}")
            failures[one.name] = str(error)
        gc.collect()  # a net and its optimizer are large and refer to each other
