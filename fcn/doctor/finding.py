"""What an examination of this installation finds."""

from typing import Any, Literal, NamedTuple

State = Literal["good", "absent", "bad"]
"""Whether it works, is not installed though it could be of use, or does not work."""


class Finding(NamedTuple):
    """What was found about one thing.

    Attributes:
        topic: The thing, such as "TensorFlow".
        state: Whether it works.
        text: What was found.
        remedy: A command or a step that mends it; None if nothing is to be mended.
    """

    topic: str
    state: State
    text: str
    remedy: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Returns it as JSON values."""
        return self._asdict()
