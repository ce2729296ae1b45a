"""Tests that a server answers with the confidence of a calibrated net."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from http_server import server_resources

from fcn.data.image_io import encode_png
from fcn.inference.predictor import Predictor
from fcn.models.fcn import FCN
from fcn.outputs.probabilities import softmax
from fcn.outputs.temperature import Temperatures
from fcn.runs.arrival import write_file_sizes
from fcn.server.interface import InferenceRequest, string_tensor
from fcn.server.service import Service

VALUES = (0.5, 1.8, 4.0)
IMAGE = np.random.default_rng(0).integers(0, 256, (40, 57, 3), np.uint8)


def test_confidence_has_temperatures_and_scores_have_none(
    thin_net: Callable[..., FCN], tmp_path: Path
) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").touch()
    write_file_sizes(tmp_path / "1")
    predictor = Predictor(thin_net(temperatures=VALUES))
    service = Service("fcn", tmp_path, lambda path: predictor, server_resources())
    encoded, pixels = {"image_bytes": string_tensor([encode_png(IMAGE)])}, {"images": IMAGE[np.newaxis]}

    async def ask() -> tuple[np.ndarray, np.ndarray]:
        labeled = await service.infer(InferenceRequest("serving_default", encoded))
        scored = await service.infer(InferenceRequest("predict_logits", pixels))
        return labeled.outputs["mean_confidence"], scored.outputs["logits"]

    try:
        confidence, logits = asyncio.run(asyncio.wait_for(ask(), 60))
    finally:
        service.close()
    plain = Predictor(thin_net()).predict(IMAGE, with_logits=True).scores()
    np.testing.assert_array_equal(logits[0], plain)
    probabilities = softmax(plain, Temperatures(VALUES))
    assert confidence == pytest.approx([probabilities.max(axis=-1).mean()], rel=1e-4)
    assert abs(confidence[0] - softmax(plain).max(axis=-1).mean()) > 0.01
