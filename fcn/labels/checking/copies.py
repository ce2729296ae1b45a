"""Images that look alike (frames of one video, saved again, the same with other labels), and equal labels."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fcn.data.examination import Facts
from fcn.data.split_list import Example
from fcn.labels.checking.finding import Finding
from fcn.system.text import counted

# Of 144 bits. Of 62,500 pairs of different photos (VOC) the closest differ in 24; a photo that was saved
# again, resized or brightened in 3 to 11, cut by 2% in 12 to 22, and frames of a slow video in 13 or more.
_MOST_DIFFERENT_BITS = 18
# 144 bits, 16 at a time.
_WORDS = 9
# Comparisons at a time, of 18 bytes each.
_COMPARED_AT_ONCE = 2**22


def near_copies(
    train: Sequence[Example],
    val: Sequence[Example],
    facts: Sequence[Facts | None],
) -> list[Finding]:
    """Returns a warning if images of the validation split look like training images but are not equal.

    Args:
        train: The training split.
        val: The validation split.
        facts: Of the examples of both, in this order.
    """
    pairs = find_near_pairs(facts[: len(train)], facts[len(train) :])
    if not pairs:
        return []
    files = tuple(f"{train[one].image_path} and {val[other].image_path}" for one, other in pairs)
    text = (
        f"{len(pairs)} of {counted(len(val), 'validation image')} "
        f"{'looks' if len(pairs) == 1 else 'look'} nearly like a training image, as neighboring frames of a "
        "video or parts of one photo do. Scores will be too good for other images: keep what belongs "
        "together in one split, as --group-by of data import does by the names."
    )
    return [Finding("near-duplicates", False, text, files)]


def contradictions(examples: Sequence[Example], facts: Sequence[Facts | None]) -> list[Finding]:
    """Returns a warning if images with the same pixels have different labels.

    Args:
        examples: What was read.
        facts: Of each example.
    """
    labels: dict[bytes, set[bytes]] = defaultdict(set)
    files: dict[bytes, list[str]] = defaultdict(list)
    for example, one in zip(examples, facts, strict=True):
        if one is not None and not one.is_blank:
            labels[one.digest.image].add(one.digest.label)
            files[one.digest.image].append(str(example.label_path))
    shown = tuple(" and ".join(files[image]) for image, found in labels.items() if len(found) > 1)
    if not shown:
        return []
    text = (
        f"{counted(len(shown), 'image is', 'images are')} there more than once, with "
        "different labels: they contradict each other. Keep one label of each image."
    )
    return [Finding("contradictory labels", False, text, shown)]


def equal_labels(known: Sequence[tuple[Example, Facts]]) -> list[Finding]:
    """Returns a warning if most labels are the same although their images differ.

    Labels of one id and images of one color do not count: many of these are right. Neither does an image
    that is there more than once.

    Args:
        known: The examples that can be read.
    """
    files: dict[bytes, dict[bytes, str]] = defaultdict(dict)
    images = set()
    for example, one in known:
        if len(one.pixels) > 1 and not one.is_blank:
            files[one.digest.label].setdefault(one.digest.image, str(example.label_path))
            images.add(one.digest.image)
    alike = max(files.values(), key=len, default={})
    if len(alike) < 2 or 2 * len(alike) <= len(images):
        return []
    text = (
        f"{len(alike):,} of {len(images):,} labels of more than one id are the same, but their images "
        "differ: one label may have been written under many names. If it is right for all of them, nothing "
        "is wrong."
    )
    return [Finding("equal labels", False, text, (*alike.values(),))]


def find_near_pairs(train: Sequence[Facts | None], val: Sequence[Facts | None]) -> list[tuple[int, int]]:
    """Returns (index in train, index in val) for each validation image that looks like a training image.

    The closest training image is named. Equal images and those without contrast are left out. Memory is
    bounded; the time is that of comparing all pairs, a second for a billion.
    """
    known_train, train_bits = _bits(train)
    known_val, val_bits = _bits(val)
    pairs = []
    if not len(known_train):
        return []
    rows = max(1, _COMPARED_AT_ONCE // len(known_train))
    for start in range(0, len(known_val), rows):
        distance = _distances(val_bits[start : start + rows], train_bits)
        nearest = distance.argmin(axis=1)
        for row in np.flatnonzero(distance.min(axis=1) <= _MOST_DIFFERENT_BITS).tolist():
            one, other = int(known_train[nearest[row]]), int(known_val[start + row])
            first, second = train[one], val[other]
            if first is not None and second is not None and first.digest.image != second.digest.image:
                pairs.append((one, other))
    return pairs


def _bits(facts: Sequence[Facts | None]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint16]]:
    """Returns the indices of images with contrast, and their gradients, `uint16[N, 9]`."""
    known = [index for index, one in enumerate(facts) if one is not None and one.gradients is not None]
    data = b"".join(one.gradients for one in facts if one is not None and one.gradients is not None)
    return np.array(known, np.int64), np.frombuffer(data, np.uint16).reshape(-1, _WORDS)


def group_near(facts: Sequence[Facts]) -> list[int]:
    """Returns the group of each image: those that look nearly alike, directly or through others, share one.

    Equal images share one too, but not those of one color. The time is that of comparing all pairs, as for
    `find_near_pairs`.

    Args:
        facts: Of each image.
    """
    groups = np.arange(len(facts))
    first: dict[bytes, int] = {}
    for index, one in enumerate(facts):
        if not one.is_blank:
            groups[index] = first.setdefault(one.digest.image, index)
    known, bits = _bits(facts)
    rows = max(1, _COMPARED_AT_ONCE // max(1, len(known)))
    for start in range(0, len(known), rows):
        near = _distances(bits[start : start + rows], bits) <= _MOST_DIFFERENT_BITS
        for row in near:
            joined = np.unique(groups[known[row]])
            if len(joined) > 1:
                groups[np.isin(groups, joined)] = joined[0]
    return [int(group) for group in groups]


def _distances(some: npt.NDArray[np.uint16], others: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint8]:
    """Returns in how many bits the gradients of images differ, `uint8[N, M]`."""
    distances = np.zeros((len(some), len(others)), np.uint8)
    for column in range(others.shape[1]):
        distances += np.bitwise_count(some[:, column, None] ^ others[None, :, column])
    return distances
