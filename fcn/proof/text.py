"""A proof as text for a terminal."""

import numpy as np
import numpy.typing as npt

from fcn.pages.percent import percent
from fcn.proof.windows import TOLERANCE, Proof, Size
from fcn.system.text import printable


def render(proof: Proof) -> str:
    """Returns a proof as lines of text.

    Example:
        >>> import keras
        >>> from fcn.models.surgery import convolutionalize
        >>> from fcn.proof.windows import prove
        >>> layers = [keras.Input((12, 12, 3)), keras.layers.MaxPooling2D(4)]
        >>> model = keras.Sequential([*layers, keras.layers.Flatten(), keras.layers.Dense(2)])
        >>> text = render(prove(model, convolutionalize(model), repetitions=1))
        >>> text.splitlines()[0]
        '1. Exact: on one map, the convolutions equal the fully connected layers on every window.'
    """
    return "\n".join([*_exact(proof), "", *_approximate(proof), "", *_time(proof)])


def _exact(proof: Proof) -> list[str]:
    windows = f"{proof.num_windows} windows of {_by(proof.window)}"
    rows = (
        (f"{windows}, before the last activation", proof.window_score_error),
        (f"{windows}, after it", proof.window_answer_error),
        (f"an image of {_by(proof.crop_size)} through the whole net", proof.same_size_error),
    )
    width = max(len(name) for name, _ in rows)
    return [
        "1. Exact: on one map, the convolutions equal the fully connected layers on every window.",
        f"   Largest relative error; up to {TOLERANCE:g} is rounding in float32.",
        *(f"     {name:<{width}}  {error:.1e}" for name, error in rows),
    ]


def _approximate(proof: Proof) -> list[str]:
    count = proof.padded.size
    down, right = proof.strides
    stride = str(down) if down == right else _by(proof.strides)
    lines = [
        f"2. {'Exact here' if proof.padded.max() <= TOLERANCE else 'Approximate'}: one pass over an image of "
        f"{_by(proof.pass_size)} against {count} crops of {_by(proof.crop_size)} at stride {stride}.",
        f"   Difference of each cell of the {_by(proof.padded.shape)} map, relative to the largest score:",
        *_table(proof.padded),
        f"   {proof.same_class} of {count} cells agree with their crop on the class.",
    ]
    elsewhere = (
        "   So another layer looks beyond its window, or computes something else at another size: look for "
        "resizing, normalization over places, or transposed convolutions."
    )
    if not proof.padding_layers:
        lines.append("   No layer of the backbone pads.")
        if proof.padded.max() <= TOLERANCE:
            return [*lines, "   A crop sees all that the one pass sees in its place."]
        return [*lines, elsewhere]
    shown = ", ".join(map(printable, proof.padding_layers[:3]))
    more = len(proof.padding_layers) - 3
    lines += [
        f"   The reason is zero padding ({shown}{f' and {more} more' if more > 0 else ''}):",
        "   around itself a crop sees zeros where the image has pixels.",
        f"   The same on a copy of the backbone that pads nowhere, whose crops are "
        f"{_by(proof.unpadded_crop_size)} and whose image is",
        f"   {_by(proof.unpadded_pass_size)}: largest relative difference {proof.unpadded.max():.1e}, "
        + ("which is rounding." if proof.vanishes else "which is more than rounding."),
    ]
    if not proof.vanishes:
        lines.append(elsewhere)
    return lines


def _time(proof: Proof) -> list[str]:
    crops, one = proof.crops_seconds, proof.pass_seconds
    return [
        f"3. Time: {proof.padded.size} crops {_seconds(crops)}, one pass {_seconds(one)}: "
        f"{crops / one:.1f} times as fast."
    ]


def _table(errors: npt.NDArray[np.float64]) -> list[str]:
    if errors.max() <= TOLERANCE:
        cells = [[f"{value:.0e}" for value in row] for row in errors]
    else:
        cells = [[percent(value) for value in row] for row in errors]
    width = max(len(cell) for row in cells for cell in row)
    return ["     " + "  ".join(f"{cell:>{width}}" for cell in row) for row in cells]


def _by(size: Size) -> str:
    return f"{size[0]}x{size[1]}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.1f} ms"
