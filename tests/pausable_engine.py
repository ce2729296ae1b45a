"""An engine that tests can pause."""

import threading

import numpy as np

from fcn.classes import Classes
from fcn.inference.engines.engine import Labeled


class PausableEngine:
    """Engine that labels each pixel with its red value while it is not paused."""

    name, precision, bits = "held", "float32", 16

    def __init__(self, num_classes=3):
        self.classes = Classes.named(tuple(str(index) for index in range(num_classes)))
        self.batches = []
        self.resumed = threading.Event()
        self.resumed.set()
        self.started = threading.Event()

    def label(self, images):
        self._wait(images)
        return Labeled(images[..., 0].copy(), np.full(images.shape[:3], 0.5, np.float32))

    def logits(self, images):
        self._wait(images)
        return (images[..., :1] == np.arange(len(self.classes.names))).astype(np.float32)

    def _wait(self, images):
        self.started.set()
        if not self.resumed.wait(30):
            raise TimeoutError("nobody let the engine work")
        self.batches.append(images.shape)
        if images[0, 0, 0, 1] == 99:
            raise MemoryError("as much as this")
        if images[0, 0, 0, 1] == 98:
            raise RuntimeError("broken")
        if len(images) > 1 and (images[:, 0, 0, 1] == 97).any():
            raise MemoryError("too many at once")


def flat(value, height=4, width=5, mark=0):
    """Returns an image `uint8[H, W, 3]` whose red is `value`; its green tells the engine what to do."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0], image[..., 1] = value, mark
    return image
