"""Both protocols on a real net: they say what the net says."""

from io import BytesIO

import cv2
import numpy as np
import pytest
from http_server import png_pixels, running_service, server_resources
from PIL import Image

from fcn.data.image_io import decode_image, encode_png
from fcn.inference.predictor import Predictor
from fcn.server.protocols.json_tensors import decode_base64, encode_base64
from fcn.server.service import Service

PREDICT, INFER = "/v1/models/fcn:predict", "/v2/models/fcn/infer"


@pytest.fixture(scope="module")
def client(model_path):
    service = Service("fcn", model_path, Predictor, server_resources())
    with running_service(service) as server:
        yield server.client
    service.close()


@pytest.fixture(scope="module")
def images():
    coarse = np.random.default_rng(0).integers(0, 256, (2, 5, 6, 3), np.uint8)
    return np.stack([cv2.resize(image, (46, 37), interpolation=cv2.INTER_CUBIC) for image in coarse])


@pytest.fixture(scope="module")
def logits(net, images):
    return net.predict_on_batch(images.astype(np.float32))


def test_tensorflow_logits_and_labels(client, images, logits):
    body = {"signature_name": "predict_logits", "instances": images.tolist()}
    answer = np.array(client.post(PREDICT, json=body).json()["predictions"], np.float32)
    np.testing.assert_allclose(answer, logits, rtol=1e-4, atol=1e-4)
    body = {"signature_name": "predict_tensor", "inputs": images.tolist()}
    label = np.array(client.post(PREDICT, json=body).json()["outputs"])
    np.testing.assert_array_equal(label, answer.argmax(-1))
    assert len(np.unique(label)) > 1


def test_encoded_images_of_two_formats(client, net, images):
    jpeg = BytesIO()
    Image.fromarray(images[1]).save(jpeg, "JPEG")
    files = [encode_png(images[0]), jpeg.getvalue()]
    rows = [{"b64": encode_base64(data)} for data in files]
    predictions = client.post(PREDICT, json={"instances": rows}).json()["predictions"]
    entry = {
        "name": "image_bytes",
        "datatype": "BYTES",
        "shape": [2],
        "data": [row["b64"] for row in rows],
        "parameters": {"content_type": "base64"},
    }
    outputs = client.post(INFER, json={"inputs": [entry]}).json()["outputs"]
    assert outputs[0]["data"] == [prediction["label_png_bytes"]["b64"] for prediction in predictions]
    assert outputs[1]["data"] == [area for prediction in predictions for area in prediction["class_areas"]]
    assert outputs[2]["data"] == [prediction["mean_confidence"] for prediction in predictions]
    for data, prediction in zip(files, predictions, strict=True):
        scores = net.predict_on_batch(decode_image(data)[np.newaxis].astype(np.float32))[0].astype(np.float64)
        label = png_pixels(decode_base64(prediction["label_png_bytes"]["b64"], ""))
        # Graph and eager kernels may round a tie to different sides.
        assert (label == scores.argmax(-1)).mean() > 0.999
        areas = [(label == index).mean() for index in range(3)]
        np.testing.assert_allclose(prediction["class_areas"], areas, atol=1e-6)
        probabilities = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
        assert prediction["mean_confidence"] == pytest.approx(probabilities.max(-1).mean(), abs=1e-4)
