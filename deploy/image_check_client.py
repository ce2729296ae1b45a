"""Requests a label from the server inside an image through two interfaces; `image_check.sh` runs this."""

import base64
import json
from urllib.request import Request, urlopen

import cv2
import numpy as np

URL = "http://127.0.0.1:8501/v1/models/fcn"
HEIGHT, WIDTH = 61, 83


def post(address: str, body: bytes) -> bytes:
    """Posts a body; returns the body of the response."""
    with urlopen(Request(URL + address, body), timeout=60) as response:
        return response.read()


image = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
png = cv2.imencode(".png", image)[1].tobytes()
segmented = post(":segment?output=ids", png)
document = {"instances": [{"b64": base64.b64encode(png).decode()}]}
(prediction,) = json.loads(post(":predict", json.dumps(document).encode()))["predictions"]
predicted = base64.b64decode(prediction["label_png_bytes"]["b64"])
labels = [cv2.imdecode(np.frombuffer(data, np.uint8), -1) for data in (segmented, predicted)]
shapes = [label.shape for label in labels]
if shapes[0] != (HEIGHT, WIDTH) or not np.array_equal(*labels):
    raise SystemExit(f"Expected two equal labels of {HEIGHT} x {WIDTH}. Received: {shapes}.")
print(f"image-check: both interfaces give the same label of {WIDTH} x {HEIGHT}")
