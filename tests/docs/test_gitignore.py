"""Tests that what README's commands write does not show up as new files of the repository."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMES = (
    *("comparing", "exporting", "gpu", "inspecting", "labeling", "many_machines", "own_labels", "pascal_voc"),
    *("serving", "weights"),
)
PAGES = (ROOT / "README.md", *(ROOT / "docs" / f"{name}.md" for name in NAMES))
# Downloads come without `--output`: they go to the folder that the command runs in.
OTHERS = [
    "VOCdevkit/VOC2012/labels.txt",
    "VOCtrainval_11-May-2012.tar.part",
    "benchmark.tgz",
    "benchmark_RELEASE/dataset/train.txt",
]


def git(*arguments: str, text: str = "") -> list[str]:
    run = subprocess.run(["git", *arguments], cwd=ROOT, input=text, capture_output=True, text=True)
    if run.returncode not in (0, 1):  # 1: none of the paths is ignored
        pytest.skip(f"not a git repository: {run.stderr.strip()}")
    return run.stdout.splitlines()


def written_paths() -> set[str]:
    """Returns what the commands write, or a file in it where that is a folder."""
    paths = set(OTHERS)
    for page in PAGES:
        commands = [line for line in page.read_text().splitlines() if line.startswith("    ")]
        for command in commands:
            command = command.partition("  #")[0]
            paths |= set(re.findall(r"(?:--output|--run|--html|\s>) ([\w.-][\w./-]*)", command))
            paths |= set(re.findall(r"fcn export \S+ (\S+)", command))
    return {path if Path(path).suffix else f"{path}/file" for path in paths}


def test_what_the_commands_write_is_ignored() -> None:
    paths = written_paths()
    assert {
        "runs/voc/file",
        "exported/voc/file",
        "labels/file",
        "areas/file",
        "fcn8s.html",
        "label.png",
    } <= paths
    ignored = git("check-ignore", "--no-index", "--stdin", text="\n".join(paths))
    assert sorted(paths - set(ignored)) == []


def test_no_file_of_the_repository_is_ignored() -> None:
    assert git("ls-files", "--cached", "--ignored", "--exclude-standard") == []
