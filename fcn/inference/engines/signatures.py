"""What an exported model and a server take and answer: the one description of their signatures."""

from typing import NamedTuple

from fcn.classes import VOID

SERVING_DEFAULT, PREDICT_TENSOR, PREDICT_LOGITS = "serving_default", "predict_tensor", "predict_logits"
"""Encoded images in; pixels in; pixels in and scores of all classes out."""

UINT8, FLOAT32, STRING = "uint8", "float32", "string"
"""Types of elements; a string is bytes."""

ANY = -1
"""A side of a tensor that may be of any length."""


class Tensor(NamedTuple):
    """What a signature takes or answers under one name.

    Attributes:
        dtype: `UINT8`, `FLOAT32` or `STRING`.
        shape: Lengths of the sides, `ANY` where they vary. The first is the number of images.
    """

    dtype: str
    shape: tuple[int, ...]


class Signature(NamedTuple):
    """A way to ask a net about images.

    Attributes:
        inputs: What is given, by name.
        outputs: What is answered, by name.
    """

    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]


def signatures(num_classes: int) -> dict[str, Signature]:
    """Returns the signatures of a net, by name; the first is that of a request that names none.

    Args:
        num_classes: How many classes the net tells apart.

    Example:
        >>> signatures(21)["predict_logits"].outputs["logits"].shape
        (-1, -1, -1, 21)
    """
    if not 1 <= num_classes <= VOID:
        raise ValueError(f"Expected 1 to {VOID} classes. Received: num_classes={num_classes}.")
    pixels = {"images": Tensor(UINT8, (ANY, ANY, ANY, 3))}
    return {
        SERVING_DEFAULT: Signature(
            {"image_bytes": Tensor(STRING, (ANY,))},
            {
                "label_png_bytes": Tensor(STRING, (ANY,)),
                "class_areas": Tensor(FLOAT32, (ANY, num_classes)),
                "mean_confidence": Tensor(FLOAT32, (ANY,)),
            },
        ),
        PREDICT_TENSOR: Signature(pixels, {"label": Tensor(UINT8, (ANY, ANY, ANY))}),
        PREDICT_LOGITS: Signature(pixels, {"logits": Tensor(FLOAT32, (ANY, ANY, ANY, num_classes))}),
    }
