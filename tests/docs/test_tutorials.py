"""Tutorials do what they show, and what runs them notices when they do not."""

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest
from tutorial_page import LARGEST_PICTURE, PAGES, missing_programs, run_page
from tutorial_session import ROOT, PageError, Session


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_prints_what_it_shows(page: Path, python: Path, tmp_path: Path) -> None:
    if missing := missing_programs(page):
        pytest.skip(f"needs {', '.join(missing)}")
    run_page(page, tmp_path, python=python)


def test_pictures_are_shown_described_and_small() -> None:
    shown = {
        (page.parent / place).resolve(): words
        for page in PAGES
        for words, place in re.findall(r"!\[([^]]*)\]\(([^)]+)\)", page.read_text())
    }
    assert all(shown.values())
    pictures = list((ROOT / "docs" / "images" / "tutorials").iterdir())
    assert pictures
    for picture in pictures:
        assert picture in shown
        assert picture.stat().st_size <= LARGEST_PICTURE


def write_page(folder: Path, text: str) -> Path:
    page = folder / "page.md"
    page.write_text(text)
    return page


def show(code: str, output: str, kind: str = "bash", note: str = "") -> str:
    comment = f"<!-- output: {note} -->\n" if note else ""
    return f"# Title\n\n```{kind}\n{code}\n```\n\n{comment}```text\n{output}\n```\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


@pytest.mark.parametrize(
    ("shown", "printed", "note"),
    [
        ("two words", "two words", ""),
        ("mean IoU 81.4%", "mean IoU 83.1%", "percentages within 2"),
        (
            "loss 0.41, 12 images, 81.4%",
            "loss 0.62, 12 images, 83.1%",
            "percentages within 2, numbers within 0.3",
        ),
        ("table.png,112,160,0.5", "table.png,112,160,0.6", "numbers within 0.2"),
        ("1,024 files", "1,030 files", "numbers vary"),
        ("2 layers, 81.4%", "3 layers, 83.1%", "numbers vary, percentages within 2"),
        ("step 3, 64.1 images/s, at 02:51 (in 1 min)", "step 3, 8 images/s, at 11:07 (in 12 minutes)", ""),
        ("score     value\n─────────", "score  value\n──────", ""),
        ("a\n...\nd", "a\nb\nc\nd", "first 1, last 1"),
        ("d", "a\nb\nc\nd", "last 1"),
        ("a\nc", "a\nbee\nc", 'without "bee"'),
        ("b", "step 3/120, loss 0.7\nwriting report: 1\nb\nreading: 2 of 1,000", ""),
        ("http://localhost:8501/", "http://localhost:8501/", ""),
    ],
)
def test_what_may_differ(folder: Path, shown: str, printed: str, note: str) -> None:
    run_page(write_page(folder.parent, show(f"echo '{printed}'", shown, note=note)), folder)


@pytest.mark.parametrize(
    ("shown", "printed", "note"),
    [
        ("two words", "two  word", ""),
        ("mean IoU 81.4%", "mean IoU 83.6%", "percentages within 2"),
        ("25 images, 81.4%", "26 images, 81.4%", "percentages within 2, numbers within 2"),
        ("loss 0.41, 81.4%", "loss 0.62, 81.4%", "percentages within 2"),
        ("table.png,112,160,0.5", "table.png,112,161,0.5", "numbers within 0.2"),
        ("mean IoU 81.4%", "mean IoU nan%", "numbers vary"),
        ("2 layers, 81.4%", "3 layers, 83.6%", "numbers vary, percentages within 2"),
        ("1 file", "2 file", ""),
        ("a\nb", "a", "numbers vary"),
        ("a", "a\nb", ""),
        ("a", "a", "frist 1"),
    ],
)
def test_what_may_not_differ(folder: Path, shown: str, printed: str, note: str) -> None:
    with pytest.raises(PageError):
        run_page(write_page(folder.parent, show(f"echo '{printed}'", shown, note=note)), folder)


@pytest.mark.parametrize(
    ("kind", "code"),
    [("bash", "false\necho on"), ("bash", "false | cat"), ("bash", "exit 3"), ("python", "print(unknown)")],
)
def test_a_block_that_fails_is_shown(folder: Path, kind: str, code: str) -> None:
    with pytest.raises(PageError, match=re.escape(code)):
        run_page(write_page(folder.parent, show(code, "on", kind)), folder)


def test_blocks_share_a_shell_an_interpreter_and_a_folder(folder: Path) -> None:
    page = write_page(
        folder.parent,
        "<!-- file: words.txt -->\n```yaml\na: one\n```\n<!-- not run -->\n```bash\nfalse\n```\n"
        + show("name=words.txt", "")
        + show("text = open('words.txt').read()", "", "python")
        + show("cat $name >&2", "a: one")
        + show("print(text.strip())", "a: one", "python"),
    )
    run_page(page, folder)


def test_outputs_are_written_into_the_page(folder: Path) -> None:
    page = write_page(
        folder.parent, show("seq 5", "old", note="first 2, last 1") + "End.\n" + show("echo new", "a\nb\nc")
    )
    before = page.read_text()
    run_page(page, folder, write=True)
    text = before.replace("text\nold\n", "text\n1\n2\n...\n5\n").replace("a\nb\nc", "new")
    assert page.read_text() == text
    run_page(page, folder)


def test_a_free_port_is_taken_by_the_blocks_that_name_it(folder: Path) -> None:
    with Session(folder) as session:
        session.run("bash", "true")
        session.run("bash", "echo 8501 > port")
        assert session.run("python", "print(open('port').read().strip(), 8501)") == ["8501 8501"]
        assert (folder / "port").read_text() == f"{session.port}\n" != "8501\n"
        with socket.socket() as server:
            server.bind(("127.0.0.1", int(session.port)))


def test_a_block_that_fails_shows_the_logs_of_the_page(folder: Path) -> None:
    with Session(folder) as session, pytest.raises(PageError, match=r"serve\.log:\nno memory"):
        session.run("bash", "echo no memory > serve.log; false")


def test_a_picture_may_differ_a_little_but_not_be_another(folder: Path) -> None:
    page = write_page(folder.parent, "<!-- picture: a.png -> shown.jpg -->\n")
    image = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)

    def draw(rows: int) -> None:
        """Writes the image with red laid over a part of some rows, as an overlay is."""
        overlay = image.copy()
        overlay[:rows, :4] = overlay[:rows, :4] // 2 + np.array((0, 0, 127), np.uint8)
        cv2.imwrite(str(folder / "a.png"), overlay)

    draw(12)
    run_page(page, folder, write=True)
    draw(10)  # a label that differs at a few pixels
    run_page(page, folder)
    cv2.imwrite(str(folder / "a.png"), image[:, ::-1])
    with pytest.raises(PageError, match="another picture"):
        run_page(page, folder)


def test_what_a_page_leaves_behind_is_ended(folder: Path) -> None:
    with Session(folder) as session:
        (number,) = session.run("bash", "sleep 1000 & echo $!")
        os.kill(int(number), 0)
    for _ in range(100):  # under load a killed process takes a while to end
        if has_ended(int(number)):
            break
        time.sleep(0.1)
    assert has_ended(int(number))


def has_ended(number: int) -> bool:
    """Returns whether a process has ended, even if the one that inherited it has not reaped it."""
    try:
        return psutil.Process(number).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_page_reaches_its_own_server_where_a_proxy_is_set(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nothing listens there
    monkeypatch.setenv("no_proxy", "example.org")
    (folder / "health").write_text("well")
    ask = "from urllib.request import urlopen\nprint(urlopen('http://127.0.0.1:8501/health').read())"
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with Session(folder) as session:
            session.port = str(server.server_port)
            assert session.run("python", ask) == ["b'well'"]
            if shutil.which("curl"):
                assert session.run("bash", "curl --silent http://127.0.0.1:8501/health") == ["well"]
        server.shutdown()


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder without a word."""

    def log_message(self, *_: object) -> None:
        pass


def test_a_program_that_a_page_needs_and_the_machine_lacks_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = write_page(folder.parent, show("true && curl --version", "") + show("ls", "", "text"))
    monkeypatch.setenv("PATH", str(folder))
    assert missing_programs(page) == ["curl"]
    assert missing_programs(write_page(folder.parent, show("true", ""))) == []


def test_the_program_says_which_page_it_runs(tmp_path: Path) -> None:
    page = write_page(tmp_path, show("echo a", "b"))
    program = [sys.executable, str(ROOT / "tests" / "tutorial_page.py"), str(page)]
    failed = subprocess.run(program, capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert "Line 8 shows another output" in failed.stderr
    subprocess.run([*program, "--write"], check=True, capture_output=True)
    assert subprocess.run(program, check=True, capture_output=True, text=True).stdout == "page.md\n"
