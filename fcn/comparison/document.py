"""A comparison for machines."""

from collections.abc import Sequence
from typing import Any

from fcn.comparison.paired import compare_with_best
from fcn.comparison.result import MEBIBYTE, Comparison, NetResult
from fcn.comparison.timing import ROUNDS, WARM_UP, Timing
from fcn.evaluation.metrics import none_for_nan
from fcn.inspection.document import shared


def comparison_document(comparison: Comparison, command_line: Sequence[str]) -> dict[str, Any]:
    """Returns all of a comparison as JSON values; what is unknown is None.

    Args:
        comparison: The nets and their results.
        command_line: What was typed.
    """
    plan = comparison.plan
    names = plan.classes.names
    return {
        "data": str(plan.root),
        "split": plan.split,
        "num_images": len(plan.examples),
        "val_share": plan.val_share,
        "classes": list(names),
        "size": list(comparison.size),
        "labels_by": comparison.engine,
        "varied": list(plan.varied),
        "nets": [_net(net, names) for net in comparison.nets],
        "differences": [
            {
                "best": one.best,
                "other": one.other,
                "mean_iou": none_for_nan(one.mean_iou),
                "interval": [none_for_nan(end) for end in one.ends],
            }
            for one in compare_with_best(comparison.nets)
        ],
        "failures": dict(comparison.failures),
        "rungs": [
            {
                "steps": rung.steps,
                "mean_iou": {name: none_for_nan(score) for name, score in rung.scores.items()},
                "kept": list(rung.kept),
            }
            for rung in comparison.rungs
        ],
        "shown": list(comparison.shown),
        "warnings": list(comparison.warnings),
        "timing": {"warm_up": WARM_UP, "most_rounds": ROUNDS},
        "environment": comparison.environment,
        "command": list(command_line),
    }


def _net(net: NetResult, class_names: Sequence[str]) -> dict[str, Any]:
    boundary = net.evaluation.boundary
    train = None if net.config is None else net.config.train
    field = net.size.receptive_field
    return {
        "name": net.name,
        "model": str(net.candidate.path),
        "net": net.size.kind,
        "varied": dict(net.candidate.varied),
        **net.evaluation.scores.as_dict(class_names),
        **(boundary.as_dict(class_names) if boundary is not None else {}),
        "parameters": net.size.parameters,
        "gflop": net.size.gflop,
        "receptive_field": None if field is None else shared(field),
        **_timing(net.labeling, "label"),
        **_timing(net.training_step, "train_step"),
        "steps": net.steps,
        "training_minutes": None if net.training_seconds is None else net.training_seconds / 60,
        "seed": None if train is None else train.seed,
        "batch_size": None if train is None else train.batch_size,
        "images": [
            {
                "name": image.example.name,
                "mean_iou": none_for_nan(image.mean_iou),
                "pixel_accuracy": none_for_nan(image.pixel_accuracy),
            }
            for image in net.evaluation.images
        ],
    }


def _timing(timing: Timing | None, prefix: str) -> dict[str, Any]:
    keys = ("ms", "ms_fastest", "ms_slowest", "rounds", "peak_mib", "idle_mib")
    if timing is None:
        values: tuple[float | None, ...] = (None,) * len(keys)
    else:
        times = (1000 * timing.median, 1000 * min(timing.seconds), 1000 * max(timing.seconds))
        memory = timing.peak_bytes / MEBIBYTE, timing.idle_bytes / MEBIBYTE
        values = (*times, len(timing.seconds), *memory)
    return {f"{prefix}_{key}": value for key, value in zip(keys, values, strict=True)}
