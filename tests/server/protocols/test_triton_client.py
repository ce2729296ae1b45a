"""The official client of the Open Inference Protocol, which nobody here wrote, against a server on a port."""

import time

import numpy as np
import pytest
import tritonclient.http as triton
from http_server import png_pixels, running_server
from pausable_engine import PausableEngine, flat

from fcn.data.image_io import encode_png
from fcn.server.interface import string_tensor


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("versions"), PausableEngine(), version=3) as server:
        yield f"127.0.0.1:{server.port}"


@pytest.fixture
def client(url):
    with triton.InferenceServerClient(url) as client:
        yield client


def given(name, values, datatype, *, binary):
    tensor = triton.InferInput(name, values.shape, datatype)
    return tensor.set_data_from_numpy(values, binary_data=binary)


def test_health_and_readiness(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("fcn")
    assert client.is_model_ready("fcn", "3")
    assert not client.is_model_ready("fcn", "2")
    assert not client.is_model_ready("half")


def test_metadata(client):
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data", "statistics"]
    metadata = client.get_model_metadata("fcn", query_params={"signature_name": "predict_logits"})
    assert metadata["outputs"] == [{"name": "logits", "datatype": "FP32", "shape": [-1, -1, -1, 3]}]


def test_the_index_has_the_version(client):
    assert client.get_model_repository_index() == [
        {"name": "fcn", "version": "3", "state": "READY", "reason": ""}
    ]


def test_statistics_count_what_was_asked(tmp_path):
    engine = PausableEngine()
    with (
        running_server(tmp_path, engine, version=3) as server,
        triton.InferenceServerClient(f"127.0.0.1:{server.port}") as client,
    ):
        (before,) = client.get_inference_statistics("fcn")["model_stats"]
        assert (before["name"], before["version"]) == ("fcn", "3")
        assert (before["last_inference"], before["inference_count"], before["execution_count"]) == (0, 0, 0)
        assert {step["count"] for step in before["inference_stats"].values()} == {0}
        assert before["batch_stats"] == []
        files = string_tensor([encode_png(flat(1)), encode_png(flat(2, 3, 7))])
        client.infer("fcn", [given("image_bytes", files, "BYTES", binary=True)])
        client.infer("fcn", [given("images", flat(1)[np.newaxis], "UINT8", binary=True)])
        with pytest.raises(triton.InferenceServerException):
            client.infer("fcn", [given("image_bytes", string_tensor([b"none"]), "BYTES", binary=True)])
        client.infer("fcn", [given("images", flat(1)[np.newaxis], "UINT8", binary=True)])
        (after,) = client.get_inference_statistics("fcn", "3")["model_stats"]
        assert client.get_inference_statistics()["model_stats"] == [after]
        sent = time.time()
        assert sent - 60 < after["last_inference"] / 1000 <= sent
        assert (after["inference_count"], after["execution_count"]) == (4, 4)
        steps = {name: step["count"] for name, step in after["inference_stats"].items()}
        assert steps == {
            "success": 3,
            "fail": 1,
            "queue": 4,
            "compute_input": 2,
            "compute_infer": 4,
            "compute_output": 2,
            "cache_hit": 0,
            "cache_miss": 0,
        }
        assert all(step["ns"] > 0 for step in after["inference_stats"].values() if step["count"])
        assert after["batch_stats"] == [
            {"batch_size": 1, "compute_infer": after["inference_stats"]["compute_infer"]}
        ]
        with pytest.raises(triton.InferenceServerException, match="is not served"):
            client.get_inference_statistics("fcn", "2")


@pytest.mark.parametrize("binary_output", [True, False])
@pytest.mark.parametrize("version", ["", "3"])
def test_encoded_images(client, binary_output, version):
    images = [flat(1, 4, 5), flat(2, 30, 70)]
    inputs = [
        given("image_bytes", string_tensor([encode_png(image) for image in images]), "BYTES", binary=True)
    ]
    wanted = [
        triton.InferRequestedOutput(name, binary_data=binary_output)
        for name in ("mean_confidence", "class_areas")
    ]
    wanted.append(triton.InferRequestedOutput("label_png_bytes"))
    answer = client.infer("fcn", inputs, version, wanted, request_id="7")
    assert answer.get_response()["id"] == "7"
    np.testing.assert_array_equal(answer.as_numpy("class_areas"), [[0, 1, 0], [0, 0, 1]])
    assert answer.as_numpy("mean_confidence").dtype == np.float32
    for image, png in zip(images, answer.as_numpy("label_png_bytes"), strict=True):
        np.testing.assert_array_equal(png_pixels(png), image[..., 0])


@pytest.mark.parametrize("binary", [True, False])
def test_pixels(client, binary):
    images = np.random.default_rng(0).integers(0, 3, (3, 16, 24, 3), np.uint8)
    inputs = [given("images", images, "UINT8", binary=binary)]
    outputs = [triton.InferRequestedOutput("label", binary_data=binary)]
    answer = client.infer("fcn", inputs, outputs=outputs, parameters={"signature_name": "predict_tensor"})
    np.testing.assert_array_equal(answer.as_numpy("label"), images[..., 0])
    answer = client.infer("fcn", inputs, parameters={"signature_name": "predict_logits"})
    np.testing.assert_array_equal(answer.as_numpy("logits").argmax(-1), images[..., 0])


@pytest.mark.parametrize("binary", [True, False])
def test_code_for_the_exported_onnx_needs_no_signature(client, binary):
    images = np.random.default_rng(0).integers(0, 3, (2, 8, 9, 3), np.uint8)
    inputs = [given("images", images, "UINT8", binary=binary)]
    np.testing.assert_array_equal(client.infer("fcn", inputs).as_numpy("label"), images[..., 0])
    for name in ("label", "logits"):
        answer = client.infer("fcn", inputs, outputs=[triton.InferRequestedOutput(name, binary_data=binary)])
        values = answer.as_numpy(name)
        np.testing.assert_array_equal(values if name == "label" else values.argmax(-1), images[..., 0])


@pytest.mark.parametrize(
    "options",
    [
        {"priority": 1, "timeout": 1000},
        {"sequence_id": 7, "sequence_start": True, "sequence_end": True},
        {"sequence_id": "seven"},
        {"request_compression_algorithm": "gzip", "response_compression_algorithm": "gzip"},
        {"headers": {"X-Other": "1"}, "query_params": {"other": "1"}},
        {"parameters": {"signature_name": "predict_tensor", "other": "1"}},
    ],
)
def test_options_of_the_client_for_other_servers_change_nothing(client, options):
    image = flat(1)[np.newaxis]
    options = {"parameters": {"signature_name": "predict_tensor"}} | options
    answer = client.infer("fcn", [given("images", image, "UINT8", binary=True)], **options)
    np.testing.assert_array_equal(answer.as_numpy("label"), image[..., 0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"parameters": {"signature_name": "x"}}, "one of the signatures"),
        ({"request_compression_algorithm": "deflate"}, "Content-Encoding"),
        ({"outputs": [triton.InferRequestedOutput("label", class_count=2)]}, "classification"),
    ],
)
def test_refusals_are_errors_of_the_client(client, options, message):
    inputs = [given("images", flat(1)[np.newaxis], "UINT8", binary=True)]
    options = {"parameters": {"signature_name": "predict_tensor"}} | options
    with pytest.raises(triton.InferenceServerException, match=message):
        client.infer("fcn", inputs, **options)


def test_shared_memory_is_refused(client):
    tensor = triton.InferInput("image_bytes", [1], "BYTES")
    tensor.set_shared_memory("region", 10)
    with pytest.raises(triton.InferenceServerException, match="shared memory"):
        client.infer("fcn", [tensor])
