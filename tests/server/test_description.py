"""What the application says of itself is true: schemathesis makes requests out of it, good and bad ones."""

import pytest
import schemathesis
from held_engine import HeldEngine
from http_server import running
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

ROUTES = [
    ("/v1/models/fcn:segment", "POST"),
    ("/v1/models/fcn/versions/{version}:segment", "POST"),
    ("/v1/models/fcn:classes", "GET"),
    ("/healthz", "GET"),
    ("/metrics", "GET"),
]


@pytest.fixture(scope="module")
def description(tmp_path_factory):
    with running(tmp_path_factory.mktemp("model"), HeldEngine(), image_pixels=10_000) as server:
        yield schemathesis.openapi.from_url(f"{server.client.base_url}/openapi.json")
        assert server.queue() == 0


@pytest.mark.parametrize(
    ("path", "method", "mode"),
    [(*route, mode) for route in ROUTES[:2] for mode in GenerationMode]
    # Requests without parameters cannot be wrong.
    + [(*route, GenerationMode.POSITIVE) for route in ROUTES[2:]],
)
def test_answers_are_as_described(description, path, method, mode):
    @settings(max_examples=20, suppress_health_check=list(HealthCheck))
    @given(description[path][method].as_strategy(generation_mode=mode))
    def ask(case):
        # A description cannot say what a photograph is: most requests that look good are refused.
        case.call_and_validate(excluded_checks=[positive_data_acceptance])

    ask()
