"""`fcn suggest` as a user types it: what it prints and writes, and what it refuses."""

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from fcn.cli.main import main


def run(arguments: list[object], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main([*map(str, arguments)])
    captured = capsys.readouterr()
    return int(stopped.value.code or 0), captured.out, captured.err


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(4):
        coarse = np.random.default_rng(number).integers(0, 256, (5, 6, 3), np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), cv2.resize(coarse, (40, 32)))
    (folder / "copy.png").write_bytes((folder / "1.png").read_bytes())
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    return folder


@pytest.mark.slow
def test_images_are_printed_listed_and_copied(
    model_path: Path,
    images: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listed, output = images / "next" / "list.txt", images / "next" / "to_label"
    arguments = ["suggest", model_path, images, "--count", 2, "--list", listed, "--copy", output]
    code, printed, errors = run(arguments, capsys)
    assert code == 0
    assert errors.startswith("1 file could not be labeled, and cannot be chosen:\n")
    assert f"  {images / 'broken.jpg'}: " in errors
    assert "Left out 1 copy of other images." in errors
    paths = listed.read_text().splitlines()
    assert len(paths) == 2
    lines = printed.splitlines()
    assert lines[0] == "2 of 4 images, the first to label first:"
    assert [line.split()[1] for line in lines[2:4]] == paths
    assert f"Wrote {listed}: 2 paths." in lines
    assert lines[-1] == f"Open it: labelme {output} --labels {output}/labels.txt --nodata"
    documents = {path.stem for path in output.glob("*.json")}
    assert documents == {Path(path).stem for path in paths}

    # The new folder is in FOLDER, and a second call does not search it; the list goes into another command.
    shown = ["suggest", model_path, images, "--count", 50, "--json", "--copy", output.parent]
    (output.parent / "list.txt").rename(tmp_path / "list.txt")
    for path in [*output.iterdir()]:
        path.unlink()
    output.rmdir()
    code, printed, _ = run([*shown, "--labels", "cvat"], capsys)
    assert code == 0
    document = json.loads(printed)
    assert [one["path"] for one in document["chosen"][:2]] == paths
    assert len(document["chosen"]) == document["num_images"] == 4
    assert [Path(one["path"]).name for one in document["failed"]] == ["broken.jpg"]
    assert (document["num_copies"], document["num_seen"], document["num_videos"]) == (1, 0, 0)
    assert (output.parent / "annotations.xml").read_text().count("<image ") == 4
    stdin = SimpleNamespace(buffer=io.BytesIO((tmp_path / "list.txt").read_bytes()))
    monkeypatch.setattr(sys, "stdin", stdin)
    code, printed, _ = run(["infer", model_path, "-", "--output", tmp_path / "labels", "--json"], capsys)
    assert code == 0
    assert json.loads(printed)["labeled"] == 2


def test_mistakes_are_named(
    model_path: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*arguments: object) -> str:
        code, output, errors = run(["suggest", *arguments], capsys)
        assert code == 2
        assert "Traceback" not in output + errors
        return errors.rpartition("rror: ")[2]

    assert refused(model_path, images, "--labels", "cvat").startswith("--labels cvat: needs --copy OUT")
    assert "1 or more, received '0'" in refused(model_path, images, "--count", 0)
    assert refused(model_path, images, "--copy", images).startswith(f"{images}: exists already")
    assert refused(model_path, images, "--list", images).startswith(
        f"{images}: expected a file or a new name"
    )
    assert refused(tmp_path / "none", images).startswith(f"{tmp_path / 'none'}: ")
    assert refused(model_path, tmp_path / "none").startswith(f"{tmp_path / 'none'}: cannot be read")
