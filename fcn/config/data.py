"""The section `data` of a configuration: each key with its type, its default and its meaning."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from fcn.config.section import Positive, Section
from fcn.config.user_paths import expand_path
from fcn.models.arguments import NetArguments

LabelOrientation = Literal["upright", "stored"]


class DataConfig(Section):
    """The data set.

    Attributes:
        root: Folder in VOC layout, relative to where the command runs. `~` and variables of the environment,
            such as `$HOME`, are replaced, unless there is a folder of that name.
        train_split: List of the examples to train on.
        val_split: List of the examples to score on.
        val_share: Share of the images of `train_split` that are scored in place of learned from, where the
            data set has no list `val_split`; null: the list must be there.
        classes: Classes of a data set without `labels.txt`: "voc" for the 21 of Pascal VOC; null: they are
            VOC's only if all images are named as VOC's.
        label_orientation: "upright": labels are of images as people see them, after EXIF orientation was
            applied, as most tools write them; "stored": of the pixels as they are stored in the files. Then
            they are turned as their images are.
        bits: How many bits the values of images of 16 bits use: 12 for a camera whose values end at 4095. The
            upper 8 of these are what the net sees, everywhere. null: 16, but a training refuses a data set
            that uses fewer.
        sampling: "uniform": each epoch shows every training image once; "balanced": crops that hold rare
            classes are drawn more often, and some images may never be; see `fcn.data.sampling`.
        sampling_temperature: Of "balanced": the lower it is, the more often rare classes are drawn.
        unpack_megapixels: Training images of more megapixels are unpacked into the run folder when a training
            starts, 4 bytes a pixel, so that a crop need not decode its whole image and label; the folder is
            removed when the training is finished. null: none are.
        unlabeled: Folder of images without labels, from which a net learns what `train.teacher` says of them;
            null: none.
        unlabeled_share: Share of the examples of a training that are such images.
    """

    root: Path
    train_split: str = "train"
    val_split: str = "val"
    val_share: Annotated[float, Field(gt=0, lt=1, examples=["0.2"])] | None = None
    classes: Annotated[Literal["voc"] | None, Field(description="voc, or null", examples=["voc"])] = None
    label_orientation: LabelOrientation = "upright"
    bits: Annotated[int, Field(ge=8, le=16, examples=["12"])] | None = None
    sampling: Literal["uniform", "balanced"] = "uniform"
    sampling_temperature: Positive = 0.01
    unpack_megapixels: Annotated[Positive | None, Field(examples=["16"])] = 16.0
    unlabeled: Annotated[
        Path | None, Field(description="a folder of images, or null", examples=["photos"])
    ] = None
    unlabeled_share: Annotated[float, Field(gt=0, le=1)] = 0.5

    @field_validator("unlabeled", mode="before")
    @classmethod
    def _expand_unlabeled(cls, value: Any) -> Any:
        return expand_path("data.unlabeled", value)

    @field_validator("root", mode="before")
    @classmethod
    def _expand_root(cls, value: Any) -> Any:
        return expand_path("data.root", value)

    @model_validator(mode="after")
    def _temperature_is_not_idle(self) -> "DataConfig":
        idle = DataConfig.model_fields["sampling_temperature"].default
        if self.sampling == "uniform" and self.sampling_temperature != idle:
            raise ValueError(
                "data.sampling_temperature changes nothing with data.sampling=uniform: expected "
                f"data.sampling=balanced, or data.sampling_temperature={idle}"
            )
        return self

    @property
    def labeled_share(self) -> float:
        """Share of the examples of a training that are of its training split."""
        return 1.0 if self.unlabeled is None else 1.0 - self.unlabeled_share

    @property
    def used_bits(self) -> int:
        """How many bits values use, 16 if it is not configured."""
        return NetArguments.bits if self.bits is None else self.bits
