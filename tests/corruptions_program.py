"""Corrupts images with the package `imagecorruptions`, for a test that compares ours: runs in `make peers`.

Arguments: an `.npz` of images `uint8[H, W, 3]`, RGB; how often each is corrupted; the `.npz` to write, which
has `uint8[5, images, times, H, W, 3]` by the name of the corruption.
"""

import sys

import numpy as np


def main(source: str, times: int, result: str) -> None:
    # Here, since tests are collected where the package is not installed.
    from imagecorruptions import corrupt, get_corruption_names

    with np.load(source) as file:
        images = [file[name] for name in file.files]
    np.random.seed(0)  # the package draws from NumPy's global generator
    np.savez(
        result,
        **{
            name: np.array(
                [
                    [[corrupt(image, strength, name) for _ in range(times)] for image in images]
                    for strength in range(1, 6)
                ]
            )
            for name in get_corruption_names()
        },
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
