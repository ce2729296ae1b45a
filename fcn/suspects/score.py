"""How much a net doubts the label of an image, as a whole and in its regions.

The score of an image is that of Lad & Mueller, "Estimating label quality and errors in semantic segmentation
data via any model" (2023): the probability of the label at each pixel, and a soft minimum over the pixels.
Of the seven scores that they compared, it found wrong labels of different kinds best. It says that something
is wrong, but not where. Regions do: connected pixels where the net is sure of another class, as Rottmann &
Reese, "Automated Detection of Label Errors in Semantic Segmentation Datasets via Deep Learning and
Uncertainty Quantification" (2022), look for components of the prediction that the label lacks.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from fcn.classes import VOID
from fcn.data.image_io import Pixels
from fcn.evaluation.boundary import BOUNDARY_WIDTH
from fcn.inference.engines.engine import Floats
from fcn.outputs.temperature import Temperatures

TEMPERATURE = 0.1
"""Temperature of the soft minimum, as in the code of the paper's authors (cleanlab)."""

# More probable than all other classes together.
_SURE = 0.5
# Scores that are turned into probabilities at a time, of 4 bytes each.
_AT_ONCE = 1 << 22
# No pair of classes: a label of 255 is void, which is never doubted.
_NO_PAIR = VOID << 8 | VOID

Place = tuple[slice, slice]
Box = tuple[int, int, int, int]


class Comparison(NamedTuple):
    """The label of an image beside what a net predicts.

    Attributes:
        label: `uint8[H, W]`, the given class ids, 255 = void.
        predicted: `uint8[H, W]`, the most probable class ids.
        given_probability: `float32[H, W]`, probability of the given class; 1 where that is void.
        predicted_probability: `float32[H, W]`, probability of the predicted class.
    """

    label: Pixels
    predicted: Pixels
    given_probability: Floats
    predicted_probability: Floats

    def doubted(self) -> npt.NDArray[np.bool_]:
        """Returns `bool[H, W]`: where the net is sure of another class than the given one; never at void."""
        others = (self.label != VOID) & (self.predicted != self.label)
        found: npt.NDArray[np.bool_] = others & (self.predicted_probability >= _SURE)
        return found


class Region(NamedTuple):
    """Connected pixels of one given class where the net is sure of one other class.

    Attributes:
        given: Class id in the label.
        predicted: Class id that the net predicts.
        doubt: Its rank: see `find_regions`.
        pixels: Number of pixels.
        box: Top, left, height and width.
        given_probability: Probability of the given class, on average over the region.
        predicted_probability: The same of the predicted class.
        pixel: Row and column of a pixel that is as far inside as any.
    """

    given: int
    predicted: int
    doubt: float
    pixels: int
    box: Box
    given_probability: float
    predicted_probability: float
    pixel: tuple[int, int]


def compare_label(
    label: Pixels, parts: Iterable[tuple[Place, Floats]], temperatures: Temperatures | None = None
) -> Comparison:
    """Returns a label beside what a net predicts.

    Args:
        label: `uint8[H, W]`, class ids, 255 = void.
        parts: The logits `float32[h, w, C]` of parts that cover the image, and their places. The
            probabilities of all classes are in memory for some rows of a part only.
        temperatures: Those of a calibrated net.
    """
    predicted = np.zeros(label.shape, np.uint8)
    given_probability = np.ones(label.shape, np.float32)
    predicted_probability = np.ones(label.shape, np.float32)
    for place, logits in parts:
        step = max(1, _AT_ONCE // max(1, logits.shape[1] * logits.shape[2]))
        for first in range(0, len(logits), step):
            rows = slice(first, first + step)
            scores = logits[rows].astype(np.float32)
            given = label[place][rows]
            predicted[place][rows] = scores.argmax(axis=-1)
            scores -= scores.max(axis=-1, keepdims=True)
            if temperatures is not None:
                temperatures.scale(scores)
            np.exp(scores, out=scores)
            total = scores.sum(axis=-1)
            index = np.where(given == VOID, 0, given).astype(np.intp)[..., np.newaxis]
            of_given = np.take_along_axis(scores, index, axis=-1)[..., 0] / total
            given_probability[place][rows] = np.where(given == VOID, 1, of_given)
            predicted_probability[place][rows] = 1 / total
    return Comparison(label, predicted, given_probability, predicted_probability)


def label_quality(comparison: Comparison) -> float:
    """Returns the quality of a label by Lad & Mueller (2023): a soft minimum over its pixels.

    With the probability `p` of the given class at each pixel, this is the mean of `p`, weighted with
    `exp(-p / TEMPERATURE)`: close to the mean of the most doubted pixels. Void pixels are left out.

    Returns:
        From 0, doubted, to 1; NaN if all of the label is void.

    Example:
        >>> label = np.array([[0, 0, 255]], np.uint8)
        >>> certain = np.array([[1, 1, 1]], np.float32)
        >>> label_quality(Comparison(label, label, certain, certain))
        1.0
    """
    probability = comparison.given_probability[comparison.label != VOID].astype(np.float64)
    if not probability.size:
        return math.nan
    weights = np.exp(-probability / TEMPERATURE)
    return float((weights * probability).sum() / weights.sum())


def find_regions(comparison: Comparison, most: int, above: float = 0.0) -> list[Region]:
    """Returns the most doubted regions of a label, the most doubted first.

    A region is made of pixels that touch at a side or a corner, with one given class, where the net is sure
    (above 50%) of one other class. Its doubt is a number of pixels: each counts by how much more probable
    the predicted class is than the given one, and less near the outline of the region, in proportion to the
    distance up to 2% of the image's diagonal, the depth that boundary IoU gives to outlines. So a large,
    certain mistake comes before a small or unsure one, and an object that is drawn a little too wide hardly
    counts.

    Args:
        comparison: The label beside what the net predicts.
        most: How many regions to return at most.
        above: Regions are left out whose doubt is not above this.
    """
    doubted = comparison.doubted()
    if not doubted.any():
        return []
    lead = np.where(doubted, comparison.predicted_probability - comparison.given_probability, 0)
    pairs = np.where(
        doubted, comparison.label.astype(np.uint16) << 8 | comparison.predicted.astype(np.uint16), _NO_PAIR
    )
    # No region of a pair of classes has more doubt than all pixels of the pair.
    bounds = np.bincount(pairs[doubted], weights=lead[doubted])
    found: list[Region] = []
    for pair in np.argsort(-bounds, kind="stable").tolist():
        lowest = max(above, found[-1].doubt if len(found) == most else 0.0)
        if bounds[pair] <= lowest:
            break
        found += _regions_of_pair(comparison, pairs == pair, lead, pair, lowest)
        found = sorted(found, key=lambda region: -region.doubt)[:most]
    return found


def region_mask(comparison: Comparison, region: Region) -> npt.NDArray[np.bool_]:
    """Returns `bool[height, width]`: which pixels of its box belong to a region of `find_regions`."""
    top, left, height, width = region.box
    place = slice(top, top + height), slice(left, left + width)
    alike = comparison.doubted()[place] & (comparison.label[place] == region.given)
    alike &= comparison.predicted[place] == region.predicted
    _, regions = cv2.connectedComponents(alike.astype(np.uint8), connectivity=8)
    row, column = region.pixel
    mask: npt.NDArray[np.bool_] = regions == regions[row - top, column - left]
    return mask


def _regions_of_pair(
    comparison: Comparison, mask: npt.NDArray[np.bool_], lead: Floats, pair: int, above: float
) -> list[Region]:
    """Returns the regions of one given and one predicted class whose doubt is above a number.

    Args:
        comparison: The label beside what the net predicts.
        mask: `bool[H, W]`, their pixels.
        lead: `float[H, W]`, by how much more probable the predicted class is.
        pair: Given and predicted class.
        above: The number.
    """
    place = _around(mask)
    part = mask[place].astype(np.uint8)
    depth = max(1, round(BOUNDARY_WIDTH * math.hypot(*mask.shape)))
    count, regions, stats, _ = cv2.connectedComponentsWithStats(part, connectivity=8, ltype=cv2.CV_32S)
    distance = cv2.distanceTransform(part, cv2.DIST_C, 3)  # exact with 3, in rows or columns
    flat = regions.ravel()
    weights = lead[place] * np.minimum(distance / depth, 1)
    doubts = np.bincount(flat, weights=weights.ravel(), minlength=count)
    sums = [
        np.bincount(flat, weights=probability[place].ravel(), minlength=count)
        for probability in (comparison.given_probability, comparison.predicted_probability)
    ]
    found = []
    for index in range(1, count):
        if doubts[index] <= above:
            continue
        left, top, width, height, pixels = stats[index].tolist()
        inside = slice(top, top + height), slice(left, left + width)
        deepest = np.where(regions[inside] == index, distance[inside], 0).argmax()
        row, column = divmod(int(deepest), width)
        top, left = top + place[0].start, left + place[1].start
        given_probability, predicted_probability = (float(total[index] / pixels) for total in sums)
        found.append(
            Region(
                pair >> 8,
                pair & 0xFF,
                float(doubts[index]),
                pixels,
                (top, left, height, width),
                given_probability,
                predicted_probability,
                (top + row, left + column),
            )
        )
    return found


def _around(mask: npt.NDArray[np.bool_]) -> Place:
    """Returns the place of the true pixels, with a pixel around them where the image has one."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return (
        slice(max(0, int(rows[0]) - 1), int(rows[-1]) + 2),
        slice(max(0, int(columns[0]) - 1), int(columns[-1]) + 2),
    )
