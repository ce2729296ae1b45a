"""What slimming a net has changed."""

from pathlib import Path
from typing import Any, NamedTuple

from fcn.runs.folder import RunFolder

SLIM_FILE = "slim.json"
"""Name of the file in a run that says from which net it was made, and what was kept."""


class BeforeAfter(NamedTuple):
    """A number of a net before and after."""

    before: float
    after: float


class Slimming(NamedTuple):
    """A net that was made smaller.

    Attributes:
        run: Where it was written.
        kept: Channels of each layer before and after, by the names of the layers.
        gflop: Billions of operations for an image of `size`.
        parameters: Numbers of the net.
        mean_iou: Score on the first images of the validation split, before any training; None if there is
            none.
        scored_images: How many these are.
        size: (height, width) of the image.
        channels_by: How the importance of channels was measured.
        source: The run that it was made from.
    """

    run: RunFolder
    kept: dict[str, tuple[int, int]]
    gflop: BeforeAfter
    parameters: tuple[int, int]
    mean_iou: BeforeAfter | None
    scored_images: int
    size: tuple[int, int]
    channels_by: str
    source: Path

    def document(self) -> dict[str, Any]:
        """Returns JSON values by name."""
        layers = {name: {"before": before, "after": after} for name, (before, after) in self.kept.items()}
        return {
            "version": 1,
            "source": str(self.source),
            "channels_by": self.channels_by,
            "size": list(self.size),
            "layers": layers,
            "gflop": self.gflop._asdict(),
            "parameters": dict(zip(("before", "after"), self.parameters, strict=True)),
            "mean_iou": None if self.mean_iou is None else self.mean_iou._asdict(),
            "scored_images": self.scored_images,
        }
