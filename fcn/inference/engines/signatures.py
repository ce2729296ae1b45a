"""The signatures of exported models and servers: their inputs and outputs."""

from typing import NamedTuple

from fcn.classes import VOID

SERVING_DEFAULT, PREDICT_TENSOR, PREDICT_LOGITS = "serving_default", "predict_tensor", "predict_logits"
"""Encoded images in; pixels in; pixels in and scores of all classes out."""

UINT8, FLOAT32, STRING = "uint8", "float32", "string"
"""Element types; a string is bytes."""

ANY = -1
"""The length of a side that may vary."""


class Tensor(NamedTuple):
    """An input or output of a signature.

    Attributes:
        dtype: `UINT8`, `FLOAT32` or `STRING`.
        shape: Lengths of the sides, `ANY` where they vary. The first is the number of images.
    """

    dtype: str
    shape: tuple[int, ...]


class Signature(NamedTuple):
    """The inputs and outputs of one way to call a net.

    Attributes:
        inputs: The inputs by name.
        outputs: The outputs by name.
    """

    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]


def signatures(num_classes: int) -> dict[str, Signature]:
    """Returns the signatures of a net by name; the first is the default of a request.

    Args:
        num_classes: Number of classes.

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
