"""Our corruptions change photographs as much as those of the package `imagecorruptions` (`make peers`)."""

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from peers import run_peer

from fcn.data.image_io import read_image
from fcn.evaluation.corruptions.corrupt import CORRUPTIONS, ELASTIC, corrupt
from fcn.evaluation.corruptions.kind import STRENGTHS

pytestmark = pytest.mark.slow

SIZE, TIMES = (300, 224), 6
EQUAL = ("defocus_blur", "brightness", "contrast", "pixelate", "jpeg_compression")
"""Corruptions without chance. Values differ by one: ours are rounded, theirs cut off."""
TOLERANCES = {
    **dict.fromkeys(("gaussian_noise", "shot_noise", "impulse_noise"), 0.02),
    "zoom_blur": 0.03,
    "snow": 0.06,
    "glass_blur": 0.15,  # a value may be taken twice, where theirs are swapped
    "motion_blur": 0.15,  # the angle is drawn once for an image
    "fog": 0.25,  # clouds of the size of the image
    "frost": 0.25,  # drawn, where theirs is cut out of six photographs, two of which are the same
}
"""How much the change of an image may differ, relative to theirs."""

Images = npt.NDArray[np.uint8]


class Corrupted(NamedTuple):
    """Photographs, and what became of them by corruption: `uint8[5, images, times, H, W, 3]`."""

    photographs: Images
    theirs: dict[str, Images]


@pytest.fixture(scope="module")
def corrupted(voc_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Corrupted:
    folder = tmp_path_factory.mktemp("corruptions")
    paths = sorted((voc_root / "JPEGImages").glob("*.jpg"))[:60:20]
    photographs = np.stack(
        [cv2.resize(read_image(path), SIZE, interpolation=cv2.INTER_AREA) for path in paths]
    )
    np.savez(folder / "photographs.npz", *photographs)
    program = Path(__file__).parents[2] / "corruptions_program.py"
    run_peer("python", program, "photographs.npz", TIMES, "corrupted.npz", folder=folder)
    with np.load(folder / "corrupted.npz") as file:
        return Corrupted(photographs, {name: file[name] for name in file.files})


def ours(photograph: Images, name: str, strength: int, seed: int = 0) -> Images:
    label = np.zeros(photograph.shape[:2], np.uint8)
    return corrupt(photograph, label, name, strength, np.random.default_rng(seed))[0]


def change(image: Images, before: Images) -> float:
    return float(np.abs(image.astype(np.float32) - before).mean())


def test_there_are_the_same_corruptions(corrupted: Corrupted) -> None:
    assert corrupted.theirs.keys() == CORRUPTIONS.keys() == {*EQUAL, *TOLERANCES, ELASTIC}


@pytest.mark.parametrize("name", EQUAL)
def test_without_chance_they_are_the_same_to_the_pixel(name: str, corrupted: Corrupted) -> None:
    for strength in STRENGTHS:
        for photograph, found in zip(
            corrupted.photographs, corrupted.theirs[name][strength - 1], strict=True
        ):
            difference = ours(photograph, name, strength).astype(int) - found[0]
            assert np.abs(difference).max() <= 1, strength


def relative_change(name: str, strength: int, corrupted: Corrupted) -> float:
    """Returns how much ours changes photographs, relative to theirs, on average over several draws."""
    mine, theirs = [], []
    every = corrupted.theirs[name][strength - 1]
    for photograph, found in zip(corrupted.photographs, every, strict=True):
        theirs += [change(image, photograph) for image in found]
        mine += [change(ours(photograph, name, strength, seed), photograph) for seed in range(len(found))]
    return float(np.mean(mine) / np.mean(theirs))


@pytest.mark.parametrize("name", TOLERANCES)
def test_with_chance_they_change_as_much(name: str, corrupted: Corrupted) -> None:
    for strength in STRENGTHS:
        assert relative_change(name, strength, corrupted) == pytest.approx(1, abs=TOLERANCES[name]), strength


def test_their_elastic_transform_is_another_and_milder(corrupted: Corrupted) -> None:
    """It has strengths of its own, and no affine part, which is most of the first two published ones."""
    for strength in STRENGTHS:
        assert 1 < relative_change(ELASTIC, strength, corrupted) < (8 if strength < 3 else 1.6), strength
