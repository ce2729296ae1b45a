"""The base class of all sections of a configuration, and the kinds of numbers that they hold."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
PAIR = "two numbers above 0, [smallest, largest]"
"""Description, for errors, of a range."""


class Section(BaseModel):
    """A section of a configuration. It is frozen and refuses unknown keys and other types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
