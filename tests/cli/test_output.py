"""Commands whose output cannot be written, or that lack memory."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from photographs import write_image

from fcn.cli.main import main

ROOT = Path(__file__).parents[2]
GENERATE = ("data", "generate", "drawn", "--train", "1", "--val", "1")


def start(folder: Path, output: int, *arguments: str, kilobytes: object = "unlimited") -> tuple[int, str]:
    """Runs a command with limited memory; returns its exit code and its messages."""
    done = subprocess.run(
        ["sh", "-c", f'ulimit -v {kilobytes}; exec "$@"', "sh", sys.executable, "-m", "fcn", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=300,
    )
    return done.returncode, done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_on_a_full_disk_is_one_message(tmp_path: Path) -> None:
    with open("/dev/full", "wb") as full:
        code, said = start(tmp_path, full.fileno(), *GENERATE)
    assert (code, said.count("\n")) == (2, 1), said
    assert "No space left on device. Free space" in said
    assert (tmp_path / "drawn" / "labels.txt").exists()


def test_a_reader_that_has_ended_is_no_error(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        assert start(tmp_path, writer, *GENERATE) == (141, "")
    finally:
        os.close(writer)
    assert (tmp_path / "drawn" / "labels.txt").exists()


@pytest.mark.slow
@pytest.mark.parametrize("megabytes", [400, 900])
def test_too_little_memory_is_a_message(megabytes: int, model_path: Path, tmp_path: Path) -> None:
    command = ("inspect", str(model_path))
    code, said = start(tmp_path, subprocess.DEVNULL, *command, kilobytes=megabytes << 10)
    assert (code, said.count("\n")) == (2, 1), said
    assert "not enough memory" in said


def test_names_that_the_terminal_cannot_print_are_escaped(
    net, model_path: Path, make_dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photographs, output, dataset = tmp_path / "größe", tmp_path / "漢字", tmp_path / "données"
    write_image(photographs / "é.jpg")
    (photographs / "ü.jpg").write_bytes(b"nothing")
    make_dataset(dataset, {"train": ("ä",), "val": ("ö",)}, class_names=net.class_names)
    scores = tmp_path / "résultats.json"
    commands: list[tuple[int, list[object], str]] = [
        (1, ["infer", model_path, photographs, "--output", output], r"\u6f22\u5b57"),
        (0, ["data", "check", dataset], r"donn\xe9es"),
        (0, ["evaluate", model_path, "--data", dataset, "--split", "val", "--output", scores], ""),
        (0, ["inspect", model_path], ""),
        (0, ["weights"], ""),
    ]
    for code, command, expected in commands:
        stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", stream)
            with pytest.raises(SystemExit) as stopped:
                main([str(argument) for argument in command])
        assert (stopped.value.code or 0) == code, command
        stream.flush()
        printed = stream.buffer.getvalue().decode("ascii")  # type: ignore[attr-defined]
        assert printed, command
        assert expected in printed, command


def test_the_encoding_of_the_environment_is_no_reason_to_fail(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fcn", "data", "generate", "données", "--train", "1", "--val", "1"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"donn\xe9es" in done.stdout
