"""Commands that run one after the other, each within a limit of time, whatever becomes of the others."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from rounds import REPOSITORY

__all__ = ["REPOSITORY", "Part", "run_parts", "table"]

GRACE_SECONDS = 20
"""After a limit, to save a checkpoint; then the part is killed."""


class Part(NamedTuple):
    """A command, and how to read its result.

    Attributes:
        command: Arguments after the Python.
        describe: Returns the result in a line, from what the part printed.
        needs: A run folder that must hold a net; None: nothing is needed.
    """

    command: Sequence[object]
    describe: Callable[[str], str]
    needs: Path | None = None


def run(command: Sequence[object], log: Path, limit: float, environment: Mapping[str, str]) -> str:
    """Runs a command with Python until its end or its limit.

    Args:
        command: Arguments after the Python.
        log: Where its output goes.
        limit: Seconds after which it is asked to end.
        environment: All of its variables.

    Returns:
        "ok", or why it has not run to its end.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *map(str, command)],
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=REPOSITORY,
            env=dict(environment),
            start_new_session=True,
        )
        try:
            code = process.wait(limit)
            return "ok" if code == 0 else f"failed with {code}, see {log.name}"
        except subprocess.TimeoutExpired:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_SECONDS)
            return f"stopped after {limit:.0f} s"
        finally:
            # What it started must not keep the GPU from the next part.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def run_parts(
    parts: Mapping[str, Part],
    limits: Mapping[str, float],
    total: float,
    output: Path,
    environment: Mapping[str, str],
) -> list[dict[str, Any]]:
    """Runs parts in their order, and writes `session.json` after each.

    Args:
        parts: By name.
        limits: Seconds that each part may take, by name.
        total: Seconds that all may take together.
        output: Folder for logs.
        environment: All variables of the commands.

    Returns:
        A row for each part: its name, whether it ran to its end, its seconds and its result.
    """
    end = time.monotonic() + total
    rows: list[dict[str, Any]] = []
    for name, part in parts.items():
        print(f"{name} ...", file=sys.stderr, flush=True)
        log, start = output / f"{name}.log", time.monotonic()
        limit = min(limits[name], end - start - GRACE_SECONDS)
        result = ""
        if limit <= 0:
            status = "skipped: time is up"
        elif part.needs and not list(part.needs.rglob("*.keras")):
            status = "skipped: there is no net"
        else:
            status = run(part.command, log, limit, environment)
            try:
                result = part.describe(log.read_text(errors="replace"))
            except (OSError, ValueError, KeyError, IndexError) as error:
                result = f"no result ({type(error).__name__})"
        seconds = time.monotonic() - start
        rows.append({"part": name, "status": status, "seconds": seconds, "result": result})
        (output / "session.json").write_text(json.dumps(rows, indent=2) + "\n")
    return rows


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Returns the rows as text.

    Example:
        >>> print(table([{"part": "train", "status": "ok", "seconds": 61.2, "result": "step 3"}]))
        part     seconds  status                     result
        train         61  ok                         step 3
    """
    lines = [f"{'part':8} {'seconds':>7}  {'status':26} result"]
    lines += [f"{row['part']:8} {row['seconds']:7.0f}  {row['status']:26} {row['result']}" for row in rows]
    return "\n".join(lines)
