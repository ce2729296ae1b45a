"""Grids that kill themselves while they are trained, one for each line of stdin: JSON of [POINT, REQUEST].

Each trains the nets of a comparison in a fork of this process, which has imported everything. It dies with
SIGKILL at a point, or ends as usual for the point "" and then writes its rungs to `rungs.json` in the output
folder. Its exit status is a line of stdout.
"""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import lean_keras  # noqa: F401  # first, for what follows
from deaths import die_after, die_before, run_forks
from eager_training import eager_training
from killed_training_program import POINTS as TRAINING_POINTS

import fcn.comparison.training
import fcn.training.loop
from fcn.comparison.candidates import Candidate, Request
from fcn.comparison.plan import plan_comparison
from fcn.config.file import Config
from fcn.runs.folder import RunFolder


def is_for(steps: int) -> Callable[..., bool]:
    """Returns a condition that is true for the trainings of one rung."""
    return lambda one, trust: isinstance(one, Candidate) and one.config.train.steps == steps


def becomes_longer(run: RunFolder, config: Config, *rest: Any) -> bool:
    return run.exists() and run.load_config().train.steps < config.train.steps


POINTS: dict[str, Callable[[], None]] = {
    "when the first net is trained": partial(die_after, fcn.comparison.training, "finish", 1),
    **TRAINING_POINTS,
    "before the first net of the second rung": partial(
        die_before, fcn.comparison.training, "finish", 1, is_for(2)
    ),
    "when a longer training is recorded, and not in its configuration": partial(
        die_before, fcn.training.loop, "write_start", 1, becomes_longer
    ),
    "when a longer training is in its configuration": partial(
        die_after, fcn.training.loop, "write_start", 1, becomes_longer
    ),
    "within the steps of the second rung": TRAINING_POINTS["within the steps"],
    "when a net of the second rung is trained": partial(
        die_after, fcn.comparison.training, "finish", 1, is_for(2)
    ),
    "before the last rung": partial(die_before, fcn.comparison.training, "finish", 1, is_for(4)),
    "when the last rung is recorded, and not in the configuration": partial(
        die_before, fcn.training.loop, "write_start", 1, becomes_longer
    ),
    "before the row of scores of the last rung": TRAINING_POINTS["before the row of scores"],
    "when all are trained": partial(die_after, fcn.comparison.training, "better_half", 3),
}
"""Where a grid of four nets in rungs of 1, 2 and 4 steps may be killed, in this order."""


def work(point: str, config: str, output: str, vary: list[str]) -> None:
    if point:
        POINTS[point]()
    plan = plan_comparison(Request([Path(config)], Path(output), vary=vary, halving=True))
    with eager_training():
        trained = fcn.comparison.training.train_all(plan)
    rungs = [[rung.steps, dict(rung.scores), rung.kept] for rung in trained.rungs]
    (Path(output) / "rungs.json").write_text(json.dumps([rungs, trained.failures]))


if __name__ == "__main__":
    run_forks(work)
