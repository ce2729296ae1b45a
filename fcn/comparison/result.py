"""What a comparison finds out about each net."""

from typing import Any, NamedTuple

from fcn.comparison.plan import Candidate, Plan
from fcn.comparison.timing import Timing
from fcn.config.file import Config
from fcn.evaluation.evaluate import Evaluation
from fcn.report.pictures import LabeledPicture

MEBIBYTE = 2**20


class NetSize(NamedTuple):
    """How large a net is, and what it does to an image.

    Attributes:
        kind: What the net is called, "fcn8s" for example.
        parameters: How many numbers its weights have.
        gflop: Billions of operations for one image of the size that is compared.
        receptive_field: (height, width) of what an element of the scores can see, in pixels; None if nobody
            knows.
    """

    kind: str
    parameters: int
    gflop: float
    receptive_field: tuple[int, ...] | None


class NetResult(NamedTuple):
    """A net that took part, and all that was measured.

    Attributes:
        candidate: The net.
        config: How it was trained; None for a model of no run.
        size: How large it is.
        evaluation: Its scores.
        pictures: What it makes of the images that are shown.
        engine: What computed its labels, "tensorflow float32" for example.
        steps: How many steps it was trained; None where nobody knows.
        training_seconds: How long that took, with the scoring meanwhile; None where nobody knows.
        labeling: What labeling an image takes; None where it could not be timed.
        training_step: What a step of its training takes; None for a model of no run too.
    """

    candidate: Candidate
    config: Config | None
    size: NetSize
    evaluation: Evaluation
    pictures: tuple[LabeledPicture, ...]
    engine: str
    steps: int | None
    training_seconds: float | None
    labeling: Timing | None = None
    training_step: Timing | None = None

    @property
    def name(self) -> str:
        """What it is called in tables."""
        return self.candidate.name

    @property
    def complete(self) -> bool:
        """Whether everything was timed that could be."""
        return self.labeling is not None and (self.config is None) == (self.training_step is None)


class Comparison(NamedTuple):
    """Several nets side by side.

    Attributes:
        plan: What was compared, and on what.
        size: (height, width) of the image that GFLOP and time are of.
        nets: In the order of the plan.
        shown: Names of the images that are shown.
        warnings: What makes scores too good, or may.
        environment: Versions and hardware, as JSON values.
    """

    plan: Plan
    size: tuple[int, int]
    nets: tuple[NetResult, ...]
    shown: tuple[str, ...]
    warnings: tuple[str, ...]
    environment: dict[str, Any]

    @property
    def engine(self) -> str:
        """What computed the labels, "tensorflow float32" for example: the same for all nets."""
        return self.nets[0].engine
