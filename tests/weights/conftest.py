"""The fixtures that write weight files."""

from weight_files import place, samples, weights, writers

__all__ = ["place", "samples", "weights", "writers"]
