"""`POST /v1/models/NAME:segment`: takes an image file, returns its label in one of several forms."""

import json
from collections.abc import Mapping
from functools import partial
from itertools import accumulate
from typing import Annotated, Any, get_args

import orjson
from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from fcn.data.image_forms import START_BYTES, find_form
from fcn.data.image_header import IMAGE_FORMATS
from fcn.outputs.coco import TooManyCornersError
from fcn.outputs.coco_document import Categories
from fcn.outputs.overlay_style import DEFAULT_STYLE
from fcn.outputs.prediction import Prediction
from fcn.outputs.record import Record
from fcn.outputs.render import render
from fcn.server.interface import ErrorKind, ServerError
from fcn.server.openapi import GZIP_NOTE, JSON
from fcn.server.protocols.routes import NAME, json_response
from fcn.server.protocols.segment_form import Form, Output, read_form
from fcn.server.request_body import read_body
from fcn.server.served_models import ServedModels
from fcn.server.service import Service
from fcn.server.validation import shorten
from fcn.system.text import counted

_FILE_NAME = "image"
"""Of the image in a COCO document: the server does not know its name."""

_JSON_OUTPUTS = ("rle", "polygons")
_MOST_CORNERS = 100_000
"""Of the polygons of an answer; tracing them takes at most some seconds of a core."""
# Proxies have 4 KiB for all headers of a response, such as nginx by default, and answer 502 beyond that.
_AREAS_BYTES = 2048
_INFER_OUTPUTS = {"label": "palette"}  # names of `infer.py` that differ
_MEDIA_TYPES = {
    "label": "image/png",
    "ids": "image/png",
    "overlay": "image/jpeg",
    "uncertainty": "image/png",
}

_HEADERS: dict[str, tuple[str, str]] = {
    "X-Fcn-Version": ("integer", "Version of the model that labeled the image."),
    "X-Fcn-Engine": ("string", "Name and precision of the engine."),
    "X-Fcn-Mean-Confidence": ("number", "Probability of the predicted class, averaged over all pixels."),
    "X-Fcn-Doubtful": ("number", "Share of the pixels whose label has a probability below 0.7."),
    "X-Fcn-Areas": (
        "string",
        "JSON object in ASCII: area of each class that occurs, 0 to 1, largest first, in at most 2 KiB.",
    ),
    "X-Fcn-Areas-Left-Out": ("integer", "How many further classes occur; only if there are any."),
    "X-Fcn-Orientation": (
        "integer",
        "1: labels and overlays are upright, whatever the EXIF orientation of the image.",
    ),
    "Server-Timing": ("string", "Milliseconds for decoding, for the engine with waiting, and for encoding."),
}
_ANSWER: dict[str, Any] = {
    "description": "The label. label: a PNG in the colors of the classes; ids: a grayscale PNG of class ids; "
    "overlay: a JPEG with a legend; uncertainty: a grayscale PNG, 255 times 1 - the probability of the "
    "label; rle, polygons: COCO annotations.",
    "content": {
        "image/png": {"schema": {"type": "string", "format": "binary"}},
        "image/jpeg": {"schema": {"type": "string", "format": "binary"}},
        JSON: {"schema": {"type": "object"}},
    },
    "headers": {
        name: {"description": text, "schema": {"type": kind}} for name, (kind, text) in _HEADERS.items()
    },
}
_BODY = {
    "requestBody": {
        "description": f"The content of an image file ({IMAGE_FORMATS}). Its Content-Type is ignored, but "
        f"forms are rejected. {GZIP_NOTE}",
        "required": True,
        "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
    }
}
_ROUTE: dict[str, Any] = {
    "response_class": Response,
    "responses": {200: _ANSWER},
    "openapi_extra": _BODY,
    "tags": ["segment"],
}


def segment_routes(models: ServedModels[Service]) -> APIRouter:
    """Returns the routes that label an image file and list the classes.

    Args:
        models: The models.
    """
    router = APIRouter()
    path = "/v1" + NAME
    model = Annotated[str, Path(json_schema_extra={"enum": [*models.names]})]
    form = Annotated[Form, Depends(read_form)]

    @router.post(f"{path}:segment", summary="Labels an image", operation_id="segment", **_ROUTE)
    async def segment(request: Request, name: model, form: form) -> Response:
        return await _segment(models.find(name), request, form, None)

    @router.post(
        f"{path}/versions/{{version}}:segment",
        summary="Labels an image with one version of the model",
        operation_id="segment_version",
        **_ROUTE,
    )
    async def segment_version(
        request: Request,
        name: model,
        version: Annotated[int, Path(ge=0)],
        form: form,
    ) -> Response:
        return await _segment(models.find(name), request, form, version)

    @router.get(
        f"{path}:classes",
        summary="Returns the classes of a model",
        operation_id="classes",
        response_class=Response,
        responses={200: {"content": {JSON: {"schema": {"type": "object"}}}}},
        tags=["segment"],
    )
    async def classes(name: model) -> Response:
        service = models.find(name)
        served = service.describe()
        document = {
            "name": service.name,
            "version": served.version,
            "engine": served.engine,
            "names": served.classes.names,
            "palette": served.classes.palette,
            "overlay_palette": DEFAULT_STYLE.recolor(served.classes).palette,
            "outputs": get_args(Output),
            "max_bytes": service.limits.request_bytes,
            "max_pixels": service.limits.image_pixels,
        }
        return json_response(document)

    return router


async def _segment(service: Service, request: Request, form: Form, version: int | None) -> Response:
    data = await read_body(request)
    if request.headers.get("content-type", "").lower().startswith("multipart/"):
        raise _expected_file(ErrorKind.UNSUPPORTED_MEDIA_TYPE, "a form")
    try:
        segmented = await service.segment(data, partial(_encode, form), version)
    except ServerError as error:
        received = _not_a_file(data) if error.kind is ErrorKind.BAD_REQUEST else None
        if received is None:
            raise
        raise _expected_file(error.kind, received) from error
    except TooManyCornersError:
        raise ServerError(
            ErrorKind.TOO_LARGE,
            f"Expected polygons with at most {_MOST_CORNERS:,} corners. Received: a label with more. Leave "
            f"out more small regions with min_area=PIXELS (now {form.options.min_area}), or request "
            "output=rle.",
        ) from None
    content, record = segmented.rendered
    headers = {
        "X-Fcn-Version": str(segmented.version),
        "X-Fcn-Engine": segmented.engine,
        "X-Fcn-Mean-Confidence": f"{record['mean_confidence']:.6f}",
        **({"X-Fcn-Doubtful": f"{record['doubtful']:.6f}"} if "doubtful" in record else {}),
        **_area_headers(record["areas"]),
        "X-Fcn-Orientation": "1",
        "Server-Timing": ", ".join(
            f"{name};dur={1000 * value:.2f}" for name, value in segmented.seconds.items()
        ),
    }
    return Response(content, headers=headers, media_type=_MEDIA_TYPES.get(form.output, JSON))


def _not_a_file(data: bytes) -> str | None:
    r"""Describes a body that is not an image file; returns None if it begins like one.

    Example:
        >>> _not_a_file(b""), _not_a_file(b"image.jpg"), _not_a_file(b"\xff"), _not_a_file(b"BM6")
        ('nothing', 'the text "image.jpg"', '1 byte that is not an image', None)
    """
    start = data[:START_BYTES]
    if not start:
        return "nothing"
    if find_form(start) is not None:
        return None
    if start.isascii():
        return f"the text {shorten(start.decode())}"
    return counted(len(data), "byte that is not an image", "bytes that are not an image")


def _expected_file(kind: ErrorKind, received: str) -> ServerError:
    return ServerError(
        kind,
        f"Expected an image file ({IMAGE_FORMATS}) as body. Received: {received}. Send the file itself, in "
        "curl with --data-binary @FILE.",
    )


def _area_headers(areas: Mapping[str, float]) -> dict[str, str]:
    """Returns the headers with the areas of classes; the smallest are left out if they do not fit.

    Example:
        >>> _area_headers({"sky": 0.25, "sea": 0.75})
        {'X-Fcn-Areas': '{"sea": 0.75, "sky": 0.25}'}
    """
    shares = [(name, round(share, 6)) for name, share in sorted(areas.items(), key=lambda area: -area[1])]
    sizes = accumulate(len(json.dumps({name: share})) for name, share in shares)
    fitting = sum(size <= _AREAS_BYTES for size in sizes)
    headers = {"X-Fcn-Areas": json.dumps(dict(shares[:fitting]))}
    if fitting < len(shares):
        headers["X-Fcn-Areas-Left-Out"] = str(len(shares) - fitting)
    return headers


def _encode(form: Form, prediction: Prediction) -> tuple[bytes, Record]:
    """Returns the body of a response, the same bytes as `infer.py` writes, and the record of the image."""
    prediction.style = form.style
    kind = _INFER_OUTPUTS.get(form.output, form.output)
    rendered = render([kind], prediction, form.options, _MOST_CORNERS)
    if form.output not in _JSON_OUTPUTS:
        (content,) = rendered.files.values()
        return content, rendered.record
    record = rendered.record
    size = {"width": record["width"], "height": record["height"]}
    document = {
        "image": {"id": 1, **size},  # as before there were "images", in which COCO has it
        "images": [{"id": 1, "file_name": _FILE_NAME, **size}],
        "categories": Categories.of(prediction.classes, form.options.background).listed(),
        "annotations": [
            {"id": number, "image_id": 1, **annotation}
            for number, annotation in enumerate(record["annotations"], start=1)
        ],
        "areas": record["areas"],
        "mean_confidence": record["mean_confidence"],
        "left_out": record.get("left_out", 0),
        **({"doubtful": record["doubtful"]} if "doubtful" in record else {}),
    }
    return orjson.dumps(document), record
