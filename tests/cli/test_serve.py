"""`fcn serve` as a user types it, with a real net."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import tritonclient.grpc as triton

from fcn.cli.main import main
from fcn.inference.predictor import Predictor
from fcn.outputs.render import render

pytestmark = pytest.mark.slow

HERE = Path(__file__).parents[2]


class Serving:
    """The command as a process."""

    def __init__(self, logs, *arguments, **environment):
        quiet = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
        self.logs = logs
        with logs.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "fcn", "serve", *(str(argument) for argument in arguments)],
                env=quiet | {"PYTHONPATH": str(HERE)} | environment,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
            )
        self.said = json.loads(self.process.stdout.readline() or "{}")

    def request(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection(self.said["host"], self.said["port"], timeout=60)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=60)
        return self.process.returncode


@pytest.fixture(scope="module")
def jpeg():
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (9, 12, 3), np.uint8)
    return cv2.imencode(".jpg", cv2.resize(coarse, (61, 47), interpolation=cv2.INTER_CUBIC))[1].tobytes()


@pytest.fixture(scope="module")
def served(model_path, tmp_path_factory):
    folder = tmp_path_factory.mktemp("serving")
    token = folder / "token"
    token.write_text("very-secret\n")
    command = [
        model_path,
        f"other={model_path}",
        "--port",
        0,
        "--json",
        "--name",
        "my-net",
        "--token-file",
        token,
        "--max-mb",
        1,
    ]
    command += ["--grpc-port", 0, "--timeout", 90]  # which is longer than stopping usually takes
    served = Serving(folder / "log", *command)
    yield served
    code = served.stop()
    lines = [json.loads(line) for line in served.logs.read_text().splitlines()]
    # All that a server writes to stderr is its log, and it says when it began and ended.
    assert code == 128 + signal.SIGTERM
    assert [(line["message"], line["model"]) for line in lines[:2]] == [
        ("loading", "my-net"),
        ("loading", "other"),
    ]
    assert [line["message"] for line in lines if line["message"].startswith("version")] == [
        *["version loaded"] * 2,
        *["version unloaded"] * 2,
    ]
    assert all({"time", "level", "logger", "message"} <= set(line) for line in lines)
    assert not [line for line in lines if line["level"] in ("warning", "error")]
    assert "very-secret" not in served.logs.read_text()


def test_it_says_where_it_is(served, model_path):
    assert served.said["url"] == f"http://127.0.0.1:{served.said['port']}/"
    assert served.said["pid"] == served.process.pid
    assert (served.said["name"], served.said["version"]) == ("my-net", 1)
    assert served.said["engine"] == "tensorflow float32"
    assert [(model["name"], model["version"]) for model in served.said["models"]] == [
        ("my-net", 1),
        ("other", 1),
    ]
    assert served.request("GET", "/healthz")[0] == 200


@pytest.fixture(scope="module")
def said(model_path, jpeg):
    return Predictor(model_path).predict(jpeg)


def test_each_model_has_its_name(served, jpeg):
    answers = [
        served.request("POST", f"/v1/models/{name}:segment", jpeg, Authorization="Bearer very-secret")
        for name in ("my-net", "other")
    ]
    assert answers[0][0] == answers[1][0] == 200
    assert answers[0][2] == answers[1][2]


@pytest.mark.parametrize(("output", "kind"), [("ids", "ids"), ("label", "palette"), ("overlay", "overlay")])
def test_answers_are_those_of_infer(served, said, jpeg, output, kind):
    status, headers, body = served.request(
        "POST", f"/v1/models/my-net:segment?output={output}", jpeg, Authorization="Bearer very-secret"
    )
    assert status == 200
    assert body == next(iter(render([kind], said).files.values()))
    assert float(headers["X-Fcn-Mean-Confidence"]) == pytest.approx(said.mean_confidence, abs=1e-5)
    assert json.loads(headers["X-Fcn-Areas"]) == pytest.approx(said.areas(), abs=1e-6)


def test_a_token_is_wanted_where_a_file_says_so(served, jpeg):
    assert served.request("POST", "/v1/models/my-net:segment", jpeg)[0] == 401
    assert served.request("GET", "/metrics")[0] == 401
    status, _, body = served.request("GET", "/metrics", Authorization="Bearer very-secret")
    assert (status, b"fcn_images_total" in body) == (200, True)


@pytest.mark.parametrize("name", ["my-net", "other"])
def test_labels_over_grpc_are_the_same_and_need_the_token(served, said, jpeg, name):
    with triton.InferenceServerClient(served.said["grpc"]) as client:
        assert client.is_server_ready()
        files = triton.InferInput("image_bytes", [1], "BYTES")
        files.set_data_from_numpy(np.array([jpeg], object))
        with pytest.raises(triton.InferenceServerException, match="UNAUTHENTICATED"):
            client.infer(name, [files])
        answer = client.infer(name, [files], headers={"authorization": "Bearer very-secret"})
    (png,) = answer.as_numpy("label_png_bytes")
    assert np.array_equal(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED), said.label)
    assert answer.as_numpy("mean_confidence")[0] == pytest.approx(said.mean_confidence, abs=1e-5)


def test_limits_are_those_of_the_command(served):
    status, _, body = served.request(
        "POST", "/v1/models/my-net:segment", bytes(2**20 + 1), Authorization="Bearer very-secret"
    )
    assert status == 413
    assert "at most 1048576 bytes" in json.loads(body)["error"]


def run(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["serve", *(str(argument) for argument in arguments)])
    captured = capsys.readouterr()
    return stopped.value.code, captured.err


def test_a_port_for_grpc_is_another_one_and_free(model_path, capsys):
    code, errors = run([model_path, "--port", 8501, "--grpc-port", 8501], capsys)
    assert (code, errors) == (2, "Error: --grpc-port 8501: expected another port than --port 8501.\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, errors = run([model_path, "--port", 0, "--grpc-port", port], capsys)
    assert (code, errors.count("\n")) == (2, 1)
    assert f"--grpc-port {port}: cannot be used" in errors


def test_a_port_in_use_is_one_message(model_path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, errors = run([model_path, "--port", port], capsys)
    assert (code, errors.count("\n")) == (2, 1)
    assert f"--port {port}: cannot be used" in errors


def test_a_host_that_is_none_is_one_message(model_path, capsys):
    code, errors = run([model_path, "--host", "no.such.host.invalid"], capsys)
    assert (code, errors.count("\n")) == (2, 1)
    assert "--host no.such.host.invalid --port 8501: no such host" in errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing", "--port", "0"], "no such model"),
        (["nothing", "--port", "70000"], "expected 0 to 65535"),
        (["nothing", "--name", "a/b"], "expected letters"),
        (["a=nothing", "b=nothing", "--port", "0"], "nothing: no such model"),
        (["a/b=nothing"], "expected letters"),
        (["a="], "expected NAME=MODEL"),
        (["a=one", "b=one", "a=two"], "different names. Received: a more than once"),
        (["one", "two"], "different names. Received: fcn more than once"),
        (["one", "fcn=two"], "different names. Received: fcn more than once"),
        (["nothing", "--swap", "both"], "invalid choice: 'both'"),
        (["nothing", "--allowed-host", "here:80"], "expected a name without a port"),
        (["nothing", "--allowed-host", ""], "expected a name without a port"),
        (["nothing", "--cors-origin", "null"], "expected an origin as browsers send it"),
        (["nothing", "--cors-origin", "https://labels.example.com/"], "expected an origin"),
        (["nothing", "--cors-origin", "https://Labels.example.com"], "expected an origin"),
        (["nothing", "--cors-origin", "https://labels.example.com:443"], "expected an origin"),
        (["nothing", "--cors-origin", "https://*.example.com"], "expected an origin"),
        (["nothing", "--cors-origin", ""], "expected an origin"),
        (["nothing", "--queue", "0"], "whole number of 1 or more"),
        (["nothing", "--batch-wait", "-1"], "expected milliseconds"),
        (["nothing", "--batch-wait", "nan"], "expected milliseconds"),
        (["nothing", "--memory", "0"], "expected gigabytes"),
        (["nothing", "--examples", "nowhere"], "expected a folder of images"),
        (["nothing", "--token-file", "nowhere"], "nowhere: No such file"),
    ],
)
def test_mistakes_are_said_in_a_line(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, errors = run(arguments, capsys)
    assert code == 2
    assert message in errors.splitlines()[-1]


def test_pages_of_every_origin_may_not_use_a_server_with_a_token(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments = ["nothing", "--cors-origin", "https://a.example", "--cors-origin", "*"]
    assert "no such model" in run(arguments, capsys)[1]
    monkeypatch.setenv("FCN_SERVE_TOKEN", "secret")
    code, errors = run(arguments, capsys)
    assert code == 2
    assert "--cors-origin *: expected origins by name" in errors


@pytest.mark.parametrize("content", ["", "\n", "two words", "é"])
def test_a_token_that_no_header_can_hold_is_refused(content, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FCN_SERVE_TOKEN", content)
    code, errors = run(["nothing"], capsys)
    assert code == 2
    assert "FCN_SERVE_TOKEN: expected a token" in errors
    file = tmp_path / "token"
    file.write_text(content)
    code, errors = run(["nothing", "--token-file", file], capsys)
    assert f"--token-file {file}: expected a token" in errors
