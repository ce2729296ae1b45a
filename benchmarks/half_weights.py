"""Writes weights of Keras in half the bytes: float16 in place of float32, for a slow connection.

    python benchmarks/half_weights.py vgg16_imagenet_notop.h5 vgg16_imagenet_notop_half.h5

Reads an HDF5 file of Keras (`.h5`, `.weights.h5`) and copies it with all names. VGG16's convolutions take
29 MB instead of 59. `model.weights` takes either file; in memory the values are float32 again, each within a
2048th of what it was, or within 3e-8. A value that float16 cannot hold is an error.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np


def halve(source: Path, target: Path) -> float:
    """Copies a file with float16 in place of float32.

    Args:
        source: HDF5 file.
        target: Where to write.

    Returns:
        The largest change of a value, relative to the largest value of its array.

    Raises:
        ValueError: If a value is too large for float16.
    """
    changes = [0.0]

    def copy(name: str, found: Any) -> None:
        if isinstance(found, h5py.Group):
            copied = written.require_group(name)
        else:
            values = found[()]
            if values.dtype == np.float32:
                with np.errstate(over="ignore"):
                    half = values.astype(np.float16)
                if not np.isfinite(half).all():
                    raise ValueError(
                        f"{source}: {name}: expected values up to 65504, the largest of float16."
                    )
                largest = float(np.abs(values).max(initial=0))
                changes.append(float(np.abs(half - values).max(initial=0)) / (largest or 1.0))
                values = half
            copied = written.create_dataset(name, data=values)
        for key, value in found.attrs.items():
            copied.attrs[key] = value

    with h5py.File(source, "r") as read, h5py.File(target, "w") as written:
        for key, value in read.attrs.items():
            written.attrs[key] = value
        read.visititems(copy)
    return max(changes)


def main() -> int:
    """Reads the command line and writes the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    options = parser.parse_args()
    if options.target.exists():
        raise SystemExit(f"{options.target}: exists.")
    change = halve(options.source, options.target)
    print(
        f"Wrote {options.target}: {options.target.stat().st_size / 1e6:.1f} MB instead of "
        f"{options.source.stat().st_size / 1e6:.1f}; values change by at most {change:.2%} of the largest."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
