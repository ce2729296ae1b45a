"""A calculus of strides and offsets: the places of a map's elements in the image.

Every layer that slides a kernel keeps a regular grid regular. Two numbers describe it along an axis: the
distance between neighboring elements, and the place of the first one, both in image pixels. Each layer
changes them by its kernel, stride and padding alone, so any offset between two maps follows from the
layers between them. `fcn.models.axis_operations` derives what the elements see.
"""

from fractions import Fraction
from typing import NamedTuple

from fcn.models.architecture import FC6_KERNEL_SIZE, REFERENCE_PADDING


class Grid(NamedTuple):
    """The places of the elements of a map along one axis of the image.

    Element `i` lies at `offset + i * stride`, in pixels from the center of the image's first pixel.

    Attributes:
        stride: Pixels from one element to the next.
        offset: Place of element 0.
    """

    stride: Fraction = Fraction(1)
    offset: Fraction = Fraction(0)

    def convolved(
        self, kernel_size: int, strides: int = 1, padding: int = 0, dilation_rate: int = 1
    ) -> "Grid":
        """Returns the grid after a convolution or a pooling.

        An output element lies at the center of the inputs its kernel covers.

        Args:
            kernel_size: Taps of the kernel.
            strides: Inputs from one output to the next.
            padding: Inputs added in front.
            dilation_rate: Inputs from one tap to the next.

        Example:
            >>> Grid().convolved(2, strides=2)
            Grid(stride=Fraction(2, 1), offset=Fraction(1, 2))
        """
        center = Fraction(dilation_rate * (kernel_size - 1), 2) - padding
        return Grid(self.stride * strides, self.offset + center * self.stride)

    def transposed(self, kernel_size: int, strides: int, padding: int = 0) -> "Grid":
        """Returns the grid after a transposed convolution, which undoes a convolution of the same numbers.

        Args:
            kernel_size: Taps of the kernel.
            strides: Outputs from one input to the next.
            padding: Outputs cut off in front.

        Example:
            >>> Grid().convolved(4, 2, 1).transposed(4, 2, 1) == Grid()
            True
        """
        stride = self.stride / strides
        return Grid(stride, self.offset - (Fraction(kernel_size - 1, 2) - padding) * stride)

    def elements_before(self, other: "Grid") -> int:
        """Returns how many elements of this grid lie in front of the first of `other`.

        With these cut off, the two grids coincide.

        Raises:
            ValueError: If they coincide after no cut.

        Example:
            >>> Grid(offset=Fraction(-19)).elements_before(Grid())
            19
        """
        cut = (other.offset - self.offset) / self.stride
        if self.stride != other.stride or cut.denominator != 1 or cut < 0:
            raise ValueError(
                "Expected grids of one stride, the second a whole number of elements behind the first. "
                f"Received: {self} and {other}."
            )
        return int(cut)


class CropOffsets(NamedTuple):
    """The numbers of elements that the published nets cut off at the top and on the left of their maps.

    Attributes:
        pool4: Cut off pool4's scores, to match the upsampled ones of stride 32; None without that skip.
        pool3: Cut off pool3's scores, to match the upsampled ones of stride 16; None without that skip.
        scores: Cut off the last upsampled scores, to match the image.
    """

    pool4: int | None
    pool3: int | None
    scores: int


def reference_crop_offsets(stride: int) -> CropOffsets:
    """Derives the crops of the published FCN-32s, 16s or 8s from their kernels, strides and paddings.

    Args:
        stride: Output stride of the finest scores: 32, 16 or 8.

    Example:
        >>> reference_crop_offsets(8)
        CropOffsets(pool4=5, pool3=9, scores=31)
    """
    grid = Grid().convolved(3, padding=REFERENCE_PADDING)  # every other 3x3 convolution keeps the grid
    pools = []
    for _ in range(5):
        grid = grid.convolved(2, strides=2)
        pools.append(grid)
    scores = grid.convolved(FC6_KERNEL_SIZE)
    cuts: dict[str, int | None] = {"pool4": None, "pool3": None}
    for name, pool, skip_stride in (("pool4", pools[3], 16), ("pool3", pools[2], 8)):
        if stride <= skip_stride:
            scores = scores.transposed(4, strides=2)
            cuts[name] = pool.elements_before(scores)
    scores = scores.transposed(2 * stride, strides=stride)
    return CropOffsets(cuts["pool4"], cuts["pool3"], scores.elements_before(Grid()))
