"""Losses between logits and labels with void pixels, on any Keras backend."""

from fcn.training.loss.segmentation import SegmentationLoss, VoidCrossentropy, build_loss

__all__ = ["SegmentationLoss", "VoidCrossentropy", "build_loss"]
