"""Interface between the protocols and the service: requests, responses and errors, without HTTP."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from fcn.inference.engines.signatures import Signature
from fcn.server.observability.metrics import Values

Tensors = Mapping[str, npt.NDArray[Any]]
"""Tensors by name; string tensors are arrays of `bytes` objects."""


class InferenceRequest(NamedTuple):
    """Request to run one signature of the model.

    Attributes:
        signature: Name of one of `fcn.inference.engines.signatures.signatures`.
        inputs: Input tensors, with the types and shapes of the signature.
        outputs: Names of the requested outputs; empty for all.
        version: Requested version; None for the newest.
    """

    signature: str
    inputs: Tensors
    outputs: tuple[str, ...] = ()
    version: int | None = None


class InferenceResponse(NamedTuple):
    """Response of the model.

    Attributes:
        version: Version that computed the outputs.
        outputs: Requested outputs, in the order of the signature.
    """

    version: int
    outputs: dict[str, npt.NDArray[Any]]


class VersionState(NamedTuple):
    """State of a version of the model.

    Attributes:
        version: Its number.
        state: "LOADING", "AVAILABLE", "UNLOADING" or "END", as in TensorFlow Serving.
        error: Reason why it could not be loaded; empty otherwise.
    """

    version: int
    state: str
    error: str = ""


class VersionStatistics(NamedTuple):
    """Statistics of a version since it was loaded.

    Attributes:
        version: Its number.
        last_inference: Time of the last answer of the server, in seconds since 1970; 0 before the first.
        values: Counts and seconds by the names of metrics, as `Metrics.values` returns them.
    """

    version: int
    last_inference: float
    values: Values


class ModelService(Protocol):
    """Service as the protocols see it.

    Attributes:
        name: Name of the model in URLs.
    """

    name: str

    def versions(self) -> Sequence[VersionState]:
        """Returns the state of each version, newest first."""

    def signatures(self, version: int | None) -> dict[str, Signature]:
        """Returns the signatures of a version (None: the newest).

        Raises:
            ServerError: If no such version is available.
        """

    def statistics(self, version: int | None) -> VersionStatistics:
        """Returns the statistics of a version (None: the newest).

        Raises:
            ServerError: If no such version is available.
        """

    def check_ready(self) -> None:
        """Checks that a new request would be answered.

        Raises:
            ServerError: If it would not.
        """

    async def infer(self, request: InferenceRequest) -> InferenceResponse:
        """Runs a signature.

        Raises:
            ServerError: If the request is rejected.
        """


class ErrorKind(Enum):
    """Reason to reject a request, with its HTTP status."""

    BAD_REQUEST = 400
    UNAUTHORIZED = 401
    NOT_FOUND = 404
    METHOD_NOT_ALLOWED = 405
    SLOW_CLIENT = 408
    TOO_LARGE = 413
    UNSUPPORTED_MEDIA_TYPE = 415
    UNKNOWN_HOST = 421
    BUSY = 429
    STOPPING = 503
    TIMED_OUT = 504


class ServerError(Exception):
    """Error of a request that is rejected; each protocol writes it in its own format.

    Args:
        kind: Reason.
        message: Text that says what was expected, what was received, and what to do.
        retry_after_seconds: Seconds after which to try again; None if that would not help.
    """

    def __init__(self, kind: ErrorKind, message: str, retry_after_seconds: int | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.retry_after_seconds = retry_after_seconds


def string_tensor(values: list[bytes]) -> npt.NDArray[np.object_]:
    r"""Returns strings as a tensor, `object[N]`; NumPy's own type for bytes would drop zeros at the end.

    Example:
        >>> string_tensor([b"a", b"b\0"]).tolist()
        [b'a', b'b\x00']
    """
    tensor = np.empty(len(values), object)
    tensor[:] = values
    return tensor
