"""Weight files that would take minutes or gigabytes: each is refused, in one process with little of both."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hostile_weights import HOSTILE, write_all

from fcn.cli.main import main
from fcn.errors import RunError
from fcn.weights.reader import read_layers

# Their limits are only reached after a second of reading.
SLOW = {"caffemodel: countless blobs of one number", "h5: layers that hold themselves"}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(*file, id=name, marks=[pytest.mark.slow] * (name in SLOW))
        for name, file in HOSTILE.items()
    ],
)
def test_a_hostile_file_is_refused_with_one_message(make, message, place):
    path = place(make())
    with pytest.raises(RunError, match=message) as caught:
        list(read_layers(path))
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 1000
    assert caught.value.exit_code == 2


PROGRAM = """
import resource, sys
from pathlib import Path
from fcn.cli.main import main
from fcn.errors import RunError
from fcn.weights.reader import read_layers

used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (512 << 20),) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (200, 200))
for path in sys.argv[1:]:
    try:
        list(read_layers(Path(path)))
    except RunError as error:
        print(error)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space, as Linux can")
def test_hostile_files_need_little_memory_and_time(tmp_path):
    paths = write_all(tmp_path)
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, paths.values())],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path.cwd(),
    )
    assert run.returncode == 0, run.stderr
    refused = [line.partition(": ")[0] for line in run.stdout.splitlines()]
    assert refused == [str(path) for path in paths.values()]


@pytest.mark.parametrize("name", ["h5: heaps in a heap", "npy: no values along many long axes"])
def test_the_command_prints_one_message(name, tmp_path, capfd):
    path = tmp_path / "weights"
    path.write_bytes(HOSTILE[name][0]())
    with pytest.raises(SystemExit) as ended:
        main(["import", str(path), "--output", str(tmp_path / "run")])
    assert ended.value.code == 2
    printed = capfd.readouterr().err
    assert f"Error: {path}: " in printed.splitlines()[-1]
    assert "Traceback" not in printed
    assert os.listdir(tmp_path) == ["weights"]
