"""Tests of weights in half the bytes."""

from pathlib import Path

import half_weights
import numpy as np
import pytest
from weight_files import encode_keras, vgg16_arrays

from fcn.training.start import load_start
from fcn.weights.reader import read_layers


def test_a_net_starts_from_half_of_the_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole, half = tmp_path / "whole.h5", tmp_path / "half.h5"
    arrays = vgg16_arrays(top=False)
    whole.write_bytes(encode_keras(arrays))
    change = half_weights.halve(whole, half)
    assert 0 < change < 1 / 2048
    saved = whole.stat().st_size - half.stat().st_size
    assert saved >= 0.45 * sum(array.nbytes for blobs in arrays.values() for array in blobs)
    layers = list(read_layers(half))
    assert [layer.name for layer in layers] == list(arrays)
    for layer in layers:
        for read, written in zip(layer.blobs, arrays[layer.name], strict=True):
            assert read.dtype == np.float32
            np.testing.assert_array_equal(read, written.astype(np.float16).astype(np.float32))
    source = load_start(str(half))
    assert (source.has_scores, source.missing) == (False, ("fc6", "fc7"))
    kernel = source.model.get_layer("block5_conv3").kernel
    np.testing.assert_allclose(kernel, arrays["block5_conv3"][0], rtol=1 / 2048, atol=1e-7)
    assert "VGG16 of ImageNet, Keras, convolutions alone" in capsys.readouterr().err


def test_what_float16_cannot_hold_is_refused(tmp_path: Path) -> None:
    (tmp_path / "large.h5").write_bytes(encode_keras({"conv": [np.float32([1.0, 70_000.0])]}))
    with pytest.raises(ValueError, match=r"large\.h5: conv/conv_W_1:0: expected values up to 65504"):
        half_weights.halve(tmp_path / "large.h5", tmp_path / "half.h5")
