"""Statistics and index of the Open Inference Protocol v2, as Triton writes them.

Source: Triton's docs/protocol/extension_statistics.md and docs/protocol/extension_model_repository.md.
"""

from collections.abc import Sequence

from fcn.server.interface import VersionState, VersionStatistics
from fcn.server.observability.metrics import FAILURE, SUCCESS, Values
from fcn.server.protocols.v2_response import (
    BatchStatistics,
    Duration,
    IndexEntry,
    InferenceStatistics,
    ModelStatistics,
)
from fcn.server.versions import AVAILABLE, END, LOADING, UNLOADING

_STATES = {LOADING: "LOADING", AVAILABLE: "READY", UNLOADING: "UNLOADING", END: "UNAVAILABLE"}
_STEPS = {
    "queue": "fcn_queue_seconds",
    "compute_input": "fcn_decode_seconds",
    "compute_infer": "fcn_engine_seconds",
    "compute_output": "fcn_encode_seconds",
}
"""Metrics of Triton's steps; they count images, that of the engine batches."""

_INFERENCE, _BATCH = "fcn_inference_seconds", "fcn_batch_seconds"
_NOTHING = Duration(count=0, ns=0)  # there is no cache


def describe_statistics(name: str, statistics: VersionStatistics) -> ModelStatistics:
    """Returns the statistics of a version of a model.

    Args:
        name: Name of the model.
        statistics: Counts and times of the version since it was loaded.
    """
    values = statistics.values
    sizes = sorted(int(key[1]) for key in values if key[0] == f"{_BATCH}_count")
    batches = [
        BatchStatistics(batch_size=size, compute_infer=_duration(values, _BATCH, str(size))) for size in sizes
    ]
    images = round(values.get(("fcn_images_total",), 0.0))
    return ModelStatistics(
        name=name,
        version=str(statistics.version),
        last_inference=round(1000 * statistics.last_inference) if images else 0,
        inference_count=images,
        execution_count=sum(batch.compute_infer.count for batch in batches),
        inference_stats=InferenceStatistics(
            success=_duration(values, _INFERENCE, SUCCESS),
            fail=_duration(values, _INFERENCE, FAILURE),
            **{step: _duration(values, ours) for step, ours in _STEPS.items()},
            cache_hit=_NOTHING,
            cache_miss=_NOTHING,
        ),
        batch_stats=[batch for batch in batches if batch.compute_infer.count],
    )


def _duration(values: Values, metric: str, *labels: str) -> Duration:
    """Returns how often a metric was observed, and the sum."""
    count, seconds = (values.get((f"{metric}_{kind}", *labels), 0.0) for kind in ("count", "sum"))
    return Duration(count=round(count), ns=round(1e9 * seconds))


def describe_versions(name: str, states: Sequence[VersionState], only_ready: bool) -> list[IndexEntry]:
    """Returns the versions of a model with their states.

    Args:
        name: Name of the model.
        states: State of each version.
        only_ready: Whether to leave out those that cannot be used.

    Example:
        >>> describe_versions("fcn", [VersionState(2, "END", "damaged")], only_ready=False)[0].state
        'UNAVAILABLE'
    """
    return [
        IndexEntry(
            name=name,
            version=str(version),
            state=_STATES[state],
            reason=error or ("unloaded" if state == END else ""),
        )
        for version, state, error in states
        if state == AVAILABLE or not only_ready
    ]
