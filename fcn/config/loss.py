"""The section `loss` of a configuration: each key with its type, its default and its meaning."""

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from fcn.config.section import Fraction, NotNegative, Positive, Section

OF_TEACHER = ("distillation", "distillation_temperature")
"""The keys that need `train.teacher`."""
LossTerm = Literal["cross_entropy", "ohem", "focal", "dice", "lovasz"]
_TERMS = f"a weight above 0 for each of one or more of {', '.join(get_args(LossTerm))}"
"""Description, for errors, of a key that holds more than one value; `examples` show how to write it."""


class LossConfig(Section):
    """The loss; see `fcn.training.loss`. Void pixels never count.

    Attributes:
        terms: Weight of each term of the loss: "cross_entropy"; "ohem", cross entropy over the hardest
            pixels; "focal"; "dice"; "lovasz".
        reduction: "mean" over labeled pixels, or "sum" over them as in Caffe. Dice and Lovász have no sum.
        label_smoothing: Share of a pixel's true class that is spread over all classes, in "cross_entropy" and
            "ohem".
        class_weights: "none"; "median_frequency", measured on the training split; or a weight a class. Of
            "cross_entropy", "ohem" and "focal".
        focal_gamma: Exponent of "focal": how little pixels count that are right already.
        ohem_threshold: "ohem" keeps labeled pixels whose true class has at most this probability; 1 keeps
            all.
        ohem_min_kept: Smallest share of the labeled pixels of a batch that "ohem" keeps. Where fewer are up
            to the threshold, it keeps the hardest ones, at least one, and all as hard as the last of them.
        distillation: Weight of the difference from `train.teacher`, which is added to the terms.
        distillation_temperature: Divides the logits of both nets in it: the higher it is, the more the
            classes that the teacher finds unlikely count.
    """

    terms: Annotated[
        dict[LossTerm, Positive],
        Field(min_length=1, description=_TERMS, examples=["{cross_entropy: 1, dice: 0.5}"]),
    ] = {"cross_entropy": 1.0}
    reduction: Literal["mean", "sum"] = "mean"
    label_smoothing: Fraction = 0.0
    class_weights: Annotated[
        Literal["none", "median_frequency"] | tuple[NotNegative, ...],
        Field(
            description="none, median_frequency, or a list with a number of at least 0 for each class",
            examples=["[0.5, 1, 2]"],
        ),
    ] = "none"
    focal_gamma: NotNegative = 2.0
    ohem_threshold: Annotated[float, Field(gt=0, le=1)] = 0.7
    ohem_min_kept: Annotated[float, Field(gt=0, le=1)] = 1 / 16
    distillation: Positive = 1.0
    distillation_temperature: Positive = 2.0

    @model_validator(mode="after")
    def _only_pixels_are_summed(self) -> "LossConfig":
        regions = sorted({"dice", "lovasz"} & self.terms.keys())
        if self.reduction == "sum" and regions:
            raise ValueError(f"loss.reduction=sum: {' and '.join(regions)} cannot be summed over pixels")
        return self

    @model_validator(mode="after")
    def _no_option_is_idle(self) -> "LossConfig":
        for key, idle, users in (
            ("label_smoothing", 0.0, ("cross_entropy", "ohem")),
            ("class_weights", "none", ("cross_entropy", "ohem", "focal")),
        ):
            if getattr(self, key) != idle and not self.terms.keys() & set(users):
                raise ValueError(
                    f"loss.{key} changes nothing in {' and '.join(sorted(self.terms))}: expected "
                    f"{' or '.join(users)} in loss.terms, or loss.{key}={idle}"
                )
        return self
