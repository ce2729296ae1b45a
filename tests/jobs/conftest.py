"""Fixtures for tests of jobs in several processes."""

from collections.abc import Iterator

import pytest
from ray_processes import RayPrograms


@pytest.fixture
def programs() -> Iterator[RayPrograms]:
    """Starts programs, which have ended when the test has."""
    started = RayPrograms()
    yield started
    started.end()
