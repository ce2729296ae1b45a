"""The models of a server by name."""

from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

from fcn.server.interface import ErrorKind, ModelService, ServerError, VersionStatistics
from fcn.server.validation import shorten

_Service_co = TypeVar("_Service_co", bound=ModelService, covariant=True)


class ServedModels(Generic[_Service_co]):
    """The models of a server by name.

    Args:
        services: A service for each, one or more.

    Attributes:
        names: Names of the models.

    Raises:
        ValueError: If two have the same name.
    """

    def __init__(self, services: Sequence[_Service_co]) -> None:
        self._services = {service.name: service for service in services}
        self.names = tuple(self._services)
        if len(self.names) < len(services):
            raise ValueError(f"Expected models with different names. Received: {', '.join(self.names)}.")

    def __iter__(self) -> Iterator[_Service_co]:
        """Yields the services in their order."""
        return iter(self._services.values())

    def find(self, name: str) -> _Service_co:
        """Returns the service of a model.

        Raises:
            ServerError: If there is no such model.
        """
        found = self._services.get(name)
        if found is None:
            expected = "the served model" if len(self.names) == 1 else "one of the served models"
            raise ServerError(
                ErrorKind.NOT_FOUND,
                f"Expected {expected}, {', '.join(self.names)}. Received: {shorten(name)}.",
            )
        return found

    def statistics(self) -> list[tuple[str, VersionStatistics]]:
        """Returns names and statistics of the models, without those whose version is being replaced."""
        found = []
        for service in self:
            try:
                found.append((service.name, service.statistics(None)))
            except ServerError as error:
                if error.kind is not ErrorKind.STOPPING:
                    raise
        return found

    def check_ready(self) -> None:
        """Checks that a new request would be answered, for whatever model.

        Raises:
            ServerError: If it would not.
        """
        for service in self:
            service.check_ready()
