"""A training of what a plan wrote, for a process of its own."""

from pathlib import Path


def train_plan(path: Path, run: Path, steps: int) -> int:
    """Trains some steps; returns the number of those in the log."""
    from fcn.runs.log import read_log
    from fcn.system.backend import start_backend

    start_backend()
    from fcn.training.loop import train

    changes = [f"train.steps={steps}", "train.evaluate_steps=3", "train.log_steps=1"]
    found = train(path, run, overrides=changes)
    return max(int(row["step"]) for row in read_log(found.run.log))
