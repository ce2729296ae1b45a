"""The times of layers as text, for terminals and pages."""

from fcn.inspection.timing.times import Times
from fcn.pages.percent import percent


def time_cells(times: Times, name: str) -> tuple[str, str]:
    """Returns the time of a layer in milliseconds, and its share of the peak; empty where there is none.

    Args:
        times: Those of the net.
        name: Name of the layer.
    """
    layer = times.layers[name]
    if layer.within is not None:
        return f"with {layer.within}", ""
    share = times.share_of_peak(name)
    return write_milliseconds(layer.seconds), "" if share is None else percent(share, digits=1)


def time_lines(times: Times, gflop: float) -> list[tuple[str, str]]:
    """Returns the totals of all layers: names and values.

    Args:
        times: Those of the net.
        gflop: Billions of operations of the net.
    """
    layers, other = times.layer_seconds, times.other_seconds
    rest = times.seconds - layers - other
    return [
        ("engine", f"{times.engine}, {times.precision}"),
        ("time of an image", f"{write_milliseconds(times.seconds)} ms, median of {times.passes} passes"),
        ("in layers", _part(layers, times)),
        ("in other operations", _part(other, times)),
        ("between operations", _part(max(rest, 0.0), times)),
        ("measured peak", f"{times.peak_gflops:,.0f} GFLOP/s, a {times.peak_of}"),
        ("whole net", f"{percent(gflop / times.seconds / times.peak_gflops, digits=1)} of the peak"),
    ]


def explain_times(times: Times) -> str:
    """Returns what the columns of times show, in sentences.

    Args:
        times: Those of the net.
    """
    return (
        f"ms: time of the layer's operations on {times.engine} in {times.precision}, by the engine's own "
        f"profiler, median of {times.passes} passes. “with” another layer: the engine computes both as one "
        f"operation, whose time the other one has. of peak: share of the {times.peak_gflops:,.0f} GFLOP/s "
        f"that a {times.peak_of} reached on the same engine in the same precision."
    )


def write_milliseconds(seconds: float) -> str:
    """Returns a time in milliseconds with three digits, or to the microsecond.

    Example:
        >>> write_milliseconds(1.23456), write_milliseconds(0.0123456), write_milliseconds(2.34e-6)
        ('1,235', '12.3', '0.002')
    """
    milliseconds = 1e3 * seconds
    if not milliseconds:
        return "0"
    digits = 0 if milliseconds >= 100 else 1 if milliseconds >= 10 else 2 if milliseconds >= 1 else 3
    return f"{milliseconds:,.{digits}f}"


def _part(seconds: float, times: Times) -> str:
    return f"{write_milliseconds(seconds)} ms, {percent(seconds / times.seconds, digits=1)}"
