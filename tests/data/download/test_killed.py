"""`fcn data download` that is killed, and run again: whole or absent, and nothing is left over."""

import hashlib
import io
import os
import random
import signal
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from deaths import running_forks
from file_server import Answer, Handler, dropping, serving, whole
from killed_download_program import ARCHIVE, FOLDER, INSIDE, POINTS

Run = Callable[..., int]
FILES = {f"{number % 3}/{number}.txt": bytes([number]) * 5000 for number in range(60)}


def build_archive() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in FILES.items():
            info = tarfile.TarInfo(f"{INSIDE}/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


DATA = build_archive()
MD5 = hashlib.md5(DATA).hexdigest()


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """Runs the command; all are forks of one program."""
    with running_forks("killed_download_program.py") as run:
        yield run


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_whole_or_absent(output: Path) -> None:
    target, archive, part = output / FOLDER, output / ARCHIVE, output / f"{ARCHIVE}.part"
    assert not target.exists() or content(target) == FILES
    assert not archive.exists() or archive.read_bytes() == DATA
    assert not part.exists() or DATA.startswith(part.read_bytes())
    assert {path.name for path in output.glob("*")} <= {archive.name, part.name, target.parent.name}
    assert {path.name for path in target.parent.glob("*")} <= {target.name, f".{target.name}.unpacking"}


def assert_complete(output: Path) -> None:
    assert content(output) == {ARCHIVE: DATA} | {f"{FOLDER}/{name}": data for name, data in FILES.items()}
    assert os.listdir((output / FOLDER).parent) == [Path(FOLDER).name]


@pytest.mark.parametrize("size", [len(DATA), None], ids=["size known", "size unknown"])
@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_named_point(point: str, size: int | None, tmp_path: Path, run: Run) -> None:
    breaks = [dropping(DATA, 100_000)] if "a part has come" in point else []
    with serving(*breaks, whole(DATA)) as server:
        assert run(point, server.url, MD5, size, str(tmp_path)) == -signal.SIGKILL
        assert_whole_or_absent(tmp_path)
        part = tmp_path / f"{ARCHIVE}.part"
        has_all = (tmp_path / ARCHIVE).exists()
        begin = part.stat().st_size if part.exists() else 0
        assert begin == (100_000 if breaks else 0 if has_all or "anything came" in point else len(DATA))
        asked = len(server.requests)
        assert run("", server.url, MD5, size, str(tmp_path)) == 0
        assert_complete(tmp_path)
        # Only what is missing is fetched. The server is asked for more where the size is unknown.
        assert server.requests[asked:] == ([] if has_all or begin == size else [begin])


def trickling(data: bytes) -> Answer:
    """Sends what was asked for slowly."""

    def answer(request: Handler) -> None:
        begin = request.begin
        request.send_response(206 if begin else 200)
        if begin:
            request.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        request.send_header("Content-Length", str(len(data) - begin))
        request.end_headers()
        for start in range(begin, len(data), 20_000):
            try:
                request.wfile.write(data[start : min(start + 20_000, len(data))])
            except OSError:  # it was killed
                return
            time.sleep(0.003)

    return answer


@pytest.mark.parametrize("kills", [3, pytest.param(100, marks=pytest.mark.exhaustive)])
def test_killed_at_random_moments(kills: int, tmp_path: Path, run: Run) -> None:
    chance, killed, finished = random.Random(kills), 0, 0
    with serving(trickling(DATA)) as server:
        for name in ("first", "second"):  # the program itself starts with the first
            start = time.monotonic()
            assert run("", server.url, MD5, len(DATA), str(tmp_path / name)) == 0
            longest = time.monotonic() - start
        while killed < kills:
            output = tmp_path / str(finished)
            status = run(chance.uniform(0.001, longest), server.url, MD5, len(DATA), str(output))
            assert status in (0, -signal.SIGALRM)
            if output.exists():
                assert_whole_or_absent(output)
            killed += status != 0
            finished += status == 0
        output = tmp_path / str(finished)
        assert run("", server.url, MD5, len(DATA), str(output)) == 0
        for number in range(finished + 1):
            assert_complete(tmp_path / str(number))
