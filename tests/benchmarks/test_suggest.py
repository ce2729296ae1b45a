"""Tests of the comparison of suggested and random images, on features of random numbers."""

from pathlib import Path

import numpy as np
import pytest
import suggest

from fcn.classes import Classes
from fcn.models.factory import build_model

CLASSES = Classes.named(("sky", "cat", "dog"))


@pytest.fixture
def images() -> suggest.Images:
    rng = np.random.default_rng(0)
    height, width = suggest.SIZE
    sizes = [(height // 8, width // 8, 8), (height // 16, width // 16, 16), (5, 6, 16)]
    pools = [rng.random((6, *size)).astype(np.float16) for size in sizes]
    labels = rng.integers(0, 3, (6, 40, 50)).astype(np.uint8)
    return suggest.Images([*"abcdef"], pools, labels)


@pytest.mark.slow
def test_images_are_chosen_of_the_pool_alone_and_scored(
    images: suggest.Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def thin_net(*_: object) -> object:
        return build_model("fcn8s", num_classes=3, width=1 / 32, fc_channels=8, input_scale=suggest.SCALE)

    monkeypatch.setattr(suggest, "new_net", thin_net)
    head = suggest.train(images.of("ab"), tmp_path, CLASSES, 2, 0)
    pool = images.of("fdce")
    chosen = suggest.choices(head, pool, 2, 3, 0)
    assert chosen.keys() == {*suggest.ARMS}
    for names in chosen.values():
        assert len({*names} & {*"cdef"}) == len(names) == 2
    assert chosen["suggest"][0] == chosen["uncertain"][0]
    assert 0 <= suggest.mean_iou(head, images.of("ab"), 3) <= 1


def test_the_table_has_each_seed_and_the_means(capsys: pytest.CaptureFixture[str]) -> None:
    scores = [
        {"first": 0.2, "random": 0.3, "uncertain": 0.31, "suggest": 0.32},
        {"first": 0.22, "random": 0.31, "uncertain": 0.29, "suggest": 0.3},
    ]
    suggest.print_table("held back", scores)
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows == [
        ["held", "back"],
        ["seed", "first", "random", "uncertain", "suggest", "difference"],
        ["0", "20.0", "30.0", "31.0", "32.0", "+2.0"],
        ["1", "22.0", "31.0", "29.0", "30.0", "-1.0"],
        ["mean", "21.0", "30.5", "30.0", "31.0", "+0.5"],
    ]
