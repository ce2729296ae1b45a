"""Triton's own client over gRPC, which nobody here wrote, against a server on a port."""

import numpy as np
import pytest
import tritonclient.grpc as triton
from grpc_server import running_grpc, running_services
from http_server import engine_services, png_pixels, wait_until
from pausable_engine import PausableEngine, flat

from fcn.data.image_io import encode_png
from fcn.server.interface import string_tensor

PIXELS = np.stack([flat(1), flat(2)])


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_grpc(tmp_path_factory.mktemp("versions"), PausableEngine(), version=3) as server:
        yield server


@pytest.fixture
def client(server):
    with triton.InferenceServerClient(server.address) as client:
        yield client


def given(name, values, datatype):
    return triton.InferInput(name, values.shape, datatype).set_data_from_numpy(values)


def refusal(client, *arguments, **options):
    with pytest.raises(triton.InferenceServerException) as refused:
        client.infer(*arguments, **options)
    return refused.value.status(), refused.value.message()


def test_health_and_readiness(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("fcn")
    assert client.is_model_ready("fcn", "3")
    for name, version in (("fcn", "2"), ("half", ""), ("fcn", "latest")):
        with pytest.raises(triton.InferenceServerException, match="NOT_FOUND"):
            client.is_model_ready(name, version)


def test_metadata(client):
    assert client.get_server_metadata().name == "fcn"
    metadata = client.get_model_metadata("fcn")
    assert (metadata.name, list(metadata.versions)) == ("fcn", ["3"])
    assert [(one.name, one.datatype, list(one.shape)) for one in metadata.inputs] == [
        ("image_bytes", "BYTES", [-1])
    ]
    assert [one.name for one in metadata.outputs] == ["label_png_bytes", "class_areas", "mean_confidence"]


def test_the_index_has_the_version(client):
    (model,) = client.get_model_repository_index().models
    assert (model.name, model.version, model.state, model.reason) == ("fcn", "3", "READY", "")


def test_files_become_labels(client):
    files = string_tensor([encode_png(flat(1)), encode_png(flat(2, 3, 7))])
    answer = client.infer("fcn", [given("image_bytes", files, "BYTES")], request_id="photo-1")
    assert answer.get_response().id == "photo-1"
    assert (answer.get_response().model_name, answer.get_response().model_version) == ("fcn", "3")
    assert [png_pixels(png).shape for png in answer.as_numpy("label_png_bytes")] == [(4, 5), (3, 7)]
    assert answer.as_numpy("class_areas").tolist() == [[0, 1, 0], [0, 0, 1]]


def test_pixels_become_labels_or_logits_by_what_is_asked_for(client):
    pixels = given("images", PIXELS, "UINT8")
    label = client.infer("fcn", [pixels], "3").as_numpy("label")
    assert np.array_equal(label, PIXELS[..., 0])
    logits = client.infer("fcn", [pixels], outputs=[triton.InferRequestedOutput("logits")]).as_numpy("logits")
    assert (logits.shape, logits.dtype) == ((2, 4, 5, 3), np.float32)
    assert logits.argmax(-1)[:, 0, 0].tolist() == [1, 2]
    # As for code that was written for Triton, `signature_name` may also choose.
    named = client.infer("fcn", [pixels], parameters={"signature_name": "predict_logits"})
    assert np.array_equal(named.as_numpy("logits"), logits)


def test_parameters_that_change_nothing_are_ignored(client):
    options = {"priority": 1, "timeout": 10**9, "sequence_id": 3, "sequence_start": True}
    answer = client.infer("fcn", [given("images", PIXELS, "UINT8")], **options)
    assert np.array_equal(answer.as_numpy("label"), PIXELS[..., 0])


def test_what_would_get_a_wrong_answer_is_refused(client):
    pixels = given("images", PIXELS, "UINT8")
    shared = triton.InferInput("images", PIXELS.shape, "UINT8")
    shared.set_shared_memory("region", PIXELS.size)
    for inputs, outputs, text in (
        ([shared], None, "shared memory, which is not supported"),
        (
            [pixels],
            [triton.InferRequestedOutput("label", class_count=2)],
            "Expected an object without classification",
        ),
        ([pixels, given("image_bytes", string_tensor([b""]), "BYTES")], None, "Expected the inputs"),
        ([given("images", PIXELS.astype(np.float32), "FP32")], None, "Expected the datatype UINT8"),
        ([given("images", PIXELS[0], "UINT8")], None, "Expected the shape [-1, -1, -1, 3]"),
    ):
        status, message = refusal(client, "fcn", inputs, outputs=outputs)
        assert status == "StatusCode.INVALID_ARGUMENT"
        assert text in message


def test_another_model_and_version_are_not_found(client):
    pixels = [given("images", PIXELS, "UINT8")]
    assert refusal(client, "half", pixels) == (
        "StatusCode.NOT_FOUND",
        'Expected the served model, fcn. Received: "half".',
    )
    assert refusal(client, "fcn", pixels, "2")[0] == "StatusCode.NOT_FOUND"


def test_compressed_messages_are_read(client):
    pixels = [given("images", PIXELS, "UINT8")]
    for algorithm in ("gzip", "deflate"):
        answer = client.infer("fcn", pixels, compression_algorithm=algorithm)
        assert np.array_equal(answer.as_numpy("label"), PIXELS[..., 0])


def test_statistics_count_what_was_asked(tmp_path):
    with (
        running_grpc(tmp_path, PausableEngine(), version=3) as server,
        triton.InferenceServerClient(server.address) as client,
    ):
        (before,) = client.get_inference_statistics("fcn").model_stats
        assert (before.name, before.version, before.inference_count) == ("fcn", "3", 0)
        client.infer("fcn", [given("images", PIXELS, "UINT8")])
        refusal(client, "fcn", [given("image_bytes", string_tensor([b"none"]), "BYTES")])
        (after,) = client.get_inference_statistics("fcn", "3").model_stats
        assert client.get_inference_statistics().model_stats == [after]
        assert after.inference_count == 2
        assert (after.inference_stats.success.count, after.inference_stats.fail.count) == (1, 1)
        assert after.inference_stats.compute_infer.ns > 0
        assert sum(batch.batch_size * batch.compute_infer.count for batch in after.batch_stats) == 2
        assert after.last_inference > 0


def test_several_models_are_chosen_by_name_and_share_the_queue(tmp_path):
    engines = {"one": PausableEngine(), "two": PausableEngine(num_classes=4)}
    pixels, logits = [given("images", PIXELS, "UINT8")], [triton.InferRequestedOutput("logits")]
    with (
        engine_services(tmp_path, engines, queue_images=2) as services,
        running_services([*services.values()]) as server,
        triton.InferenceServerClient(server.address) as client,
    ):
        for name, num_classes in (("one", 3), ("two", 4)):
            answer = client.infer(name, pixels, outputs=logits)
            assert answer.as_numpy("logits").shape[-1] == num_classes
        assert refusal(client, "three", pixels) == (
            "StatusCode.NOT_FOUND",
            'Expected one of the served models, one, two. Received: "three".',
        )
        assert [model.name for model in client.get_model_repository_index().models] == ["one", "two"]
        assert [model.name for model in client.get_inference_statistics().model_stats] == ["one", "two"]
        engines["one"].resumed.clear()
        client.async_infer("one", pixels, callback=lambda result, error: None)
        wait_until(lambda: server.metric("fcn_queue_images") == 2)
        assert refusal(client, "two", pixels)[0] == "StatusCode.RESOURCE_EXHAUSTED"
        engines["one"].resumed.set()
        wait_until(lambda: server.metric("fcn_queue_images") == 0)
        assert client.infer("two", pixels).as_numpy("label").shape == (2, 4, 5)


def test_lists_of_numbers_are_answered_as_lists(server):
    from tritonclient.grpc import service_pb2, service_pb2_grpc

    stub = service_pb2_grpc.GRPCInferenceServiceStub(server.channel)
    request = service_pb2.ModelInferRequest(model_name="fcn")
    images = request.inputs.add(name="images", datatype="UINT8", shape=PIXELS.shape)
    images.contents.uint_contents.extend((PIXELS + 200).ravel().tolist())
    answer = stub.ModelInfer(request)
    assert list(answer.outputs[0].contents.uint_contents) == (PIXELS[..., 0] + 200).ravel().tolist()
    assert not answer.raw_output_contents
    request.outputs.add(name="logits")
    (logits,) = stub.ModelInfer(request).outputs
    assert len(logits.contents.fp32_contents) == PIXELS[..., 0].size * 3
    del request.outputs[:], request.inputs[:]
    files = request.inputs.add(name="image_bytes", datatype="BYTES", shape=[1])
    files.contents.bytes_contents.append(encode_png(flat(1)))
    png, areas, _ = stub.ModelInfer(request).outputs
    assert png_pixels(png.contents.bytes_contents[0]).tolist() == flat(1)[..., 0].tolist()
    assert list(areas.contents.fp32_contents) == [0, 1, 0]
