"""What every protocol of the server asks of it, and what it answers: HTTP stays outside."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from fcn.inference.engines.signatures import Signature

Tensors = Mapping[str, npt.NDArray[Any]]
"""Tensors by name; strings are arrays of objects, each `bytes`."""


class InferenceRequest(NamedTuple):
    """A request to one signature of the model.

    Attributes:
        signature: Name of one of `fcn.inference.engines.signatures.signatures`.
        inputs: Its inputs, of the types and shapes it takes.
        outputs: Names of the outputs that are wanted; none for all.
        version: The version that is asked for; None for the newest.
    """

    signature: str
    inputs: Tensors
    outputs: tuple[str, ...] = ()
    version: int | None = None


class InferenceResponse(NamedTuple):
    """What the model says.

    Attributes:
        version: The version that answered.
        outputs: The wanted outputs, in the order of the signature.
    """

    version: int
    outputs: dict[str, npt.NDArray[Any]]


class VersionState(NamedTuple):
    """What became of a version of the model.

    Attributes:
        version: Its number.
        state: "LOADING", "AVAILABLE", "UNLOADING" or "END", as TensorFlow Serving calls them.
        error: Why it could not be loaded; empty if it could.
    """

    version: int
    state: str
    error: str = ""


class ModelService(Protocol):
    """What the protocols need to know of the model that is served.

    Attributes:
        name: Its name in URLs.
    """

    name: str

    def versions(self) -> Sequence[VersionState]:
        """Returns the versions that there are, newest first."""

    def signatures(self, version: int | None) -> dict[str, Signature]:
        """Returns the signatures of a version; of the newest one for None.

        Raises:
            ServerError: If no such version is available.
        """

    async def infer(self, request: InferenceRequest) -> InferenceResponse:
        """Answers a request.

        Raises:
            ServerError: If it is refused.
        """


class ErrorKind(Enum):
    """Why a request is refused, with its HTTP status."""

    BAD_REQUEST = 400
    UNAUTHORIZED = 401
    NOT_FOUND = 404
    METHOD_NOT_ALLOWED = 405
    SLOW_CLIENT = 408
    TOO_LARGE = 413
    UNSUPPORTED_MEDIA_TYPE = 415
    BUSY = 429
    STOPPING = 503
    TIMED_OUT = 504


class ServerError(Exception):
    """A request that is not answered; each protocol says so in its own format.

    Args:
        kind: Why.
        message: What was expected, what came, and what to do.
        retry_after_seconds: When to try again; None where that is of no use.
    """

    def __init__(self, kind: ErrorKind, message: str, retry_after_seconds: int | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.retry_after_seconds = retry_after_seconds


def string_tensor(values: list[bytes]) -> npt.NDArray[np.object_]:
    r"""Returns strings as a tensor, `object[N]`; NumPy's own type for bytes drops zeros at the end.

    Example:
        >>> string_tensor([b"a", b"b\0"]).tolist()
        [b'a', b'b\x00']
    """
    tensor = np.empty(len(values), object)
    tensor[:] = values
    return tensor
