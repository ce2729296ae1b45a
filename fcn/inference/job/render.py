"""What is written of a labeled image."""

from functools import partial

import cv2
import numpy as np

from fcn.classes import Classes
from fcn.data.image_io import Pixels, encode_jpeg, encode_label, upright
from fcn.inference.job.worker import LabeledImage, Render, Rendered
from fcn.inference.outputs.overlay import overlay_image

SUFFIXES = (".png", ".overlay.jpg")
"""What the names of outputs may end in, the label first."""

# A JPEG has at most 65,535 pixels a side (ITU-T T.81, B.2.2), and the legend needs some of them.
_MAX_OVERLAY = 32_000


def renderer(overlay: bool) -> Render:
    """Returns what makes palette PNGs, and overlays if they are wanted."""
    return partial(_render, overlay=overlay)


def outputs_setting(overlay: bool) -> dict[str, str]:
    """Returns what a job must go on to write."""
    return {"outputs": "labels and overlays" if overlay else "labels"}


def _render(labeled: LabeledImage, classes: Classes, overlay: bool) -> Rendered:
    files = {SUFFIXES[0]: encode_label(labeled.label, classes)}
    if overlay:
        files[SUFFIXES[1]] = encode_jpeg(_draw_overlay(labeled, classes))
    return Rendered(files, {})


def _draw_overlay(labeled: LabeledImage, classes: Classes) -> Pixels:
    image = upright(labeled.image, labeled.orientation)
    label = upright(labeled.label, labeled.orientation)
    scale = _MAX_OVERLAY / max(label.shape)
    if scale < 1:
        size = max(1, round(label.shape[1] * scale)), max(1, round(label.shape[0] * scale))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        label = cv2.resize(label, size, interpolation=cv2.INTER_NEAREST).astype(np.uint8, copy=False)
    return overlay_image(image, label, classes)
