"""A Python that is ready does what another does."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.slow

PROGRAM = """
import os, signal, sys
sys.stdout.reconfigure(errors="backslashreplace")
print([(file.encoding, file.errors, file.isatty()) for file in (sys.stdin, sys.stdout, sys.stderr)])
print(sys.argv[1:], sys.orig_argv[1:], sys.path[0], os.getcwd(), os.environ.get("WORD"), sys.stdin.read())
print("error", file=sys.stderr)
if sys.argv[1] == "kill":
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGKILL)
sys.exit(int(sys.argv[1]))
"""


@pytest.mark.parametrize("start", [["-c", PROGRAM], ["-u", "-c", PROGRAM], ["-m", "program"], ["program.py"]])
@pytest.mark.parametrize("end", ["0", "3", "kill"])
def test_a_ready_python_does_what_another_does(
    start: list[str], end: str, python: Path, tmp_path: Path
) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    ready, another = (
        subprocess.run(
            [program, *start, end, "two words"],
            cwd=tmp_path,
            env=os.environ | {"WORD": end},
            input="given",
            capture_output=True,
            text=True,
            check=False,
        )
        for program in (python, sys.executable)
    )
    assert "given" in ready.stdout
    assert (ready.returncode, ready.stdout, ready.stderr) == (
        another.returncode,
        another.stdout,
        another.stderr,
    )


SLEEP = """
import subprocess, sys, time
process = subprocess.Popen(["sleep", "1000"])
print("tensorflow" in sys.modules, process.pid, flush=True)
time.sleep(1000)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_a_ready_python_runs_ends_with_it(number: signal.Signals, python: Path) -> None:
    with subprocess.Popen([python, "-c", SLEEP], stdout=subprocess.PIPE, text=True) as process:
        is_ready, child = process.stdout.readline().split()
        process.send_signal(number)
        assert process.wait(60) == -number
    assert is_ready == "True"
    with suppress(psutil.NoSuchProcess):
        left = psutil.Process(int(child))
        if number == signal.SIGTERM:  # which reaches the process alone, as elsewhere
            left.kill()
        for _ in range(600):  # whoever inherited it need not reap it
            if left.status() == psutil.STATUS_ZOMBIE:
                return
            time.sleep(0.1)
        pytest.fail(f"{left} has not ended")


def test_a_fork_ends_if_what_it_is_sent_breaks_off(python: Path) -> None:
    server = next(one for one in psutil.Process().children() if "serve" in one.cmdline())
    with socket.socket(socket.AF_UNIX) as connection:
        old = {child.pid for child in server.children()}
        connection.connect(str(python.with_name("socket")))
        socket.send_fds(connection, [b"{"], [0, 1, 2])
    for _ in range(600):
        forks = [child for child in server.children() if child.pid not in old]
        if forks and all(fork.status() == psutil.STATUS_ZOMBIE for fork in forks):
            return
        time.sleep(0.1)
    pytest.fail(f"{forks} have not ended")
