"""The sections of a configuration: each key with its type, its default and its meaning.

The defaults of a net's arguments come from `fcn.models.arguments`.
"""

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, field_validator, model_validator

from fcn.config.augmentation import AugmentationConfig as AugmentationConfig
from fcn.config.data import DataConfig as DataConfig
from fcn.config.data import LabelOrientation as LabelOrientation
from fcn.config.loss import LossConfig as LossConfig
from fcn.config.loss import LossTerm as LossTerm
from fcn.config.section import Count, Fraction, NotNegative, Positive
from fcn.config.section import Section as Section
from fcn.config.user_paths import expand_path
from fcn.models.arguments import (
    DEFAULT_CONTEXT_SIZE,
    ContextSize,
    Geometry,
    NetArguments,
    Upsampling,
    channels_flaw,
)

Net = Literal[
    "fcn32s", "fcn16s", "fcn8s", "fcn8s_at_once", "fcn8s_largefov", "frontend", "context", "largefov"
]
NETS: tuple[str, ...] = get_args(Net)
DILATED_NETS: tuple[str, ...] = ("frontend", "context", "largefov")
"""The nets without the last two poolings and without skips."""
SKIP_NETS = tuple(net for net in NETS if net not in ("fcn32s", *DILATED_NETS))
"""The nets with skips."""
LogTarget = Literal["tensorboard", "wandb", "mlflow", "trackio"]
LOG_TARGETS: tuple[str, ...] = get_args(LogTarget)
FORMATS = ("openvino", "onnx", "litert")
"""The formats that an export can have besides a SavedModel."""
ACCURACY_DROP = 0.5
"""Percentage points of mean IoU that a net may lose in int8."""
LOWEST_AGREEMENT = 0.98
"""Share of the pixels on which bfloat16 and int8 must agree with float32, if no labels are given."""


class ModelConfig(Section):
    """The net; `fcn.models.arguments.NetArguments` documents its arguments and has their defaults.

    Attributes:
        net: "fcn32s", "fcn16s", "fcn8s"; "fcn8s_at_once", with skips scaled for training all at once;
            "fcn8s_largefov", with DeepLab's fc6; or a net that dilates: "frontend", "context", "largefov".
        context: Size of the context module, "basic" or "large", in the net "context".
        skip_scales: Factors of pool4 and pool3 in front of their score layers, in nets with skips; null: 1
            and 1, or 0.01 and 0.0001 in "fcn8s_at_once". With VGG16's weights of ImageNet the values of pool4
            are about 120 large and those of pool3 about 600: factors of [0.01, 0.002] make both about 1, so
            that "adamw" learns both skips as fast as the coarse scores.
        input_scale: Size at which the layers see an image, relative to its own. The model makes images
            smaller itself and answers at their own size.
        weights: The weights to start from. "none": random ones; "imagenet": VGG16's, downloaded when they
            are first used, without fc6 and fc7 if `fc_channels` differs from VGG16's; the name of a published
            net (`fcn weights` lists them); or the path of a run folder, a `.keras` file or a file of
            published weights.
    """

    net: Net = "fcn8s"
    width: Positive = NetArguments.width
    fc_channels: Annotated[Count | None, Field(examples=["1024"])] = NetArguments.fc_channels
    channels: Annotated[
        dict[str, Count] | None,
        Field(
            description="a whole number of at least 1 for each layer, or null",
            examples=["'{block3_conv1: 96, fc6: 256}'"],
        ),
    ] = None
    geometry: Geometry = NetArguments.geometry
    upsampling: Upsampling = NetArguments.upsampling
    dropout: Fraction = NetArguments.dropout
    batch_normalization: bool = NetArguments.batch_normalization
    context: ContextSize = DEFAULT_CONTEXT_SIZE
    skip_scales: Annotated[
        tuple[Positive, Positive] | None,
        Field(description="two numbers above 0, [pool4, pool3], or null", examples=["[0.01, 0.002]"]),
    ] = None
    input_scale: Annotated[float, Field(gt=0, le=1)] = NetArguments.input_scale
    weights: Annotated[str, Field(min_length=1)] = "none"

    @field_validator("channels")
    @classmethod
    def _layers_exist(cls, value: dict[str, int] | None) -> dict[str, int] | None:
        if flaw := channels_flaw(value or {}):
            raise ValueError(f"model.channels: {flaw}")
        return value

    @field_validator("weights", mode="before")
    @classmethod
    def _expand_weights(cls, value: Any) -> Any:
        return expand_path("model.weights", value)

    @model_validator(mode="after")
    def _options_fit_the_net(self) -> "ModelConfig":
        if self.net != "context" and self.context != DEFAULT_CONTEXT_SIZE:
            raise ValueError(
                f"model.context={self.context} changes nothing in model.net={self.net}: leave it out"
            )
        if self.skip_scales is not None and self.net not in SKIP_NETS:
            raise ValueError(
                f"model.skip_scales changes nothing in model.net={self.net}, which has no skips: leave it out"
            )
        return self

    def options(self) -> dict[str, Any]:
        """Returns the arguments of `fcn.models.factory.build_model`."""
        idle = {"weights"}
        if self.net != "context":
            idle.add("context")
        if self.skip_scales is None:
            idle.add("skip_scales")
        return self.model_dump(exclude=idle)


class TrainConfig(Section):
    """The training.

    Attributes:
        steps: Number of updates of the weights.
        epochs: Number of passes over the training split, in place of `steps`, which are computed when the
            training starts; null: `steps`.
        hours: Time of the training in hours, in place of `steps`, which are measured before the first step;
            null: `steps`.
        patience: Number of validations in a row without a higher mean IoU (over all classes, as in the log)
            after which the training ends before its last step; null: never.
        batch_size: Examples per step.
        accumulate: Number of equal parts of a batch that are computed one after the other, to need less
            memory.
        optimizer: "sgd" with momentum as Caffe computes it, or "adamw".
        learning_rate: Learning rate; a loss with `loss.reduction` "sum" needs a far smaller one.
        learning_rate_multipliers: Factors of the learning rate by patterns of variables' paths, such as
            "score_pool4/bias": {"*/bias": 2.0, "score_*": 10.0}. All factors that match are multiplied.
        freeze: Patterns of the names of layers that are not trained: ["block1_*", "block2_*"].
        schedule: "constant", or "poly": learning_rate * (1 - step / steps) ** power.
        power: Exponent of "poly".
        warmup_steps: Steps over which the learning rate rises in a straight line: step n of them, from 1 on,
            has n / warmup_steps of the rate of the schedule; 0: none.
        momentum: Of "sgd".
        weight_decay: Factor of the weights that "sgd" adds to their gradients, or that "adamw" subtracts,
            times the learning rate; only for kernels, not for biases or batch normalization.
        clip_norm: Largest norm of all gradients together; null: no clipping.
        ema: Momentum of a moving average of the weights, 0.999 for example, which is scored and kept in place
            of the weights themselves; null: no average.
        precision: "float32" or "bfloat16" for the layers; weights and loss are always float32.
        xla: Whether TensorFlow compiles the step with XLA. JAX always does.
        devices: Number of GPUs of each process, or "all". They share a batch evenly, and the loss is that of
            the whole batch; but on TensorFlow "ohem", "dice" and "lovasz" are means over the devices, each
            with its own part.
        seed: Random seed.
        log: What a training is logged to besides its `log.csv`: "tensorboard", whose events are in the run
            folder; "wandb", "mlflow" and "trackio", whose packages you install; [] for none.
        log_steps: Steps between lines of the log.
        checkpoint_steps: Steps between checkpoints.
        checkpoint_minutes: Minutes after which another checkpoint is written; null: only every
            `checkpoint_steps`.
        keep_checkpoints: Number of the latest checkpoints to keep, in case the last is damaged.
        evaluate_steps: Steps between evaluations on the validation split; the last step is always evaluated.
        teacher: A trained net with the same classes from which the net learns too, by `loss.distillation`:
            the path of a run folder, a `.keras` file or a file of published weights, or the name of a
            published net; null: none.
    """

    steps: Count = 20_000
    epochs: Annotated[Positive | None, Field(examples=["20"])] = None
    hours: Annotated[Positive | None, Field(examples=["0.5"])] = None
    patience: Annotated[Count | None, Field(examples=["5"])] = None
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
    log: Annotated[
        tuple[LogTarget, ...],
        Field(description=f"a list of {', '.join(LOG_TARGETS)}", examples=["[tensorboard, wandb]"]),
    ] = ("tensorboard",)
    log_steps: Count = 20
    checkpoint_steps: Count = 500
    checkpoint_minutes: Annotated[Positive | None, Field(examples=["10"])] = None
    keep_checkpoints: Count = 2
    evaluate_steps: Count = 2_000
    teacher: Annotated[
        str | None, Field(min_length=1, description="a trained net, or null", examples=["runs/large"])
    ] = None

    @model_validator(mode="after")
    def _has_one_length(self) -> "TrainConfig":
        given = [f"train.steps={self.steps}"] if "steps" in self.model_fields_set else []
        given += [f"train.epochs={self.epochs:g}"] if self.epochs is not None else []
        given += [f"train.hours={self.hours:g}"] if self.hours is not None else []
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)}: expected only one of them")
        return self

    @model_validator(mode="after")
    def _parts_are_equal(self) -> "TrainConfig":
        if self.batch_size % self.accumulate:
            raise ValueError(
                f"train.accumulate={self.accumulate}: expected a divisor of "
                f"train.batch_size={self.batch_size}"
            )
        return self

    @field_validator("teacher", mode="before")
    @classmethod
    def _expand_teacher(cls, value: Any) -> Any:
        return expand_path("train.teacher", value)

    @field_validator("log")
    @classmethod
    def _logs_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if twice := sorted({name for name in value if value.count(name) > 1}):
            raise ValueError(f"expected each logger once; {' and '.join(twice)} is there more than once")
        return value
