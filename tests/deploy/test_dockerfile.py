"""Tests of the Dockerfile's text; `make image-check` builds its images."""

import json
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "Dockerfile").read_text()


def stages() -> dict[str, list[tuple[str, str]]]:
    """The instructions of each stage, with those of the stages it builds on."""
    plain = "\n".join(line for line in TEXT.splitlines() if not line.startswith("#"))
    found: dict[str, list[tuple[str, str]]] = {}
    current: list[tuple[str, str]] = []
    for line in re.sub(r"\\\n\s*", "", plain).splitlines():
        instruction, _, rest = line.partition(" ")
        if instruction == "FROM":
            parent, _, name = rest.partition(" AS ")
            found[name] = current = list(found.get(parent, []))
        elif instruction:
            current.append((instruction, rest))
    return found


STAGES = stages()
IMAGES = ("serve", "train", "infer")


def last(stage: str, instruction: str) -> str:
    return [rest for found, rest in STAGES[stage] if found == instruction][-1]


def test_images_are_named_and_the_last_labels_images() -> None:
    assert list(STAGES)[-3:] == list(IMAGES)
    assert json.loads(last("infer", "ENTRYPOINT")) == ["python", "/opt/fcn/infer.py"]


@pytest.mark.parametrize("stage", IMAGES)
def test_an_image_is_no_root_and_has_no_place_of_its_own_to_write_to(stage: str) -> None:
    assert last(stage, "USER") == "1000"
    assert "HOME=/tmp" in last(stage, "ENV")
    copied = [rest for instruction, rest in STAGES[stage] if instruction == "COPY"]
    assert any(rest.startswith("--from=") and rest.endswith("/opt/venv/ /opt/venv/") for rest in copied)
    # Installed elsewhere: pip, its cache and its settings are in no layer of an image.
    assert all("pip" not in rest for instruction, rest in STAGES[stage] if instruction == "RUN")


@pytest.mark.parametrize("stage", ["serve-packages", "train-packages", "infer-packages"])
def test_packages_are_the_pinned_ones(stage: str) -> None:
    installing = last(stage, "RUN")
    assert "--require-hashes" in installing
    assert "--mount=type=secret,id=pip " in installing
    name = re.search(r"-r /requirements/(\S+)\.txt", installing)
    assert name is not None
    chosen = last(stage, "ARG").partition("=")[2] if "$" in name[1] else name[1]
    assert (ROOT / "requirements" / f"{chosen}.txt").exists()
    assert "PIP_NO_CACHE_DIR=1" in last(stage, "ENV")


def test_whatever_is_copied_is_there_and_sent_to_the_builder() -> None:
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        source.rstrip("/")
        for stage in STAGES.values()
        for instruction, rest in stage
        if instruction == "COPY" and not rest.startswith("--from=")
        for source in rest.split()[:-1]
    }
    assert copied == sent
    assert all((ROOT / name).exists() for name in copied)


def test_the_image_that_serves_has_no_packages_for_training() -> None:
    pinned = set(re.findall(r"^([\w.-]+)==", (ROOT / "requirements" / "serve.txt").read_text(), re.MULTILINE))
    assert {"fastapi", "openvino", "orjson", "prometheus-client", "tensorflow", "uvicorn"} <= pinned
    assert not {name for name in pinned if re.match(r"nvidia-|ray$|pyarrow$|torch$|jax|nncf$|onnx", name)}


@pytest.mark.parametrize(("status", "is_healthy"), [(200, True), (503, False), (None, False)])
def test_healthy_is_a_server_that_answers(status: int | None, is_healthy: bool) -> None:
    asked = []

    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status or 0)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    match = re.search(r"CMD (\[.*\])", last("serve", "HEALTHCHECK"))
    assert match is not None
    program, *arguments = json.loads(match[1])
    assert program == "python"
    with HTTPServer(("127.0.0.1", 0), Health) as server:
        port = str(server.server_port)
        thread = threading.Thread(target=server.handle_request)
        if status is None:
            server.server_close()
        else:
            thread.start()
        command = [sys.executable, *(word.replace("8501", port) for word in arguments)]
        done = subprocess.run(command, capture_output=True, timeout=20, check=False)
        if status is not None:
            thread.join(20)
            assert asked == ["/v2/health/ready"]
    assert (done.returncode == 0) is is_healthy
