"""Tests of `make audit`: pip-audit asks a source of advisories on this machine, pip an index on it."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from audit import KNOWN_BAD, NoAnswerError, find_yanked, read_pins
from packaging.requirements import Requirement

SCRIPT = Path(__file__).parents[2] / "requirements" / "audit.py"
HASH = f"--hash=sha256:{'0' * 64}"
FILES = {
    "kept": {"kept-1.0.tar.gz": False, "kept-1.0-py3-none-any.whl": False},
    "gone": {
        "gone-1.0.tar.gz": "wrong\x1b[31m files",
        "gone-1.0.post1.tar.gz": False,
        "gone-11.0.zip": False,
    },
    "half": {"half-1.0.tar.gz": False, "half-1.0-py3-none-any.whl": True, "half-1.0.exe": True},
    "many-parts": {"many_parts-1.0-py3-none-any.whl": True, "many-parts-1.0.win32.exe": False},
}
KNOWN = {"jinja2": "3.1.2", "kept": "1.0"}


class Answer(BaseHTTPRequestHandler):
    """Answers like an index of packages (GET) and like a server of advisories (POST)."""

    server: "Registry"

    def do_GET(self) -> None:
        name = self.path.removeprefix("/simple/").strip("/")
        files = [{"filename": file, "yanked": yanked} for file, yanked in FILES.get(name, {}).items()]
        self.reply(200 if files else 404, {"files": files})

    def do_POST(self) -> None:
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = query["package"]["name"]
        self.server.asked.append(name)
        ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.1.3"}]}]
        advisory = {
            "id": f"BAD-{name}",
            "affected": [{"package": {"name": name, "ecosystem": "PyPI"}, "ranges": ranges}],
        }
        known = self.server.known.get(name) == query["version"]
        self.reply(200, {"vulns": [advisory]} if known else {})

    def reply(self, status: int, document: object) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/vnd.pypi.simple.v1+json")
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


class Registry(ThreadingHTTPServer):
    """Serves `Answer` on a free port."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.known = dict(KNOWN)
        self.asked: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    with Registry() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple")
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
        try:
            yield server
        finally:
            server.shutdown()


def audit(tmp_path: Path, url: str, *names: str) -> list[str]:
    """Returns the lines that the script prints about packages in version 1.0; it always ends with 0."""
    file = tmp_path / "pins.txt"
    file.write_text("".join(f"{name}==1.0 \\\n    {HASH}\n" for name in names))
    done = subprocess.run(
        [sys.executable, SCRIPT, file, "--osv-url", f"{url}/v1/query"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()[1:]


def test_pins_are_read_without_hashes_each_once_and_for_this_machine(tmp_path: Path) -> None:
    one, two = tmp_path / "one.txt", tmp_path / "two.txt"
    one.write_text(
        f"# why\na==1.0 \\\n    {HASH} \\\n    {HASH}\nb==2 ; sys_platform == 'none' \\\n    {HASH}\n"
    )
    two.write_text(f"a==1.0 \\\n    {HASH}\nc[x]==3.0.post1 ; python_version >= '3' \\\n    {HASH}\n")
    assert [(pin.name, str(pin.specifier)) for pin in read_pins([one, two])] == [
        ("a", "==1.0"),
        ("c", "==3.0.post1"),
    ]


def test_the_pins_of_this_project_are_read() -> None:
    pins = read_pins(sorted(SCRIPT.parent.glob("*.txt")))
    assert len(pins) > 100
    assert {"tensorflow", "pip-audit", "uvicorn"} <= {pin.name for pin in pins}
    assert all(len(pin.specifier) == 1 and str(pin.specifier).startswith("==") for pin in pins)


def test_releases_are_yanked_if_all_of_their_files_are(registry: Registry) -> None:
    pins = [Requirement(f"{name}==1.0") for name in ("kept", "gone", "half", "Many_Parts")]
    assert [line.partition(". Pin")[0] for line in find_yanked(pins)] == [
        "gone 1.0 was yanked: wrong\x1b[31m files",
        "Many_Parts 1.0 was yanked",
    ]


def test_an_index_that_does_not_answer_is_told(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoAnswerError, match="no answer for absent: 404"):
        list(find_yanked([Requirement("absent==1.0")]))
    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as closed:
        port = closed.server_port
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{port}/simple")
    with pytest.raises(NoAnswerError, match="no answer for kept"):
        list(find_yanked([Requirement("kept==1.0")]))


@pytest.mark.slow
def test_findings_are_printed(registry: Registry, tmp_path: Path) -> None:
    assert audit(tmp_path, registry.url, "kept", "gone", "half") == [
        "WARNING: kept 1.0: BAD-kept, fixed in 3.1.3.",
        "known advisories: 1",
        r"WARNING: gone 1.0 was yanked: wrong\x1b[31m files. Pin another release with `make lock`.",
        "yanked releases: 1",
    ]
    assert audit(tmp_path, registry.url, "half") == ["known advisories: none", "yanked releases: none"]


@pytest.mark.slow
def test_a_source_that_knows_nothing_is_no_good_answer(registry: Registry, tmp_path: Path) -> None:
    registry.known.clear()
    first, second = audit(tmp_path, registry.url, "half")
    assert first.startswith(
        "WARNING: known advisories: not checked. No source of advisories could be reached"
    )
    assert KNOWN_BAD in first
    assert second == "yanked releases: none"
    assert registry.asked == ["jinja2"]


@pytest.mark.slow
def test_a_source_that_cannot_be_reached_is_told(registry: Registry, tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as closed:
        port = closed.server_port
    first, second = audit(tmp_path, f"http://127.0.0.1:{port}", "absent")
    assert first.startswith("WARNING: known advisories: not checked. pip-audit gave no answer: ")
    assert second.startswith(
        "WARNING: yanked releases: not checked. The package index gave no answer for absent"
    )
