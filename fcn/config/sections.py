"""The sections of a configuration: each key with its type, its default and its meaning.

The defaults of a net's arguments come from `fcn.models.arguments`.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from fcn.models.arguments import DEFAULT_CONTEXT_SIZE, ContextSize, Geometry, NetArguments, Upsampling

Net = Literal[
    "fcn32s", "fcn16s", "fcn8s", "fcn8s_at_once", "fcn8s_largefov", "frontend", "context", "largefov"
]
NETS: tuple[str, ...] = get_args(Net)
DILATED_NETS: tuple[str, ...] = ("frontend", "context", "largefov")
"""Nets without the last two poolings, and without skips."""
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
LossTerm = Literal["cross_entropy", "ohem", "focal", "dice", "lovasz"]
FORMATS = ("openvino", "onnx", "litert")
"""What an export can hold beside a SavedModel."""
ACCURACY_DROP = 0.5
"""Points of mean IoU that a net may lose by int8."""
LOWEST_AGREEMENT = 0.98
"""Share of the pixels on which bfloat16 and int8 must say what float32 says, where no labels decide."""
# What errors say of keys that hold more than one value; `examples` are how a configuration writes them.
_PAIR = "two numbers above 0, [smallest, largest]"
_TERMS = f"a weight above 0 for each of one or more of {', '.join(get_args(LossTerm))}"


class Section(BaseModel):
    """A part of a configuration: no unknown keys, no other types, never changed."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class DataConfig(Section):
    """Where the examples are.

    Attributes:
        root: Folder in VOC layout, relative to where the command runs.
        train_split: List of the examples to learn from.
        val_split: List of the examples to score on.
    """

    root: Path
    train_split: str = "train"
    val_split: str = "val"


class AugmentationConfig(Section):
    """How training examples are changed; see `fcn.data.augmentation`.

    Attributes:
        crop_size: (height, width) of what a step sees, in pixels; None for whole images, one a step.
        scale: Smallest and largest random scale of what a crop shows; whole images keep their size.
        flip: Whether every second example is mirrored left to right.
        color_jitter: Largest relative change of brightness, contrast and saturation.
    """

    crop_size: Annotated[
        tuple[Count, Count] | None,
        Field(
            description="two whole numbers of at least 1, [height, width], or null", examples=["[384, 384]"]
        ),
    ] = (384, 384)
    scale: Annotated[tuple[Positive, Positive], Field(description=_PAIR, examples=["[0.5, 2.0]"])] = (
        0.5,
        2.0,
    )
    flip: bool = True
    color_jitter: Fraction = 0.3

    @model_validator(mode="after")
    def _scale_in_order(self) -> "AugmentationConfig":
        if self.scale[0] > self.scale[1]:
            raise ValueError(f"augmentation.scale={list(self.scale)}: expected the smaller scale first")
        return self


class ModelConfig(Section):
    """The net; `fcn.models.arguments.NetArguments` documents its arguments and has their defaults.

    Attributes:
        net: "fcn32s", "fcn16s", "fcn8s"; "fcn8s_at_once", whose skips are scaled to be trained at once;
            "fcn8s_largefov", with DeepLab's fc6; or a net that dilates: "frontend", "context", "largefov".
        context: Size of the context module: "basic" or "large". Of "context".
        input_scale: Size at which the layers see an image, relative to its own. The model makes images
            smaller itself and answers at their own size.
        weights: What to start from; "none": random weights; "imagenet": VGG16's, downloaded by Keras; or
            the path of a run folder, a `.keras` file or a file of published weights.
    """

    net: Net = "fcn8s"
    width: Positive = NetArguments.width
    fc_channels: Annotated[Count | None, Field(examples=["1024"])] = NetArguments.fc_channels
    geometry: Geometry = NetArguments.geometry
    upsampling: Upsampling = NetArguments.upsampling
    dropout: Fraction = NetArguments.dropout
    batch_normalization: bool = NetArguments.batch_normalization
    context: ContextSize = DEFAULT_CONTEXT_SIZE
    input_scale: Annotated[float, Field(gt=0, le=1)] = NetArguments.input_scale
    weights: Annotated[str, Field(min_length=1)] = "none"

    @model_validator(mode="after")
    def _options_fit_the_net(self) -> "ModelConfig":
        if self.net != "context" and self.context != DEFAULT_CONTEXT_SIZE:
            raise ValueError(
                f"model.context={self.context} changes nothing in model.net={self.net}: leave it out"
            )
        return self

    def options(self) -> dict[str, Any]:
        """Returns the arguments of `fcn.models.factory.build_model`."""
        return self.model_dump(exclude={"weights"} if self.net == "context" else {"weights", "context"})


class LossConfig(Section):
    """What training makes small; see `fcn.training.loss`. Void pixels never count.

    Attributes:
        terms: Weight of each loss that is added up: "cross_entropy"; "ohem", the same over the hardest
            pixels; "focal"; "dice"; "lovasz".
        reduction: "mean" over labeled pixels, or "sum" over them as in Caffe. Dice and Lovász have no sum.
        label_smoothing: Share of a pixel's truth that is spread over all classes, in "cross_entropy" and
            "ohem".
        class_weights: "none"; "median_frequency", measured on the training split; or a weight a class. Of
            "cross_entropy", "ohem" and "focal".
        focal_gamma: Exponent of "focal": how little pixels count that are right already.
        ohem_threshold: "ohem" keeps pixels whose class has a lower probability than this.
        ohem_min_kept: Smallest share of the labeled pixels that "ohem" keeps.
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


class TrainConfig(Section):
    """How to learn.

    Attributes:
        steps: Number of updates of the weights.
        batch_size: Examples a step.
        accumulate: Equal parts a step's batch is taken in, one after the other, to need less memory.
        optimizer: "sgd" with momentum as Caffe computes it, or "adamw".
        learning_rate: For the loss as `loss.reduction` says.
        learning_rate_multipliers: Factor of the learning rate for each variable whose path, such as
            "score_pool4/bias", fits a pattern: {"*/bias": 2.0, "score_*": 10.0}. All that fit are multiplied.
        freeze: Patterns of the names of layers that are not trained: ["block1_*", "block2_*"].
        schedule: "constant", or "poly": learning_rate * (1 - step / steps) ** power.
        power: Exponent of "poly".
        warmup_steps: Steps over which the learning rate rises from 0.
        momentum: Of "sgd".
        weight_decay: Factor of the weights that "sgd" adds to their gradients, or that "adamw" takes off,
            times the learning rate; kernels only, never biases or batch normalization.
        clip_norm: Largest norm of all gradients together; null: any.
        ema: Momentum of an average of the weights, 0.999 for example, which is scored and kept in place of
            the weights themselves; null: none.
        precision: What the net computes in: "float32" or "bfloat16"; weights and loss are float32 always.
        xla: Whether TensorFlow compiles the step with XLA. JAX always does.
        devices: How many GPUs each process uses, or "all". They share a batch evenly, and the loss is that
            of the whole batch; but on TensorFlow "ohem", "dice" and "lovasz" are means over the devices,
            each looking at its own part.
        seed: Where all chance comes from.
        log_steps: Steps between lines of the log.
        checkpoint_steps: Steps between checkpoints.
        checkpoint_minutes: Also write one when the last is this old; null: never.
        keep_checkpoints: How many of the latest checkpoints to keep, in case the last is damaged.
        evaluate_steps: Steps between scorings of the validation split; the last step is always scored.
    """

    steps: Count = 20_000
    batch_size: Count = 1
    accumulate: Count = 1
    optimizer: Literal["sgd", "adamw"] = "sgd"
    learning_rate: Positive = 1e-3
    learning_rate_multipliers: Annotated[
        dict[str, NotNegative],
        Field(
            description="a number of at least 0 for each pattern of variables", examples=['{"*/bias": 2.0}']
        ),
    ] = {}
    freeze: Annotated[
        tuple[str, ...],
        Field(description="a list of patterns of layers", examples=['["block1_*", "block2_*"]']),
    ] = ()
    schedule: Literal["constant", "poly"] = "constant"
    power: Positive = 0.9
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    momentum: Fraction = 0.9
    weight_decay: NotNegative = 5e-4
    clip_norm: Annotated[Positive | None, Field(examples=["1.0"])] = None
    ema: Annotated[Fraction | None, Field(examples=["0.999"])] = None
    precision: Literal["float32", "bfloat16"] = "float32"
    xla: bool = False
    devices: Annotated[
        Count | Literal["all"],
        Field(description="a whole number of at least 1, or all", examples=["2"]),
    ] = 1
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    log_steps: Count = 20
    checkpoint_steps: Count = 500
    checkpoint_minutes: Annotated[Positive | None, Field(examples=["10"])] = None
    keep_checkpoints: Count = 2
    evaluate_steps: Count = 2_000

    @model_validator(mode="after")
    def _parts_are_equal(self) -> "TrainConfig":
        if self.batch_size % self.accumulate:
            raise ValueError(
                f"train.accumulate={self.accumulate}: expected a divisor of "
                f"train.batch_size={self.batch_size}"
            )
        return self
