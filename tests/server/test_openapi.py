"""What the server says of itself is true: schemathesis makes requests out of it, good ones and bad ones."""

import pytest
import schemathesis
from held_engine import HeldEngine
from hypothesis import HealthCheck, given, settings
from protocol_app import create_app, served
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from fcn.server.openapi import FLAG, TEXT, closed, list_of, object_of


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    with served(tmp_path_factory.mktemp("versions"), HeldEngine(), image_pixels=10_000) as service:
        yield create_app(service)


OPERATIONS = [
    prefix + end
    for prefix, ends in (
        ("/v1/models/{name}", ("", "/metadata", ":predict")),
        ("/v2/models/{name}", ("", "/ready", "/infer")),
    )
    for prefix in (prefix, prefix + "/versions/{version}")
    for end in ends
]
PLAIN = ["/v2", "/v2/health/live", "/v2/health/ready"]


@pytest.mark.parametrize(
    ("path", "mode"),
    # Requests without parameters cannot be wrong.
    [(path, mode) for path in OPERATIONS for mode in GenerationMode]
    + [(path, GenerationMode.POSITIVE) for path in PLAIN],
)
def test_answers_are_as_described(app, path, mode):
    description = schemathesis.openapi.from_asgi("/openapi.json", app)
    method = "POST" if path.endswith((":predict", "/infer")) else "GET"

    @settings(max_examples=10, suppress_health_check=list(HealthCheck))
    @given(description[path][method].as_strategy(generation_mode=mode))
    def ask(case):
        # A description cannot say what a good photograph is: most requests that look good are refused.
        case.call_and_validate(excluded_checks=[positive_data_acceptance])

    ask()


def test_every_path_is_described(app):
    paths = app.openapi()["paths"]
    assert sorted(paths) == sorted(OPERATIONS + PLAIN)
    names = [operation["operationId"] for path in paths.values() for operation in path.values()]
    assert len(set(names)) == len(names) == 15
    predict = paths["/v1/models/{name}:predict"]["post"]
    assert {"200", "400", "404", "413", "415", "429", "503", "504"} <= set(predict["responses"])
    assert predict["parameters"][0]["schema"] == {"enum": ["fcn"]}


def test_parts_of_descriptions():
    point = object_of(x=FLAG)
    assert closed(point, y=TEXT) == {
        "type": "object",
        "properties": {"x": {"type": "boolean"}, "y": {"type": "string"}},
        "required": ["x"],
        "additionalProperties": False,
    }
    assert point == object_of(x=FLAG)
    assert list_of(TEXT, 2)["minItems"] == 2
