"""What a corruption is."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.float32]
"""`float32[H, W, 3]`, RGB, 0 to 1."""

Corruption = Callable[[Image, int, np.random.Generator], Image]
"""From an image, a strength from 1 to 5 and a random generator to the image as it is then; values outside of
0 to 1 are clipped by the caller."""

STRENGTHS = (1, 2, 3, 4, 5)
