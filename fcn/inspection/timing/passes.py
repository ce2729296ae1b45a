"""Passes of a net, and the time of each operation in them."""

import re
from typing import NamedTuple

_PRODUCT = re.compile("conv|matmul|gemm|fullyconnected", re.IGNORECASE)
"""In the names of all kinds that multiply: "_MklNativeFusedConv2D", "ConvTranspose", "Deconvolution", ..."""


class Operation(NamedTuple):
    """An operation of an engine in one pass.

    Attributes:
        names: Names in the graph of what it computes: several where the engine fuses them.
        seconds: How long it took.
        kind: What the engine calls what it computes, such as "MatMul" or "FusedConv2D".
    """

    names: tuple[str, ...]
    seconds: float
    kind: str = ""

    @property
    def multiplies(self) -> bool:
        """Whether it is a product of matrices or a convolution, by its kind."""
        return _PRODUCT.search(self.kind) is not None


class Pass(NamedTuple):
    """A net that labeled an image once.

    Attributes:
        seconds: How long all of it took.
        operations: Its operations.
    """

    seconds: float
    operations: tuple[Operation, ...]

    @property
    def longest(self) -> float:
        """How long the operation took that took longest, in seconds."""
        return max((operation.seconds for operation in self.operations), default=0.0)


WARM_UP = 2
"""Passes that are not measured: engines choose kernels in the first."""
