"""Image files in each EXIF orientation, and what other programs see in them."""

from io import BytesIO

import cv2
import numpy as np
from PIL import ExifTags, Image
from pycocotools import mask as coco_mask

ORIENTATIONS = range(1, 9)


def turned_file(orientation, suffix=".png"):
    """Returns an image of three gray levels in blocks of a JPEG, not square, and different on each side."""
    levels = np.random.default_rng(0).choice(np.array([30, 128, 225], np.uint8), (5, 7))
    pixels = levels.repeat(8, axis=0).repeat(8, axis=1)
    exif, file = Image.Exif(), BytesIO()
    exif[ExifTags.Base.Orientation] = orientation
    image = Image.fromarray(np.stack([pixels] * 3, axis=-1))
    image.save(file, Image.registered_extensions()[suffix], exif=exif)
    return file.getvalue()


def seen_by_opencv(data):
    """Returns the RGB pixels that `cv2.imread` shows."""
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def label_of_annotations(document, image_id=None):
    """Returns the indices of the names "dark", "grey" and "light" by COCO's annotations; 255 elsewhere."""
    names = {one["id"]: one["name"] for one in document["categories"]}
    images = document.get("images") or [document["image"]]
    (image,) = (one for one in images if image_id in (None, one["id"]))
    label = np.full((image["height"], image["width"]), 255, np.uint8)
    for one in document["annotations"]:
        if one["image_id"] == image["id"]:
            encoded = one["segmentation"]
            if isinstance(encoded, list):
                encoded = coco_mask.merge(coco_mask.frPyObjects(encoded, *label.shape))
            mask = coco_mask.decode(encoded) == 1
            assert one["bbox"] == [int(number) for number in cv2.boundingRect(mask.view(np.uint8))]
            label[mask] = ("dark", "grey", "light").index(names[one["category_id"]])
    return label
