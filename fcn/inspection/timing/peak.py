"""The operations that the peak of a machine is measured with."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fcn.inspection.cost import OPERATIONS_PER_MULTIPLY_ADD
from fcn.inspection.timing.passes import Pass

SIDE, CHANNELS, KERNEL_SIZE = 64, 256, 3
"""Of a convolution as those of VGG's third block, 4.8 GFLOP: rows and columns of its map, channels of its
input and output, rows and columns of its kernel."""

ROWS = 1024
"""Rows and columns of the matrices that are multiplied, 2.1 GFLOP."""

MATRIX_PRODUCT, CONVOLUTION = "product of matrices", "3x3 convolution"

GFLOP = {
    MATRIX_PRODUCT: OPERATIONS_PER_MULTIPLY_ADD * ROWS**3 / 1e9,
    CONVOLUTION: OPERATIONS_PER_MULTIPLY_ADD * (SIDE * KERNEL_SIZE * CHANNELS) ** 2 / 1e9,
}
"""Billions of operations of each."""

SHAPES = {
    CONVOLUTION: ((1, CHANNELS, SIDE, SIDE), (CHANNELS, CHANNELS, KERNEL_SIZE, KERNEL_SIZE)),
    MATRIX_PRODUCT: ((ROWS, ROWS), (ROWS, ROWS)),
}
"""Shapes of both factors, channels first."""


class Peak(NamedTuple):
    """The fastest that was measured.

    Attributes:
        gflops: Billions of operations per second.
        product: What was computed, a key of `GFLOP`.
    """

    gflops: float
    product: str


def find_peak(measured: Mapping[str, Sequence[Pass]]) -> Peak:
    """Returns the fastest of all passes, by the operation in each that took longest.

    Args:
        measured: Passes of graphs of one operation each, by the names in `GFLOP`.

    Example:
        >>> from fcn.inspection.timing.passes import Operation, Pass
        >>> find_peak({CONVOLUTION: [Pass(3.0, (Operation(("conv",), 2.0), Operation(("cast",), 0.5)))]})
        Peak(gflops=2.415919104, product='3x3 convolution')
    """
    peaks = (
        Peak(GFLOP[name] / one.longest, name)
        for name, passes in measured.items()
        for one in passes
        if one.longest
    )
    return max(peaks, default=Peak(math.nan, CONVOLUTION))
