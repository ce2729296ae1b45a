"""Fully convolutional networks for semantic segmentation on Keras."""

__version__ = "0.1.0"
