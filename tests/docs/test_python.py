"""The loss of docs/python.md, copied from the page."""

import re
from pathlib import Path

import numpy as np
import pytest
from conftest import ThinNet

from fcn.inference.predictor import Predictor

pytestmark = pytest.mark.slow

TEXT = (Path(__file__).parents[2] / "docs" / "python.md").read_text()


def test_a_loss_of_ones_own_trains_a_net(
    thin_net: ThinNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (code,) = re.findall(r"^```python\n(import keras\n.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    Path("runs").mkdir()
    thin_net().save("runs/mine.keras")
    rng = np.random.default_rng(0)
    labels = rng.choice(np.array([0, 1, 2, 255], np.uint8), (4, 24, 32))
    pages: dict[str, object] = {"images": rng.uniform(0, 255, (4, 24, 32, 3)), "labels": labels}
    exec(code.replace("runs/mine", "runs/mine.keras"), pages)
    tversky, net = pages["tversky"], pages["net"]
    sure = 50 * np.eye(3, dtype=np.float32)[np.where(labels == 255, 1, labels)]
    assert float(tversky(labels, sure)) == pytest.approx(0, abs=1e-3)
    assert float(tversky(labels, -sure)) > 0.5
    image = rng.integers(0, 256, (24, 32, 3), np.uint8)
    expected = Predictor(net).predict(image).label
    np.testing.assert_array_equal(Predictor("mine.keras").predict(image).label, expected)
