"""The findings about an installation."""

from typing import Literal, NamedTuple

State = Literal["good", "absent", "bad"]
"""Whether it works, is not installed though it could be of use, or does not work."""


class Finding(NamedTuple):
    """A finding about one part of an installation.

    Attributes:
        topic: The part, such as "TensorFlow".
        state: Whether it works.
        text: What was found.
        remedy: A command or a step that mends it; None if nothing is to be mended.
    """

    topic: str
    state: State
    text: str
    remedy: str | None = None
