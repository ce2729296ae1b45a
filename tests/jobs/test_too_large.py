"""Images that take more memory than there is: they fail alone, and the job goes on."""

import re
from pathlib import Path

import numpy as np
import pytest
from job_program import Brightness, run_job
from photographs import contents_below, write_image

import fcn.jobs.pipeline
from fcn.data.image_io import Pixels
from fcn.errors import RunError
from fcn.inference.engines.engine import Floats, Labeled
from fcn.jobs.store import STORE_NAME, JobStore


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(6):
        write_image(tmp_path / "in" / f"{number}.png")
    return tmp_path / "in"


class Refuses(Brightness):
    """Refuses batches with the darkest image among them."""

    def __init__(self, error: Exception, darkest: int) -> None:
        super().__init__()
        self.error, self.darkest = error, darkest

    def label(self, images: Pixels) -> Labeled:
        if (images.reshape(len(images), -1).sum(axis=1) == self.darkest).any():
            raise self.error
        return super().label(images)


def darkest_of(folder: Path) -> tuple[Path, int]:
    from fcn.data.image_io import read_image

    sums = {path: int(read_image(path).sum()) for path in sorted(folder.iterdir())}
    path = min(sums, key=lambda path: sums[path])
    return path, sums[path]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError("12 TB"), "cannot be labeled: there was not enough memory.*--memory.*"),
        (RunError("exports/1: Export it again."), "cannot be labeled: exports/1: Export it again."),
    ],
)
def test_only_the_guilty_of_a_batch_fails(
    error: Exception, reason: str, folder: Path, tmp_path: Path
) -> None:
    path, darkest = darkest_of(folder)
    result = run_job(tmp_path / "out", folder, batch_size=4, engine=Refuses(error, darkest))
    assert [found for found, _ in result.failed] == [path]
    assert result.written == 5
    assert re.fullmatch(reason, result.failed[0][1])
    run_job(tmp_path / "whole", folder, batch_size=4)
    whole = contents_below(tmp_path / "whole")
    assert contents_below(tmp_path / "out") == {
        name: data for name, data in whole.items() if not name.startswith(path.stem)
    }
    again = run_job(tmp_path / "out", folder, batch_size=4)
    assert (again.written, len(again.failed)) == (0, 1)


def test_a_programming_error_stops_the_job(folder: Path, tmp_path: Path) -> None:
    _, darkest = darkest_of(folder)
    with pytest.raises(TypeError, match="wrong"):
        run_job(tmp_path / "out", folder, engine=Refuses(TypeError("wrong"), darkest))


def test_few_large_images_are_in_memory(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Counts(Brightness):
        in_hand = 0

        def label(self, images: Pixels) -> Labeled:
            store = JobStore(tmp_path / "out")
            self.in_hand = max(self.in_hand, store.count("doing"))
            store.close()
            return super().label(images)

        def logits(self, images: Pixels) -> Floats:
            self.label(images)
            return super().logits(images)

    for number in range(30):
        write_image(folder / f"large {number:02}.png", 40, 40)
    # Many; then fewer than one has, so that there is one, and two of which the store is not yet told.
    # With probabilities of three classes a pixel counts two and a half times.
    plain, probabilities = ("palette",), ("palette", "probabilities")
    for kinds, pixels, least, most in (
        (plain, 100_000, 4, 8),
        (plain, 1000, 1, 3),
        (plain, 3000, 3, 5),
        (probabilities, 3000, 1, 3),
    ):
        monkeypatch.setattr(fcn.jobs.pipeline, "_MAX_PIXELS_IN_MEMORY", pixels)
        engine = Counts()
        (tmp_path / "out" / STORE_NAME).unlink(missing_ok=True)
        assert run_job(tmp_path / "out", folder, batch_size=1, engine=engine, kinds=kinds).labeled == 36
        assert least <= engine.in_hand <= most
        assert np.sum([shape[0] for shape in engine.batches]) == 36
