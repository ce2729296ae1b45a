"""The results of a comparison."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from fcn.comparison.candidates import Candidate
from fcn.comparison.halving import Rung
from fcn.comparison.plan import Plan
from fcn.comparison.timing import Timing
from fcn.config.file import Config
from fcn.evaluation.evaluation import Evaluation
from fcn.report.pictures import LabeledPicture

MEBIBYTE = 2**20


class NetSize(NamedTuple):
    """The size of a net, and its cost for an image.

    Attributes:
        kind: The kind of net, "fcn8s" for example.
        parameters: Number of its parameters.
        gflop: Billions of operations for one image.
        receptive_field: (height, width) of what an element of the scores can see, in pixels; None if it is
            unknown.
    """

    kind: str
    parameters: int
    gflop: float
    receptive_field: tuple[int, ...] | None


class NetResult(NamedTuple):
    """A net and all that was measured of it.

    Attributes:
        candidate: The net.
        config: How it was trained; None for a model without a run.
        size: How large it is.
        evaluation: Its scores.
        pictures: The images that are shown, with its predictions.
        engine: Engine and precision that computed its labels, "tensorflow float32" for example.
        steps: How many steps it was trained; None where that is unknown.
        training_seconds: Duration of the training, including scoring; None where that is unknown.
        labeling: Time and memory for labeling an image; None where it could not be timed.
        training_step: The same for a step of its training; None for a model without a run, too.
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
        """Its name in tables."""
        return self.candidate.name

    @property
    def complete(self) -> bool:
        """Whether everything that can be timed was timed."""
        return self.labeling is not None and (self.config is None) == (self.training_step is None)


class Comparison(NamedTuple):
    """Several nets side by side.

    Attributes:
        plan: The nets that were compared, and the data.
        size: (height, width) of the image for GFLOP and timing.
        nets: In the order of the plan.
        shown: Names of the images that are shown.
        warnings: Reasons why scores are too good, or may be.
        environment: Versions and hardware, as JSON values.
        rungs: The rounds of a halving; empty without one.
        failures: Why a net of a grid could not be trained, by name.
    """

    plan: Plan
    size: tuple[int, int]
    nets: tuple[NetResult, ...]
    shown: tuple[str, ...]
    warnings: tuple[str, ...]
    environment: dict[str, Any]
    rungs: tuple[Rung, ...] = ()
    failures: Mapping[str, str] = MappingProxyType({})

    @property
    def engine(self) -> str:
        """Engine and precision that computed the labels, "tensorflow float32" for example."""
        return self.nets[0].engine
