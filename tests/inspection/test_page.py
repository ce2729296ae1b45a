"""Tests of the page of an inspection."""

from pathlib import Path

import keras
import numpy as np
import pytest
from html_page import HOSTILE_NAMES, Page, structure

from fcn.inspection.effective import EffectiveField
from fcn.inspection.facts import inspect_model
from fcn.inspection.page import write_inspection_page


def written(name: str, folder: Path) -> Page:
    """Returns the page of a net with a name, as its layers have."""
    # Keras allows no slash in the name of a layer.
    layer = name.replace("/", "\\")
    net = keras.Sequential(
        [
            keras.Input((16, 16, 3), name=f"{layer}0"),
            keras.layers.Conv2D(2, 3, padding="same", dilation_rate=2, name=f"{layer}1"),
            keras.layers.Conv2DTranspose(2, 4, 2, padding="same", name=f"{layer}2"),
        ],
        name=f"{layer}3",
    )
    image = np.zeros((16, 16, 3), np.uint8)
    field = EffectiveField(np.full((16, 16), 1 / 256), (8, 8), (8, 8), 3, 5)
    write_inspection_page(folder / "page.html", inspect_model(net, (16, 16)), field, image, name)
    page = Page((folder / "page.html").read_text())
    assert page.open == []
    assert all(f"{layer}{number}" in page.text for number in (1, 2, 3))
    assert name in page.text
    return page


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_names_add_no_markup(name: str, tmp_path: Path) -> None:
    hostile, harmless = written(name, tmp_path), written("a" * len(name), tmp_path)
    assert len(hostile.all("svg")) > 0
    assert structure(hostile) == structure(harmless)
