"""An inspection as a JSON document."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from fcn.inspection.effective import EffectiveField
from fcn.inspection.facts import Inspection, LayerFacts, ReceptiveField
from fcn.inspection.timing.times import Times

Number = int | float


def inspection_document(inspection: Inspection, effective: EffectiveField | None = None) -> dict[str, Any]:
    """Returns all of an inspection as JSON values.

    `stride` and `receptive_field` are a number where rows and columns agree, else a list of both; offsets
    and centers are always lists. What is unknown is None. If the layers were timed, each has `time`, and
    `timing` tells on what; both are None if not.

    Args:
        inspection: The net and its layers.
        effective: The effective field of the middle of its output, if it was measured.
    """
    times = inspection.times
    return {
        "name": inspection.name,
        "size": list(inspection.size),
        "layers": [{**_layer(layer), "time": _time(layer.name, times)} for layer in inspection.layers],
        "timing": None if times is None else _timing(times),
        "totals": {
            "parameters": inspection.parameters,
            "trainable_parameters": inspection.trainable_parameters,
            "gflop": inspection.gflop,
            "activation_bytes": inspection.activation_bytes,
            "peak_activation_bytes": inspection.peak_bytes,
            "uncounted_layers": list(inspection.uncounted),
            **_fields(inspection.field),
            "context_receptive_field": inspection.context_field,
            "effective_field": None if effective is None else effective.most,
            "effective_field_half": None if effective is None else effective.half,
        },
    }


def shared(values: Sequence[Number]) -> Number | list[Number]:
    """Returns one number where all are the same, else a list of all.

    Example:
        >>> shared([3, 3]), shared([3, 5])
        (3, [3, 5])
    """
    return values[0] if len(set(values)) == 1 else list(values)


def plain(value: Fraction) -> Number:
    """Returns a fraction as a whole number where it is one, else as a float.

    Example:
        >>> plain(Fraction(32)), plain(Fraction(1, 2))
        (32, 0.5)
    """
    return value.numerator if value.denominator == 1 else float(value)


def _layer(layer: LayerFacts) -> dict[str, Any]:
    return {
        "name": layer.name,
        "kind": layer.kind,
        "output_shape": list(layer.output_shape),
        **_fields(layer.fields),
        "parameters": layer.parameters,
        "trainable_parameters": layer.trainable_parameters,
        "gflop": layer.gflop,
        "activation_bytes": layer.activation_bytes,
    }


def _time(name: str, times: Times | None) -> dict[str, Any] | None:
    if times is None:
        return None
    return {
        "milliseconds": 1e3 * times.layers[name].seconds,
        "computed_with": times.layers[name].within,
        "gflop_per_second": times.gflops(name),
        "share_of_peak": times.share_of_peak(name),
    }


def _timing(times: Times) -> dict[str, Any]:
    return {
        "engine": times.engine,
        "precision": times.precision,
        "passes": times.passes,
        "pass_milliseconds": 1e3 * times.seconds,
        "layers_milliseconds": 1e3 * times.layer_seconds,
        "other_milliseconds": 1e3 * times.other_seconds,
        "peak_gflop_per_second": times.peak_gflops,
        "peak_of": times.peak_of,
    }


def _fields(fields: tuple[ReceptiveField, ...] | None) -> dict[str, Any]:
    if fields is None:
        names = ("stride", "receptive_field", "receptive_field_offset", "receptive_field_center")
        return dict.fromkeys(names)
    return {
        "stride": shared([plain(field.stride) for field in fields]),
        "receptive_field": shared([field.size for field in fields]),
        "receptive_field_offset": [field.first for field in fields],
        "receptive_field_center": [plain(field.center) for field in fields],
    }
