"""The arguments of every net: their types, defaults, meaning and checks, written once, without Keras.

Both nets are built from them, their saved configurations hold them, and the model section of a configuration
takes its defaults from here.
"""

import difflib
import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, fields, replace
from functools import wraps
from typing import Any, Concatenate, Literal, ParamSpec, Self, TypeVar, get_args

from fcn.classes import MAX_CLASSES, VOC_CLASS_NAMES, Classes, check_class_names
from fcn.models.architecture import (
    CHANNELS_BY_FC6,
    CONVOLUTION_CHANNELS,
    FULLY_CONNECTED,
    layer_channels,
)

IMAGENET_MEAN = (123.675, 116.28, 103.53)
"""Mean of the red, green and blue channel over ImageNet's training images, 0 to 255."""

IMAGENET_SCALE = (1 / 58.395, 1 / 57.12, 1 / 57.375)
"""One over the standard deviation of each channel over ImageNet's training images."""

Geometry = Literal["same", "reference"]
Upsampling = Literal["learned", "learned_intermediate", "frozen"]
ContextSize = Literal["basic", "large"]

DEFAULT_CONTEXT_SIZE: ContextSize = "basic"
"""Size of the context module in the net that is called "context"."""


@dataclass(frozen=True)
class NetArguments:
    """The arguments that every net has.

    Attributes:
        num_classes: How many classes to tell apart, void not counted; 1 to 255.
        fc6: "full": VGG16's, 7x7; "largefov": DeepLab's, every third of its taps, with a quarter of the
            channels. A net that dilates spreads the taps 4 or 12 elements apart.
        width: Channels of every layer in front of the scores, relative to VGG16.
        fc_channels: Channels of fc6 and fc7; None for 4,096 times `width`, or 1,024 times with "largefov".
        channels: Channels of single layers by their names, `{"block3_conv1": 96, "fc6": 256}`, in place of
            those that follow from `width` and `fc_channels`; None: no others.
        geometry: "same" keeps the size by padding each layer; "reference" is that of the published nets, for
            their weights. An `FCN` then adds 100 zeros around the image, pads no fc6 and crops; a
            `DilatedNet` reflects the image by 186 pixels and pads nothing after that.
        upsampling: "learned"; "learned_intermediate" keeps the last transposed convolution bilinear
            (CVPR 2015); "frozen" keeps all of them so (PAMI 2017).
        dropout: Share of the channels dropped after fc6 and fc7 while training.
        batch_normalization: Whether to normalize after each convolution in front of the scores, for training
            without pretrained weights.
        channel_order: "rgb" or "bgr": what the weights expect.
        mean: Mean of each channel, 0 to 255, in that order.
        scale: Factor of each channel after the mean is subtracted, in that order.
        input_scale: Size at which the layers see an image, relative to its own; the logits are interpolated
            back. Above 0, at most 1.
        bits: How many bits the values of image files of 16 bits use, 8 to 16; the upper 8 of these become
            0 to 255. The layers see only those.
        class_names: One name a class; None for VOC's if there are 21 classes, else their ids.
        palette: `(red, green, blue)` a class, 0 to 255; None for VOC's.
        temperatures: By which scores are divided before they become probabilities: one, or one a class,
            chosen by the predicted class. None for a net that is not calibrated. Logits are not divided.
        name: Name of the Keras model; None for that of the kind of net.
        trainable: Whether training changes the net; None leaves it to each layer.
    """

    num_classes: int = len(VOC_CLASS_NAMES)
    _: KW_ONLY
    fc6: str = "full"
    width: float = 1.0
    fc_channels: int | None = None
    channels: Mapping[str, int] | None = None
    geometry: Geometry = "same"
    upsampling: Upsampling = "learned"
    dropout: float = 0.5
    batch_normalization: bool = False
    channel_order: str = "rgb"
    mean: Sequence[float] = IMAGENET_MEAN
    scale: Sequence[float] = IMAGENET_SCALE
    input_scale: float = 1.0
    bits: int = 16
    class_names: Sequence[str] | None = None
    palette: Sequence[Sequence[int]] | None = None
    temperatures: Sequence[float] | None = None
    name: str | None = None
    trainable: bool | None = None

    def layer_channels(self) -> dict[str, int]:
        """Returns the channels of each layer in front of the scores."""
        return layer_channels(self.fc6, self.width, self.fc_channels, self.channels or {})

    def checked(self) -> Self:
        """Returns the same with tuples, and with names and colors of the classes where there were none.

        Raises:
            ValueError: If an argument has a value that it cannot have.
        """
        num_classes, mean, scale = self.num_classes, self.mean, self.scale
        for argument, choices in (
            ("upsampling", get_args(Upsampling)),
            ("geometry", get_args(Geometry)),
            ("fc6", tuple(CHANNELS_BY_FC6)),
        ):
            value = getattr(self, argument)
            if value not in choices:
                raise ValueError(f"Expected `{argument}` to be one of {choices}. Received: {value!r}.")
        if not 1 <= num_classes <= MAX_CLASSES:
            raise ValueError(f"Expected 1 to {MAX_CLASSES} classes. Received: num_classes={num_classes}.")
        if not 8 <= self.bits <= 16:
            raise ValueError(f"Expected 8 to 16 `bits`. Received: bits={self.bits}.")
        if self.width <= 0:
            raise ValueError(f"Expected a positive `width`. Received: width={self.width}.")
        if flaw := channels_flaw(self.channels or {}):
            raise ValueError(f"{flaw}. Received: channels={dict(self.channels or {})}.")
        if len(mean) != 3 or len(scale) != 3:
            raise ValueError(
                f"Expected a `mean` and `scale` for each of 3 channels. Received: mean={mean}, scale={scale}."
            )
        temperatures = None if self.temperatures is None else tuple(self.temperatures)
        if not can_be_temperatures(temperatures, num_classes):
            raise ValueError(
                f"Expected one number above 0 in `temperatures`, or one for each of {num_classes} classes. "
                f"Received: temperatures={self.temperatures}."
            )
        names = _class_names(num_classes) if self.class_names is None else check_class_names(self.class_names)
        colors = Classes.named(names).palette if self.palette is None else tuple(map(tuple, self.palette))
        if len(names) != num_classes or len(colors) != num_classes:
            raise ValueError(
                f"Expected one name and one color for each of {num_classes} classes. "
                f"Received: {len(names)} names, {len(colors)} colors."
            )
        if any(len(color) != 3 for color in colors):
            raise ValueError(f"Expected (red, green, blue) for each color. Received: palette={colors}.")
        return replace(
            self,
            mean=tuple(mean),
            scale=tuple(scale),
            class_names=names,
            palette=colors,
            temperatures=temperatures,
        )


@dataclass(frozen=True, kw_only=True)
class FCNArguments(NetArguments):
    """The arguments of an `FCN`.

    Attributes:
        stride: Output stride of the finest scores: 32, 16 (adds pool4) or 8 (adds pool4 and pool3).
        skip_scales: Factors of pool4 and pool3 in front of their score layers.
    """

    stride: int = 8
    skip_scales: Sequence[float] = (1.0, 1.0)

    def checked(self) -> Self:
        """Returns the same, as that of every net."""
        if self.stride not in (32, 16, 8):
            raise ValueError(f"Expected a `stride` of 32, 16 or 8. Received: stride={self.stride}.")
        if len(self.skip_scales) != 2:
            raise ValueError(f"Expected `skip_scales` for pool4 and pool3. Received: {self.skip_scales}.")
        return replace(super().checked(), skip_scales=tuple(self.skip_scales))


@dataclass(frozen=True, kw_only=True)
class DilatedNetArguments(NetArguments):
    """The arguments of a `DilatedNet`.

    Attributes:
        context: "none"; or "basic" or "large", the context module on top of the scores.
    """

    context: Literal["none"] | ContextSize = "none"

    def checked(self) -> Self:
        """Returns the same, as that of every net."""
        if self.context not in ("none", *get_args(ContextSize)):
            raise ValueError(
                f"Expected `context` to be none, basic or large. Received: context={self.context!r}."
            )
        return super().checked()


P = ParamSpec("P")
Arguments = TypeVar("Arguments", bound=NetArguments)


def collect_arguments(
    kind: Callable[P, Arguments],
) -> Callable[[Callable[[Any, Arguments], None]], Callable[Concatenate[Any, P], None]]:
    """Lets a net's constructor, which wants checked arguments in one object, be called with each of them.

    The constructor gets the signature of the arguments, for editors, type checkers and `help` alike.

    Args:
        kind: The class of its arguments.

    Example:
        >>> class Net:
        ...     @collect_arguments(FCNArguments)
        ...     def __init__(self, arguments):
        ...         self.stride = arguments.stride
        >>> Net(3, stride=16).stride
        16
    """

    def decorate(construct: Callable[[Any, Arguments], None]) -> Callable[Concatenate[Any, P], None]:
        @wraps(construct)
        def init(self: Any, /, *args: P.args, **options: P.kwargs) -> None:
            _check_names(type(self).__name__, options, [field.name for field in fields(kind)])  # type: ignore[arg-type]
            construct(self, kind(*args, **options).checked())

        own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        theirs = inspect.signature(kind)
        init.__signature__ = theirs.replace(  # type: ignore[attr-defined]
            parameters=[own, *theirs.parameters.values()], return_annotation=None
        )
        return init

    return decorate


def channels_flaw(channels: Mapping[str, int]) -> str | None:
    """Returns why a net cannot have these channels of single layers; None if it can.

    Args:
        channels: Channels by the names of layers.

    Example:
        >>> channels_flaw({"fc5": 8})
        "Expected `channels` of block1_conv1 to block5_conv3, fc6 and fc7, but there is no layer 'fc5'"
    """
    known = (*CONVOLUTION_CHANNELS, *FULLY_CONNECTED)
    for name, count in channels.items():
        if name not in known:
            return (
                f"Expected `channels` of {known[0]} to {tuple(CONVOLUTION_CHANNELS)[-1]}, fc6 and fc7, but "
                f"there is no layer {name!r}"
            )
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            return f"Expected a whole number of at least 1 as the `channels` of {name}"
    return None


def _check_names(net: str, names: Iterable[str], known: Sequence[str]) -> None:
    """Refuses an argument that a net does not have: Keras would ignore it."""
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            raise ValueError(f"{net} has no argument {name!r}.{hint} It has: {', '.join(known)}.")


def can_be_temperatures(values: Sequence[Any] | None, num_classes: int) -> bool:
    """Returns whether values can be the `temperatures` of a net with a number of classes.

    Example:
        >>> can_be_temperatures((1.5,), 3), can_be_temperatures((1.5, 2), 3), can_be_temperatures(None, 3)
        (True, False, True)
    """
    if values is None:
        return True
    return len(values) in (1, num_classes) and all(
        isinstance(value, int | float) and 0 < value < math.inf for value in values
    )


def _class_names(num_classes: int) -> tuple[str, ...]:
    if num_classes == len(VOC_CLASS_NAMES):
        return VOC_CLASS_NAMES
    return tuple(str(class_id) for class_id in range(num_classes))
