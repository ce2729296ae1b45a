"""The server's own description is true: schemathesis makes requests out of it, good ones and bad ones."""

import pytest
import schemathesis
from http_server import running_server
from hypothesis import HealthCheck, assume, given, settings
from pausable_engine import PausableEngine
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from fcn.server.protocols.message import schema_of
from fcn.server.protocols.tensorflow_messages import PredictRequest
from fcn.server.protocols.v2_request import IndexRequest, InferRequest

PROTOCOLS = [
    prefix + end
    for prefix, ends in (
        ("/v1/models/{name}", ("", "/metadata", ":predict")),
        ("/v2/models/{name}", ("", "/ready", "/stats", "/infer")),
    )
    for prefix in (prefix, prefix + "/versions/{version}")
    for end in ends
]
SEGMENT = ["/v1/models/{name}:segment", "/v1/models/{name}/versions/{version}:segment"]
PLAIN = [
    *("/v1/models/{name}:classes", "/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/stats"),
    *("/healthz", "/metrics"),
]
INDEX = "/v2/repository/index"


@pytest.fixture(scope="module")
def description(tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("model"), PausableEngine(), image_pixels=10_000) as server:
        yield schemathesis.openapi.from_url(f"{server.client.base_url}/openapi.json")
        assert server.queue() == 0


@pytest.mark.parametrize(
    ("path", "mode", "examples"),
    [(path, mode, 10) for path in [*PROTOCOLS, INDEX] for mode in GenerationMode]
    + [(path, mode, 20) for path in SEGMENT for mode in GenerationMode]
    # Requests without parameters cannot be wrong.
    + [(path, GenerationMode.POSITIVE, 20) for path in PLAIN],
)
def test_answers_are_as_described(description, path, mode, examples):
    method = "POST" if path.endswith((":predict", "/infer", ":segment", "/index")) else "GET"

    @settings(max_examples=examples, suppress_health_check=list(HealthCheck))
    @given(description[path][method].as_strategy(generation_mode=mode))
    def ask(case):
        # The generator may leave a "?" in a made-up name as it is: the request would be of another path.
        assume("?" not in case.formatted_path)
        # A description cannot say what a good image is: most requests that look good are refused.
        case.call_and_validate(excluded_checks=[positive_data_acceptance])

    ask()


def test_every_path_is_described(description):
    paths = description.raw_schema["paths"]
    assert sorted(paths) == sorted([*PROTOCOLS, *SEGMENT, *PLAIN, INDEX])
    names = [operation["operationId"] for path in paths.values() for operation in path.values()]
    assert len(set(names)) == len(names) == 24
    predict = paths["/v1/models/{name}:predict"]["post"]
    assert predict["summary"] == "Labels images."
    assert {"200", "400", "404", "413", "415", "429", "503", "504"} <= set(predict["responses"])
    assert predict["parameters"][0]["schema"] == {"enum": ["fcn"]}


def test_messages_are_described_by_what_checks_them(description):
    paths = description.raw_schema["paths"]
    assert content(paths["/v2/models/{name}/infer"], "requestBody") == schema_of(InferRequest)
    assert content(paths["/v1/models/{name}:predict"], "requestBody") == schema_of(PredictRequest)
    assert content(paths["/v2/repository/index"], "requestBody") == schema_of(IndexRequest)
    answer = content(paths["/v2/models/{name}/infer"], "responses", "200")
    assert answer["$ref"].endswith("/InferResponse")
    error = content(paths["/v2/models/{name}/infer"], "responses", "400")
    assert error["$ref"].endswith("/ErrorMessage")


def content(path, *keys):
    """Returns the schema of the JSON in one part of the description of a path."""
    node = path["post"]
    for key in keys:
        node = node[key]
    return node["content"]["application/json"]["schema"]
