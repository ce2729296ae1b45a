"""`:segment` and `:classes` with an engine whose labels are known."""

import json
import re
import struct
import zlib
from io import BytesIO

import cv2
import numpy as np
import pytest
from http_server import running_server
from pausable_engine import PausableEngine
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from fcn.classes import Classes
from fcn.data.image_io import encode_jpeg, encode_png
from fcn.outputs.overlay import overlay_image
from fcn.outputs.overlay_style import DEFAULT_STYLE, OverlayStyle
from fcn.outputs.prediction import Prediction
from fcn.outputs.render import render

CLASSES = Classes.named(("0", "1", "2"))
URL = "/v1/models/fcn:segment"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("model"), PausableEngine(), request_bytes=100_000) as server:
        yield server.client


@pytest.fixture(scope="module")
def image():
    """A picture of 30 x 40 pixels, of class 2 but for a rectangle of class 1 and a hole in it."""
    image = np.full((30, 40, 3), 2, np.uint8)
    image[5:20, 10:30, 0] = 1
    image[8:12, 15:20, 0] = 0
    return image


@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "tiff", "bmp"])
def test_files_of_every_format_are_labeled_whatever_is_said_of_them(client, image, kind):
    _, data = cv2.imencode(f".{kind}", np.full((8, 9, 3), 1, np.uint8))
    answer = client.post(f"{URL}?output=ids", content=data.tobytes(), headers={"Content-Type": "text/html"})
    assert answer.status_code == 200
    np.testing.assert_array_equal(np.array(Image.open(BytesIO(answer.content))), np.ones((8, 9)))


@pytest.mark.parametrize(
    ("output", "kind", "media_type"),
    [("label", "palette", "image/png"), ("ids", "ids", "image/png"), ("overlay", "overlay", "image/jpeg")],
)
@pytest.mark.parametrize("orientation", [1, 6])
def test_files_are_those_of_infer(client, image, output, kind, media_type, orientation):
    file, exif = BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(image).save(file, "PNG", exif=exif)
    answer = client.post(f"{URL}?output={output}", content=file.getvalue())
    # Orientation 6: turned by a quarter, clockwise, the stored pixels are upright.
    upright = np.rot90(image, -1).copy() if orientation == 6 else image
    prediction = Prediction(upright, CLASSES, (upright[..., 0].copy(), 0.5))
    assert answer.content == next(iter(render([kind], prediction).files.values()))
    assert answer.headers["content-type"] == media_type
    assert answer.headers["x-fcn-orientation"] == "1"


def test_without_a_wish_it_is_the_label(client, image):
    data = encode_png(image)
    assert client.post(URL, content=data).content == client.post(f"{URL}?output=label", content=data).content


def test_headers_say_what_there_is_to_know(client, image):
    headers = client.post(URL, content=encode_png(image)).headers
    assert headers["x-fcn-version"] == "1"
    assert headers["x-fcn-engine"] == "held float32"
    assert float(headers["x-fcn-mean-confidence"]) == 0.5
    assert float(headers["x-fcn-doubtful"]) == 1
    areas = json.loads(headers["x-fcn-areas"])
    assert list(areas) == ["2", "1", "0"]
    np.testing.assert_allclose(list(areas.values()), [900 / 1200, 280 / 1200, 20 / 1200], atol=1e-6)
    timing = r"decode;dur=[\d.]+, engine;dur=[\d.]+, encode;dur=[\d.]+"
    assert re.fullmatch(timing, headers["server-timing"])


def test_names_of_classes_in_any_script_stand_in_headers_as_ascii(tmp_path, image):
    engine = PausableEngine()
    engine.classes = Classes.named(("Straße", "道\n", 'a"b'))
    with running_server(tmp_path, engine) as server:
        areas = server.client.post(URL, content=encode_png(image)).headers["x-fcn-areas"]
    assert areas.isascii()
    assert list(json.loads(areas)) == ['a"b', "道\n", "Straße"]


@pytest.mark.parametrize("output", ["rle", "polygons"])
def test_documents_hold_the_label(client, image, output):
    answer = client.post(f"{URL}?output={output}", content=encode_png(image))
    assert answer.headers["content-type"] == "application/json"
    document = answer.json()
    assert (document["image"]["width"], document["image"]["height"]) == (40, 30)
    assert [(one["id"], one["name"]) for one in document["categories"]] == [(1, "0"), (2, "1"), (3, "2")]
    assert document["mean_confidence"] == 0.5
    assert document["doubtful"] == 1
    assert document["areas"] == {"0": 20 / 1200, "1": 280 / 1200, "2": 900 / 1200}
    annotations = document["annotations"]
    assert [annotation["id"] for annotation in annotations] == list(range(1, len(annotations) + 1))
    label = np.full((30, 40), 255)
    for annotation in annotations:
        segmentation = annotation["segmentation"]
        if output == "polygons":
            segmentation = coco_mask.merge(coco_mask.frPyObjects(segmentation, 30, 40))
        label[coco_mask.decode(segmentation) == 1] = annotation["category_id"] - 1
    np.testing.assert_array_equal(label, image[..., 0])


def test_a_version_can_be_asked_for(client, image):
    data = encode_png(image)
    assert client.post("/v1/models/fcn/versions/1:segment", content=data).headers["x-fcn-version"] == "1"
    answer = client.post("/v1/models/fcn/versions/2:segment", content=data)
    assert answer.status_code == 404
    assert "request version 1" in answer.json()["error"]


def test_a_form_and_what_is_compressed_are_refused(client, image):
    data = encode_png(image)
    form = client.post(URL, files={"file": data})
    assert (form.status_code, "--data-binary" in form.json()["error"]) == (415, True)
    compressed = client.post(URL, content=zlib.compress(data), headers={"Content-Encoding": "deflate"})
    assert (compressed.status_code, "uncompressed" in compressed.json()["error"]) == (415, True)


@pytest.mark.parametrize(
    ("path", "content", "status", "message"),
    [
        (URL, b"", 400, "Received: nothing. Send the file itself, in curl with --data-binary @FILE."),
        (URL, b"image.jpg", 400, 'Received: the text "image.jpg". Send the file'),
        (URL, b"\x89PNG\x1a", 400, "Received: 5 bytes that are not an image."),
        (URL, encode_png(np.zeros((9, 9, 3), np.uint8))[:-20], 400, "truncated"),
        (URL, bytes(100_001), 413, "at most 100000 bytes"),
        (f"{URL}?output=picture", b"", 422, "'rle' or 'polygons'. Received: \"picture\"."),
        (f"{URL}?output=rle&min-area=9", b"", 400, 'Received: "min-area". Did you mean min_area?'),
        (
            "/v1/models/fcn/versions/1:segment?token=a",
            b"",
            400,
            'output, min_area, simplify, background, palette or opacity. Received: "token".',
        ),
        ("/v1/models/fcn/versions/one:segment", b"", 422, "version"),
        ("/v1/models/fcn/versions/-1:segment", b"", 422, "version"),
        (f"/v1/models/fcn/versions/{10**30}:segment", b"", 404, "request version 1"),
        ("/v1/models/other:segment", b"", 404, "the served model, fcn"),
    ],
)
def test_what_cannot_be_labeled_is_refused(client, path, content, status, message):
    answer = client.post(path, content=content)
    assert answer.status_code == status
    assert message in answer.json()["error"]


def test_an_image_of_too_many_pixels_is_refused_by_its_header(client):
    def chunk(kind, data):
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = struct.pack(">IIBBBBB", 20_000, 10_000, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(bytes(100))), chunk(b"IEND", b"")
    answer = client.post(URL, content=b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    assert answer.status_code == 413
    assert "20000 x 10000" in answer.json()["error"]


def test_a_page_learns_the_classes(client):
    document = client.get("/v1/models/fcn:classes").json()
    assert document["names"] == ["0", "1", "2"]
    assert document["palette"] == [list(color) for color in CLASSES.palette]
    shown = DEFAULT_STYLE.recolor(CLASSES).palette
    assert document["overlay_palette"] == [list(color) for color in shown]
    assert (document["name"], document["version"], document["engine"]) == ("fcn", 1, "held float32")
    assert document["outputs"] == ["label", "ids", "overlay", "uncertainty", "rle", "polygons"]
    assert document["max_bytes"] == 100_000


def test_polygons_of_noise_are_refused_before_they_are_traced(client):
    noise = np.random.default_rng(0).integers(0, 3, (400, 400, 3), np.uint8)
    data = encode_png(noise[:, :, :1].repeat(3, axis=2) // np.array([1, 255, 255], np.uint8))
    answer = client.post(f"{URL}?output=polygons&min_area=1", content=data)
    assert answer.status_code == 413
    assert "at most 100,000 corners" in answer.json()["error"]
    assert "min_area=PIXELS (now 1), or request output=rle" in answer.json()["error"]
    larger = client.post(f"{URL}?output=polygons&min_area=10000", content=data)
    assert larger.status_code == 200
    assert client.post(f"{URL}?output=rle", content=data).status_code == 200


@pytest.mark.parametrize("least", ["-1", "half", "0.5", "101%25", ""])
def test_an_area_that_infer_does_not_take_is_refused(client, image, least):
    answer = client.post(f"{URL}?output=polygons&min_area={least}", content=encode_png(image))
    assert (answer.status_code, "such as 50, or percent" in answer.json()["error"]) == (422, True)


def test_small_regions_are_left_out(client, image):
    areas = [
        [
            one["area"]
            for one in client.post(
                f"{URL}?output=polygons&min_area={least}", content=encode_png(image)
            ).json()["annotations"]
        ]
        for least in ("0", "1", "21", "2%25", "281", "50%25")
    ]
    assert areas == [[20, 280, 900], [20, 280, 900], [280, 900], [280, 900], [900], [900]]


@pytest.mark.parametrize(
    ("query", "style"),
    [
        ("", DEFAULT_STYLE),
        ("&palette=voc", OverlayStyle("voc")),
        ("&palette=bright&opacity=0.25", OverlayStyle("bright", 0.25)),
    ],
)
def test_overlays_have_the_colors_and_the_opacity_that_are_asked_for(client, image, query, style):
    for path in (URL, "/v1/models/fcn/versions/1:segment"):
        answer = client.post(f"{path}?output=overlay{query}", content=encode_png(image))
        assert answer.content == encode_jpeg(overlay_image(image, image[..., 0], CLASSES, style))


@pytest.mark.parametrize("query", ["palette=/etc/passwd", "opacity=2", "opacity=nan", "opacity=half"])
def test_styles_that_there_are_not_are_refused(client, image, query):
    answer = client.post(f"{URL}?output=overlay&{query}", content=encode_png(image))
    assert (answer.status_code, query.split("=")[0] in answer.json()["error"]) == (422, True)


def test_documents_have_the_form_of_infer(client):
    pixels = np.zeros((200, 200, 3), np.uint8)
    pixels[20, 20] = 1
    pixels[np.arange(200)[:, None] > 2 * np.arange(200) + 30] = 2
    data = encode_png(pixels)

    def document(query):
        return client.post(f"{URL}?output=polygons{query}", content=data).json()

    usual = document("")
    assert usual["images"] == [{"id": 1, "file_name": "image", "width": 200, "height": 200}]
    assert [one["category_id"] for one in usual["annotations"]] == [1, 3]
    assert usual["left_out"] == 1
    coco = COCO()
    coco.dataset = usual
    coco.createIndex()
    assert [one["name"] for one in coco.loadCats(coco.getCatIds())] == ["0", "1", "2"]
    assert (coco.annToMask(usual["annotations"][1]) == (pixels[..., 0] == 2)).all()
    numbered = document("&background=true&min_area=1")
    assert [one["id"] for one in numbered["categories"]] == [0, 1, 2]
    assert [one["category_id"] for one in numbered["annotations"]] == [0, 1, 2]
    assert numbered["left_out"] == 0
    simple = document("&simplify=true")
    corners = [sum(map(len, one["annotations"][1]["segmentation"])) // 2 for one in (usual, simple)]
    assert corners[0] > 150
    assert corners[1] < 10


def test_uncertainty_is_a_gray_png(client, image):
    answer = client.post(f"{URL}?output=uncertainty", content=encode_png(image))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    with Image.open(BytesIO(answer.content)) as picture:
        assert picture.mode == "L"
        assert np.array(picture).tolist() == np.full((30, 40), 128).tolist()  # its label has one half
