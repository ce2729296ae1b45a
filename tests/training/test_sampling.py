"""Tests of trainings on balanced examples."""

from pathlib import Path

import numpy as np
import pytest
from html_page import Page
from rare_classes import CLASSES, PIXELS, RARE, write_rare_classes

from fcn.config.file import Config, load_saved_config
from fcn.data.class_shares import ClassShares
from fcn.data.sampling import ClassSampler
from fcn.errors import RunError
from fcn.pages.percent import percent
from fcn.runs.folder import RunFolder
from fcn.training.changes import changed_learning
from fcn.training.checked_data import read_checked
from fcn.training.checkpoint import Position
from fcn.training.loop import train
from fcn.training.run_check import check_run
from fcn.training.sampling import measure_shares, open_stream

pytestmark = pytest.mark.usefixtures("eager")
FIXTURES = Path(__file__).parents[1] / "fixtures" / "runs"


def configured(root: Path, **data: object) -> Config:
    return Config.model_validate(
        {
            "data": {"root": root, **data},
            "augmentation": {"crop_size": (32, 32), "scale": (0.8, 1.25)},
            "model": {"net": "fcn32s", "width": 1 / 32, "fc_channels": 8},
            "train": {"steps": 2, "batch_size": 3},
        }
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rare_classes(tmp_path_factory.mktemp("rare") / "data")


def test_the_check_counts_the_pixels_of_each_training_label(root: Path) -> None:
    data = read_checked(configured(root).data)
    np.testing.assert_array_equal(data.train_pixels, PIXELS)


def test_the_configuration_chooses_how_examples_are_drawn(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uniform, cold = configured(root), configured(root, sampling="balanced", sampling_temperature=0.02)
    data = read_checked(uniform.data)
    stream = open_stream(uniform, data, Position(0))
    assert stream.sampler is None
    assert measure_shares(uniform, stream, data.classes) is None
    stream = open_stream(cold, data, Position(0))
    assert isinstance(stream.sampler, ClassSampler)
    assert stream.sampler.probabilities.tolist() == ClassSampler(PIXELS, 0.02).probabilities.tolist()
    capsys.readouterr()
    shares = measure_shares(cold, stream, data.classes)
    assert shares is not None
    assert shares.num_drawn == 6
    errors = capsys.readouterr().err
    assert errors.startswith(
        "Balanced sampling: dog, the rarest class, has 0.13% of the labeled pixels of the training split and "
    )
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("saved", "wanted", "said"),
    [
        ({}, {"sampling": "balanced"}, "data.sampling: uniform -> balanced"),
        ({"sampling": "balanced"}, {}, "data.sampling: balanced -> uniform"),
        (
            {"sampling": "balanced"},
            {"sampling": "balanced", "sampling_temperature": 0.1},
            "data.sampling_temperature: 0.01 -> 0.1",
        ),
    ],
)
def test_a_run_is_not_resumed_with_another_sampling(
    saved: dict, wanted: dict, said: str, tmp_path: Path
) -> None:
    run = RunFolder(tmp_path)
    run.config.write_text(configured(tmp_path, **saved).to_yaml())
    with pytest.raises(RunError, match="was started with another configuration") as caught:
        check_run(run, configured(tmp_path, **wanted), resume=True)
    assert f"({said})" in str(caught.value)


def test_a_run_of_an_older_version_is_uniform() -> None:
    path = FIXTURES / "same" / "config.yaml"
    assert "  sampling" not in path.read_text()
    config = load_saved_config(path)
    assert (config.data.sampling, config.data.sampling_temperature) == ("uniform", 0.01)
    assert changed_learning(config, config) == []


def rows_of(shares: ClassShares) -> list[str]:
    """Returns the text of each row of the table."""
    rows = []
    for name, split, drawn in zip(CLASSES.names, shares.split.tolist(), shares.drawn.tolist(), strict=True):
        ratio = drawn / split if split else 0.0
        text = f"{ratio:.2f}" if ratio < 10 else f"{ratio:,.0f}"
        rows.append(f"{name}{percent(split)}{percent(drawn)}" + (text if split else ""))
    return rows


@pytest.mark.slow
def test_a_training_reports_the_shares_of_what_it_draws(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configured(root, sampling="balanced", sampling_temperature=0.3)
    run = train(config, tmp_path / "run").run
    assert "Balanced sampling: dog, the rarest class, has 0.13%" in capsys.readouterr().err
    stream = open_stream(config, read_checked(config.data), Position(0))
    labels = np.concatenate([stream[index][1].ravel() for index in range(6)])
    counts = np.bincount(labels[labels != 255], minlength=4)
    assert counts[RARE] > 0
    expected = ClassShares(CLASSES, PIXELS.sum(axis=0) / PIXELS.sum(), counts / counts.sum(), 6)
    page = Page(run.report.read_text())
    assert "the labels of the first 6 examples of this training" in page.text
    assert all(row in page.text for row in rows_of(expected))


@pytest.mark.slow
def test_a_uniform_training_reports_no_shares(root: Path, tmp_path: Path) -> None:
    run = train(configured(root), tmp_path / "run").run
    assert "Class shares" not in run.report.read_text()
