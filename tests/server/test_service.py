import asyncio
import subprocess
import sys
import threading
from contextlib import AsyncExitStack
from io import BytesIO

import cv2
import numpy as np
import pytest
from http_server import server_resources, wait_until
from pausable_engine import PausableEngine, flat
from PIL import Image

from fcn.data.image_io import encode_png
from fcn.inference.predictor import Predictor
from fcn.runs.arrival import write_file_sizes
from fcn.server.interface import ErrorKind, InferenceRequest, ServerError, string_tensor
from fcn.server.request_resources import request_resources
from fcn.server.service import Service


@pytest.fixture
def engine():
    return PausableEngine()


@pytest.fixture
def make(tmp_path, engine):
    """Makes services of one version."""
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").touch()
    write_file_sizes(tmp_path / "1")
    services = []

    def make(**limits):
        predictor = Predictor.from_engine(engine)
        services.append(Service("fcn", tmp_path, lambda path: predictor, server_resources(**limits)))
        return services[-1]

    yield make
    engine.resumed.set()
    for service in services:
        service.close()


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 20))


def encoded(*images):
    return {"image_bytes": string_tensor([encode_png(image) for image in images])}


def test_encoded_images_of_several_sizes_are_answered_in_their_order(make):
    images = [flat(value % 3, 3 + value, 5) for value in range(5)]
    answer = run(make().infer(InferenceRequest("serving_default", encoded(*images))))
    assert answer.version == 1
    assert list(answer.outputs) == ["label_png_bytes", "class_areas", "mean_confidence"]
    for value, image in enumerate(images):
        label = np.array(Image.open(BytesIO(answer.outputs["label_png_bytes"][value])))
        np.testing.assert_array_equal(label, image[..., 0])
        np.testing.assert_array_equal(answer.outputs["class_areas"][value], np.arange(3) == value % 3)
    np.testing.assert_array_equal(answer.outputs["mean_confidence"], np.full(5, 0.5, np.float32))
    assert answer.outputs["class_areas"].dtype == np.float32


def test_areas_are_shares_of_the_image(make):
    image = np.zeros((2, 5, 3), np.uint8)
    image[0, :3, 0] = 2
    answer = run(make().infer(InferenceRequest("serving_default", encoded(image), ("class_areas",))))
    assert list(answer.outputs) == ["class_areas"]
    np.testing.assert_allclose(answer.outputs["class_areas"], [[0.7, 0, 0.3]])


def test_pixels_are_answered_with_labels_or_logits(make):
    service = make()
    images = np.stack([flat(0), flat(2)])
    label = run(service.infer(InferenceRequest("predict_tensor", {"images": images}))).outputs["label"]
    np.testing.assert_array_equal(label, images[..., 0])
    logits = run(service.infer(InferenceRequest("predict_logits", {"images": images}))).outputs["logits"]
    np.testing.assert_array_equal(logits.argmax(axis=-1), images[..., 0])


def as_it_is(prediction):
    """Renders nothing."""
    return prediction


def test_a_photograph_is_segmented_upright(make):
    stored = np.zeros((4, 6, 3), np.uint8)
    stored[:, 3:, 0] = 2
    file, exif = BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(stored).save(file, "PNG", exif=exif)
    segmented = run(make().segment(file.getvalue(), as_it_is))
    labeled = segmented.rendered
    np.testing.assert_array_equal(labeled.label, np.rot90(stored[..., 0], -1))
    np.testing.assert_array_equal(labeled.image, np.rot90(stored, -1))
    assert labeled.orientation == 1
    assert labeled.classes.names == ("0", "1", "2")
    assert segmented.engine == "held float32"
    assert set(segmented.seconds) == {"decode", "engine", "encode"}


def test_a_full_queue_says_when_to_come_again(make, engine):
    service = make(queue_images=3)

    async def crowd():
        engine.resumed.clear()
        one = asyncio.create_task(service.infer(InferenceRequest("serving_default", encoded(flat(1)))))
        two = asyncio.create_task(
            service.infer(InferenceRequest("predict_tensor", {"images": np.stack([flat(1)] * 2)}))
        )
        await asyncio.sleep(0.05)
        with pytest.raises(ServerError, match="queue is full: 3 images are waiting") as refused:
            await service.segment(encode_png(flat(1)), as_it_is)
        engine.resumed.set()
        await asyncio.gather(one, two)
        await service.segment(encode_png(flat(1)), as_it_is)  # places were given back
        return refused.value

    refused = run(crowd())
    assert refused.kind is ErrorKind.BUSY
    assert refused.retry_after_seconds >= 1
    assert b"fcn_queue_images 0.0" in service.metrics.text()


@pytest.mark.parametrize(
    ("inputs", "kind", "message"),
    [
        ({"image_bytes": string_tensor([b"no image"])}, ErrorKind.BAD_REQUEST, "not an image"),
        ({"image_bytes": string_tensor([])}, ErrorKind.BAD_REQUEST, "one or more images"),
        (encoded(*[flat(0)] * 5), ErrorKind.TOO_LARGE, "at most 4 images"),
        (encoded(flat(0, 30, 40)), ErrorKind.TOO_LARGE, "at most 1000 pixels. Received: 40 x 30"),
        (
            {"image_bytes": string_tensor([encode_png(flat(0))[:-20]])},
            ErrorKind.BAD_REQUEST,
            "^image: .*truncated",
        ),
        (
            {"image_bytes": string_tensor([encode_png(flat(0)), b"none", encode_png(flat(0))])},
            ErrorKind.BAD_REQUEST,
            "^image 2 of 3: .*not an image",
        ),
    ],
)
def test_what_cannot_be_labeled_is_refused_and_the_next_is_answered(make, engine, inputs, kind, message):
    service = make(queue_images=4, image_pixels=1000)
    with pytest.raises(ServerError, match=message) as refused:
        run(service.infer(InferenceRequest("serving_default", inputs)))
    assert refused.value.kind is kind
    run(service.infer(InferenceRequest("serving_default", encoded(flat(1)))))


@pytest.mark.parametrize("shape", [(1, 0, 5, 3), (1, 5, 0, 3)])
def test_pixels_without_pixels_are_refused(make, shape):
    with pytest.raises(ServerError, match="with one or more pixels"):
        run(make().infer(InferenceRequest("predict_tensor", {"images": np.zeros(shape, np.uint8)})))


def test_one_image_that_is_refused_ends_the_whole_request(make, engine):
    service = make()

    async def mixed():
        engine.resumed.clear()
        inputs = {"image_bytes": string_tensor([encode_png(flat(1)), b"no image"])}
        with pytest.raises(ServerError):
            await service.infer(InferenceRequest("serving_default", inputs))
        engine.resumed.set()
        return service.metrics.text()

    assert b"fcn_queue_images 0.0" in run(mixed())


def test_a_request_that_waits_too_long_is_refused(make, engine):
    service = make(answer_seconds=2.0)

    async def late():
        engine.resumed.clear()
        engine.started.clear()
        ahead = asyncio.create_task(service.infer(InferenceRequest("serving_default", encoded(flat(1)))))
        await asyncio.to_thread(engine.started.wait, 10)
        waiting = asyncio.create_task(service.infer(InferenceRequest("serving_default", encoded(flat(1, 9)))))
        # The engine has one of them, and the other waits: neither is answered later than was promised.
        errors = await asyncio.wait_for(asyncio.gather(ahead, waiting, return_exceptions=True), 10)
        assert not engine.resumed.is_set()
        assert b"fcn_queue_images 0.0" in service.metrics.text()
        engine.resumed.set()
        await service.infer(InferenceRequest("serving_default", encoded(flat(1))))
        return [error.kind for error in errors]

    assert run(late()) == [ErrorKind.TIMED_OUT, ErrorKind.TIMED_OUT]


def test_rendering_keeps_the_place_and_the_memory_and_ends_with_the_time(make):
    service = make(answer_seconds=2.0, queue_images=1, decoded_pixels=100)
    rendering, go_on = threading.Event(), threading.Event()

    def slow(prediction):
        rendering.set()
        go_on.wait(20)

    async def crowd():
        one = asyncio.create_task(service.segment(encode_png(flat(1)), slow))
        while not rendering.is_set():
            await asyncio.sleep(0.01)
        with pytest.raises(ServerError, match="queue is full"):
            await service.segment(encode_png(flat(1)), as_it_is)
        with pytest.raises(ServerError, match="waited longer than 2 s") as refused:
            await asyncio.wait_for(one, 10)
        assert not go_on.is_set()
        with pytest.raises(ServerError, match="queue is full"):  # the thread goes on
            await service.segment(encode_png(flat(1)), as_it_is)
        go_on.set()
        while b"fcn_queue_images 0.0" not in service.metrics.text():
            await asyncio.sleep(0.01)
        labeled = (await service.segment(encode_png(flat(2)), as_it_is)).rendered
        return refused.value.kind, labeled.label[0, 0]

    assert run(crowd()) == (ErrorKind.TIMED_OUT, 2)


def test_images_that_are_encoded_keep_their_memory_when_their_request_is_given_up(make, monkeypatch):
    service = make(queue_images=4, decoded_pixels=40)
    encoding, go_on, ended = threading.Barrier(3), threading.Event(), []

    def slow(prediction):
        encoding.wait(20)
        go_on.wait(20)
        ended.append(prediction)
        raise ValueError("broken")

    monkeypatch.setattr("fcn.server.service._encode", slow)

    async def leave():
        images = InferenceRequest("serving_default", encoded(*[flat(1)] * 2))
        given_up = asyncio.create_task(service.infer(images))
        await asyncio.to_thread(encoding.wait, 20)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        assert b"fcn_queue_images 2.0" in service.metrics.text()
        waiting = asyncio.create_task(service.segment(encode_png(flat(2)), as_it_is))
        await asyncio.sleep(0.2)
        assert not waiting.done()  # no memory for its pixels
        assert not ended
        go_on.set()
        assert (await waiting).rendered.label[0, 0] == 2
        while b"fcn_queue_images 0.0" not in service.metrics.text():
            await asyncio.sleep(0.01)
        return len(ended)

    assert run(leave()) == 2


def test_decoded_images_share_a_budget(make, engine):
    service = make(decoded_pixels=100, queue_images=40)
    images = [flat(1, 10, 10) for _ in range(20)]
    run(service.infer(InferenceRequest("serving_default", encoded(*images))))
    # Only one image of 100 pixels may be decoded at a time, so none waits beside another.
    assert {shape[0] for shape in engine.batches} == {1}


def test_the_decoder_is_the_one_of_infer(make):
    noise = np.random.default_rng(1).integers(0, 3, (20, 30, 3), np.uint8)
    _, jpeg = cv2.imencode(".jpg", noise)
    expected = cv2.imdecode(jpeg, cv2.IMREAD_COLOR_RGB)
    np.testing.assert_array_equal(run(make().segment(jpeg.tobytes(), as_it_is)).rendered.image, expected)


def test_logits_that_are_too_much_are_refused_and_their_labels_are_not(make):
    service = make(answer_bytes=2 * 4 * 5 * 3 * 4)
    for number in (2, 3):
        images = {"images": np.stack([flat(1)] * number)}
        assert len(run(service.infer(InferenceRequest("predict_tensor", images))).outputs["label"]) == number
        if number == 2:
            run(service.infer(InferenceRequest("predict_logits", images)))
            continue
        with pytest.raises(ServerError, match=r"at most 480 bytes.*logits of 720 bytes") as refused:
            run(service.infer(InferenceRequest("predict_logits", images)))
        assert refused.value.kind is ErrorKind.TOO_LARGE


def test_logits_keep_their_room_until_they_are_sent(make):
    service = make(answer_bytes=4 * 5 * 3 * 4)
    request = InferenceRequest("predict_logits", {"images": flat(1)[np.newaxis]})

    async def ask(resources):
        request_resources.set(resources)
        return await service.infer(request)

    async def two():
        async with AsyncExitStack() as resources:
            await asyncio.create_task(ask(resources))
            second = asyncio.create_task(ask(None))
            await asyncio.sleep(0.1)
            assert not second.done()
            await service.infer(
                InferenceRequest("predict_tensor", request.inputs)
            )  # a label takes no such room
        await second
        await service.infer(request)  # nobody holds it any more

    run(two())


def test_a_service_imports_no_backend():
    program = "import sys, fcn.server.service; print({'keras', 'tensorflow'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"


def test_statistics_are_of_one_version(make, engine, tmp_path):
    service = make()
    for _ in range(3):
        run(service.infer(InferenceRequest("serving_default", encoded(flat(1)))))
    assert service.statistics(1).values["fcn_images_total",] == 3
    assert service.statistics(None) == service.statistics(1)
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / "saved_model.pb").touch()
    write_file_sizes(tmp_path / "2")
    wait_until(lambda: service.describe().version == 2)
    version, last_inference, values = service.statistics(None)
    assert (version, values["fcn_images_total",]) == (2, 0)
    assert last_inference > 0
    run(service.infer(InferenceRequest("serving_default", encoded(flat(1), flat(2)))))
    assert service.statistics(2).values["fcn_images_total",] == 2
    with pytest.raises(ServerError):
        service.statistics(1)


def test_an_engine_that_is_stuck_is_not_ready(make, engine):
    service = make(answer_seconds=1.0)
    service.check_ready()

    async def stuck():
        engine.resumed.clear()
        with pytest.raises(ServerError):
            await service.infer(InferenceRequest("serving_default", encoded(flat(1))))
        await asyncio.sleep(0.1)
        with pytest.raises(ServerError, match="has finished nothing") as refused:
            service.check_ready()
        engine.resumed.set()
        await service.infer(InferenceRequest("serving_default", encoded(flat(1))))
        return refused.value.kind

    assert run(stuck()) is ErrorKind.STOPPING
    service.check_ready()
    service.resources.drain()
    with pytest.raises(ServerError, match="stopping"):
        service.check_ready()
