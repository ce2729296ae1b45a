"""Several models in one server: each is answered by its name, and they share queue and engine time."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from http_server import png_pixels, running_models, wait_until
from pausable_engine import PausableEngine, flat

from fcn.data.image_io import encode_png
from fcn.server.protocols.json_tensors import encode_base64
from fcn.server.served_models import ServedModels

PNG = encode_png(flat(1))


class Recorder(PausableEngine):
    """An engine that labels all pixels with one class, and notes when others compute too."""

    computing = 0
    most = 0

    def __init__(self, num_classes, answer):
        super().__init__(num_classes)
        self.answer = answer

    def label(self, images):
        Recorder.computing += 1
        Recorder.most = max(Recorder.most, Recorder.computing)
        try:
            time.sleep(0.005)
            labeled = super().label(images)
        finally:
            Recorder.computing -= 1
        labeled.label[:] = self.answer
        return labeled


@pytest.fixture
def engines():
    Recorder.computing = Recorder.most = 0
    return {"voc": Recorder(3, 1), "camvid": Recorder(5, 4)}


@pytest.fixture
def server(tmp_path, engines):
    with running_models(tmp_path, engines, queue_images=4) as (server, _):
        yield server


def segment(server, name):
    return server.client.post(f"/v1/models/{name}:segment?output=ids", content=PNG)


@pytest.mark.parametrize(("name", "value", "classes"), [("voc", 1, 3), ("camvid", 4, 5)])
def test_each_protocol_answers_for_each_model(server, name, value, classes):
    ask, image = server.client, {"image_bytes": {"b64": encode_base64(PNG)}}
    for path in (f"/v1/models/{name}", f"/v1/models/{name}/versions/1"):
        assert (png_pixels(ask.post(f"{path}:segment?output=ids", content=PNG).content) == value).all()
        (predicted,) = ask.post(f"{path}:predict", json={"instances": [image]}).json()["predictions"]
        assert np.argmax(predicted["class_areas"]) == value
        assert len(predicted["class_areas"]) == classes
        assert ask.get(path).json()["model_version_status"][0]["state"] == "AVAILABLE"
        assert ask.get(f"{path}/metadata").json()["model_spec"]["name"] == name
    listed = ask.get(f"/v1/models/{name}:classes").json()
    assert (listed["name"], len(listed["names"])) == (name, classes)
    pixels = {"name": "images", "datatype": "UINT8", "shape": [1, 4, 5, 3], "data": flat(0).ravel().tolist()}
    answer = ask.post(f"/v2/models/{name}/infer", json={"inputs": [pixels]}).json()
    assert answer["model_name"] == name
    assert set(answer["outputs"][0]["data"]) == {value}
    assert ask.get(f"/v2/models/{name}").json()["name"] == name
    assert ask.get(f"/v2/models/{name}/ready").status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/models/fcn:segment"),
        ("GET", "/v1/models/fcn:classes"),
        ("POST", "/v1/models/fcn:predict"),
        ("GET", "/v1/models/fcn/metadata"),
        ("GET", "/v2/models/fcn/stats"),
        ("POST", "/v2/models/fcn/infer"),
    ],
)
def test_an_unknown_model_is_refused_with_those_there_are(server, method, path):
    answer = server.client.request(method, path)
    assert answer.status_code == 404
    assert answer.json()["error"] == 'Expected one of the served models, voc, camvid. Received: "fcn".'
    assert "the models 'voc', 'camvid'" in server.client.get("/v3").json()["error"]


def test_lists_have_all_models_and_counts_are_of_each(server):
    for name, times in (("voc", 1), ("camvid", 3)):
        for _ in range(times):
            assert segment(server, name).status_code == 200
    index = server.client.post("/v2/repository/index").json()
    assert [(one["name"], one["state"]) for one in index] == [("voc", "READY"), ("camvid", "READY")]
    statistics = server.client.get("/v2/models/stats").json()["model_stats"]
    assert [(one["name"], one["inference_count"]) for one in statistics] == [("voc", 1), ("camvid", 3)]
    assert server.client.get("/v2/models/camvid/stats").json()["model_stats"] == statistics[1:]
    text = server.client.get("/metrics").text
    for line in (
        'fcn_images_total{model="voc"} 2.0',  # one of them warmed the engine
        'fcn_images_total{model="camvid"} 4.0',
        'fcn_model_version{model="camvid"} 1.0',
        'fcn_inference_seconds_count{model="camvid",outcome="success"} 3.0',
        "fcn_queue_images 0.0",
    ):
        assert line in text.splitlines()


def test_engines_of_two_models_never_compute_at_once(server, engines):
    with ThreadPoolExecutor(4) as clients:
        answers = [clients.submit(segment, server, name) for name in ["voc", "camvid"] * 10]
    assert {answer.result().status_code for answer in answers} == {200}
    assert Recorder.most == 1
    assert all(len(engine.batches) > 3 for engine in engines.values())


def test_models_share_the_places_of_the_queue(server, engines):
    for engine in engines.values():
        engine.resumed.clear()
    with ThreadPoolExecutor(4) as clients:
        waiting = [clients.submit(segment, server, name) for name in ("voc", "voc", "camvid", "camvid")]
        wait_until(lambda: server.queue() == 4)
        for name in engines:
            refused = segment(server, name)
            assert (refused.status_code, "queue is full: 4 images" in refused.text) == (429, True)
        for engine in engines.values():
            engine.resumed.set()
        assert {answer.result().status_code for answer in waiting} == {200}


@pytest.mark.slow
def test_the_server_is_ready_when_all_models_are(tmp_path, engines):
    with running_models(tmp_path, engines, answer_seconds=4.0) as (server, _):
        check_ready(server, engines)


def check_ready(server, engines):
    assert server.client.get("/v2/health/ready").status_code == 200
    engines["voc"].resumed.clear()
    stuck = threading.Thread(target=segment, args=(server, "voc"))
    stuck.start()
    wait_until(lambda: server.client.get("/v2/models/voc/ready").status_code == 503)
    assert server.client.get("/v2/health/ready").status_code == 503
    # The other one no longer waits for it.
    assert segment(server, "camvid").status_code == 200
    assert server.client.get("/v2/models/camvid/ready").status_code == 200
    engines["voc"].resumed.set()
    stuck.join(20)
    wait_until(lambda: server.client.get("/v2/health/ready").status_code == 200)


def test_two_models_of_one_name_are_refused(tmp_path, engines):
    with running_models(tmp_path, engines) as (_, services):
        with pytest.raises(ValueError, match=r"different names\. Received: voc"):
            ServedModels([services["voc"], services["voc"]])
        assert ServedModels([*services.values()]).names == ("voc", "camvid")
