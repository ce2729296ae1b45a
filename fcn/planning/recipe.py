"""A plan as a YAML file that `train.py` reads, with its reasons as comments, and as JSON values."""

import json
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fcn.planning.plan import TrainingPlan
from fcn.planning.reasons import describe_class
from fcn.planning.search import describe_trial
from fcn.report.page import duration
from fcn.system.remedies import as_started
from fcn.system.shell import join_words, quoted
from fcn.system.text import counted, printable
from fcn.version import __version__

_WIDTH = 130
_MOST_CLASSES = 40


def format_plan(plan: TrainingPlan, path: Path, command: Sequence[str]) -> str:
    """Returns the content of a YAML file.

    Args:
        plan: The plan.
        path: Where the file will be.
        command: The command that made it.
    """
    lines = [*_header(plan, path, command)]
    for section, values in plan.config.model_dump(mode="json", exclude_unset=True).items():
        lines.append(f"{section}:")
        if section == "data":
            values = {key: value for key, value in values.items() if value is not None}
        for key, value in values.items():
            if key in ("epochs", "hours") and value is None:
                continue
            if reason := plan.reasons.get(f"{section}.{key}"):
                lines += _comment(reason, "  ")
            lines.append(f"  {key}: {json.dumps(value, ensure_ascii=False)}")
    return "\n".join(lines) + "\n"


def plan_document(plan: TrainingPlan, path: Path) -> dict[str, Any]:
    """Returns a plan as JSON values.

    Args:
        plan: The plan.
        path: Where its file is.
    """
    facts = plan.fingerprint._asdict() | {"classes": [one._asdict() for one in plan.fingerprint.classes]}
    return {
        "plan": str(path),
        "device": plan.device,
        "hours": plan.hours,
        "memory_bytes": plan.limit_bytes,
        "peak_bytes": plan.found.peak_bytes,
        "expected_seconds": plan.seconds,
        "config": plan.config.values(),
        "reasons": plan.reasons,
        "fingerprint": facts,
        "trials": [describe_trial(tried) for tried in plan.trials],
    }


def summarize_plan(plan: TrainingPlan) -> list[str]:
    """Returns lines about the plan for a terminal: each value with its reason."""
    config = plan.config
    lines = []
    for name, reason in plan.reasons.items():
        section, key = name.split(".")
        value = json.dumps(getattr(config, section).model_dump(mode="json")[key], ensure_ascii=False)
        lines.append(f"  {name}={value}: {reason}")
    return lines


def _header(plan: TrainingPlan, path: Path, command: Sequence[str]) -> Iterator[str]:
    facts = plan.fingerprint
    sizes = [
        f"{height}x{width}" for height, width in (facts.median_size, facts.smallest_size, facts.largest_size)
    ]
    classes = [describe_class(one, facts.num_read) for one in facts.classes]
    more = [f"and {len(classes) - _MOST_CLASSES} more"] if len(classes) > _MOST_CLASSES else []
    yield from _comment(
        f"A plan for {counted(facts.num_train, 'training image')} of {plan.config.data.root}, in "
        f"{duration(3600 * plan.hours)} on {plan.device}. Each value that was chosen has its reason; change "
        "what you know better."
    )
    yield "#"
    for title, text in (
        ("Written by", f"{join_words(command)} (fcn {__version__})"),
        ("Command", f"{as_started('python train.py')} {quoted(path)}"),
        ("Time", f"about {duration(plan.seconds)}, after the data are checked"),
        (
            "Images",
            f"{facts.num_train:,} to train, {facts.num_val:,} to score; median {sizes[0]}, from {sizes[1]} "
            f"to {sizes[2]}",
        ),
        ("Classes", "; ".join([*classes[:_MOST_CLASSES], *more])),
        (
            "Rules",
            "docs/decisions/0037-plans.md; a fingerprint of the data as Isensee et al., nnU-Net (Nature "
            "Methods 2021)",
        ),
    ):
        yield from _comment(f"{title}: {text}")


def _comment(text: str, indent: str = "") -> list[str]:
    start = f"{indent}# "
    return textwrap.wrap(
        printable(text),
        _WIDTH,
        initial_indent=start,
        subsequent_indent=f"{start}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
