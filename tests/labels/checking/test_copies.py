"""Groups of images that look nearly alike."""

import numpy as np

from fcn.data.examination import Facts
from fcn.data.leaks import ExampleDigest
from fcn.labels.checking.copies import group_near


def facts(image: bytes, bits: np.ndarray | None, is_blank: bool = False) -> Facts:
    gradients = None if bits is None else np.packbits(bits).tobytes()
    return Facts(
        ExampleDigest(image, b""), (9, 9), {0: 81}, None, is_blank, gradients, False, None, None, False
    )


def test_images_that_look_alike_through_others_share_a_group(rng: np.random.Generator) -> None:
    one = rng.random(144) < 0.5
    near, far = one.copy(), rng.random(144) < 0.5
    near[:15] ^= True
    through = near.copy()
    through[20:35] ^= True  # 15 bits from the second, 30 from the first
    images = [
        facts(b"far", far),
        facts(b"one", one),
        facts(b"blank", None, is_blank=True),
        facts(b"through", through),
        facts(b"near", near),
        facts(b"flat", None),
        facts(b"flat", None),
        facts(b"blank", None, is_blank=True),
    ]
    groups = group_near(images)
    alike = [{index for index, group in enumerate(groups) if group == number} for number in groups]
    assert alike == [{0}, {1, 3, 4}, {2}, {1, 3, 4}, {1, 3, 4}, {5, 6}, {5, 6}, {7}]
    assert group_near([]) == []
