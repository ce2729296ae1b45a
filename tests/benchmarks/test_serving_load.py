"""More than a server can do, for a while: it answers rightly or says 429."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import serving_load as benchmark
from served import served

from fcn.data.image_io import encode_jpeg
from fcn.models.fcn import FCN
from fcn.runs.model_file import save_model

CLIENTS, QUEUE = 64, 24
MEBIBYTE = 2**20


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(12):
        coarse = rng.integers(0, 256, (4, 5, 3), np.uint8)
        smooth = cv2.resize(coarse, (180 + 10 * index, 240), interpolation=cv2.INTER_CUBIC)
        (folder / f"{index}.jpg").write_bytes(encode_jpeg(smooth))
    return folder


@pytest.mark.exhaustive
@pytest.mark.parametrize("seconds", [12, 60])
def test_twice_what_can_be_sustained_is_answered_rightly_or_refused(
    seconds: int, images: Path, tmp_path: Path
) -> None:
    net = FCN(5, width=1 / 8, fc_channels=32)
    rng = np.random.default_rng(1)
    net.set_weights([rng.normal(0, 0.1, weight.shape) for weight in net.get_weights()])
    save_model(net, tmp_path / "net.keras")
    asked = benchmark.questions(tmp_path / "net.keras", images, 12)
    assert len({len(np.unique(question.label)) for question in asked} - {1}) > 0
    with served(tmp_path / "net.keras", ["--queue", str(QUEUE)]) as server:
        rate, alone = benchmark.sustain(server, asked, 5)
        assert set(alone.outcomes) == {"answered"}
        tally, memory = benchmark.crowd(server, asked, 2 * rate, CLIENTS, seconds)
    # Nothing but right answers and refusals, both of which there are.
    assert set(tally.outcomes) == {"answered", "refused"}, tally.outcomes
    assert tally.outcomes["answered"] > seconds
    # None is lost: all clients together had so many requests to make.
    assert sum(tally.outcomes.values()) == pytest.approx(2 * rate * seconds, abs=2)
    assert tally.worst >= benchmark.ALIKE
    assert np.median(memory[-5:]) - np.median(memory[5:10]) < 100 * MEBIBYTE, memory
