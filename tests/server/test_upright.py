"""Every answer about an image file fits it as OpenCV reads it, in all eight orientations."""

import base64
import json

import numpy as np
import pytest
from http_server import png_pixels, running_server
from job_program import Brightness
from pausable_engine import PausableEngine
from turned_files import ORIENTATIONS, label_of_annotations, seen_by_opencv, turned_file

SEGMENT = "/v1/models/fcn:segment?output="
SHARES = np.arange(3)[:, None, None]


class ServedBrightness(PausableEngine, Brightness):
    """Labels by brightness, in a server that a test starts."""

    classes = Brightness.classes
    label, logits = Brightness.label, Brightness.logits

    def __init__(self):
        PausableEngine.__init__(self)
        self.classes, self.seconds = Brightness.classes, 0


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("model"), ServedBrightness()) as server:
        yield server.client


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_all_forms_of_segment_are_upright(client, orientation, suffix):
    data = turned_file(orientation, suffix)
    pixels = seen_by_opencv(data)
    expected = pixels[..., 0] // 86
    areas = dict(zip(Brightness.classes.names, (expected == SHARES).mean(axis=(1, 2)), strict=True))
    for output in ("ids", "label"):
        answer = client.post(f"{SEGMENT}{output}", content=data)
        np.testing.assert_array_equal(png_pixels(answer.content), expected)
        assert json.loads(answer.headers["x-fcn-areas"]) == pytest.approx(areas, abs=1e-6)
    overlay = seen_by_opencv(client.post(f"{SEGMENT}overlay", content=data).content)[: expected.shape[0]]
    assert overlay.shape == pixels.shape
    assert np.corrcoef(overlay.mean(axis=-1).ravel(), pixels[..., 0].ravel())[0, 1] > 0.5
    for output in ("rle", "polygons"):
        document = client.post(f"{SEGMENT}{output}", content=data).json()
        np.testing.assert_array_equal(label_of_annotations(document), expected)
        assert document["areas"] == pytest.approx(areas)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_the_other_protocols_are_upright(client, orientation):
    data = turned_file(orientation, ".jpg")
    expected = seen_by_opencv(data)[..., 0] // 86
    text = base64.b64encode(data).decode()
    rows = client.post("/v1/models/fcn:predict", json={"instances": [{"b64": text}]}).json()
    (row,) = rows["predictions"]
    image = {"name": "image_bytes", "datatype": "BYTES", "shape": [1], "data": [text]}
    image["parameters"] = {"content_type": "base64"}
    label, areas, _ = client.post("/v2/models/fcn/infer", json={"inputs": [image]}).json()["outputs"]
    for encoded in (row["label_png_bytes"]["b64"], label["data"][0]):
        np.testing.assert_array_equal(png_pixels(base64.b64decode(encoded)), expected)
    for shares in (row["class_areas"], areas["data"]):
        assert shares == pytest.approx((expected == SHARES).mean(axis=(1, 2)))
