"""The configuration of TensorFlow Serving, by its own schemas, and that its parts fit together."""

import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from ruamel.yaml import YAML
from serving_schemas import schema
from tensorflow_serving.config import model_server_config_pb2

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
CONFIGS = DEPLOY / "tensorflow_serving"
SERVICE = YAML(typ="safe").load(DEPLOY / "compose.yaml")["services"]["tensorflow-serving"]
DOCS = (ROOT / "docs" / "serving.md").read_text()

# Source: https://github.com/tensorflow/serving, tensorflow_serving/model_servers/main.cc.
FLAGS = set(
    """
    port grpc_socket_path rest_api_port rest_api_num_threads rest_api_timeout_in_ms
    rest_api_enable_cors_support
    enable_batching allow_version_labels_for_unavailable_models batching_parameters_file
    enable_per_model_batching_parameters model_config_file model_config_file_poll_wait_seconds model_name
    model_base_path num_load_threads num_unload_threads max_num_load_retries load_retry_interval_micros
    file_system_poll_wait_seconds flush_filesystem_caches tensorflow_session_parallelism
    tensorflow_session_config_file tensorflow_intra_op_parallelism tensorflow_inter_op_parallelism
    use_alts_credentials ssl_config_file platform_config_file per_process_gpu_memory_fraction saved_model_tags
    grpc_channel_arguments grpc_max_threads enable_model_warmup num_request_iterations_for_warmup version
    monitoring_config_file remove_unused_fields_from_bundle_metagraph prefer_tflite_model num_tflite_pools
    num_tflite_interpreters_per_pool enable_signature_method_name_check xla_cpu_compilation_enabled
    enable_profiler thread_pool_factory_config_file
    """.split()  # noqa: SIM905  # a list of them would be 45 lines
)


def flags() -> dict[str, str]:
    """The flags the server is started with."""
    found = {}
    for word in SERVICE["command"]:
        match = re.fullmatch(r"--([a-z_]+)=(\S+)", word)
        assert match is not None, word
        found[match[1]] = match[2]
    return found


MODELS = (CONFIGS / "models.config").read_text()


def read_model(text: str = MODELS) -> Any:
    """Reads the one model of a configuration."""
    (config,) = text_format.Parse(text, model_server_config_pb2.ModelServerConfig()).model_config_list.config
    return config


def batching() -> Any:
    return text_format.Parse((CONFIGS / "batching.config").read_text(), schema("BatchingParameters")())


def test_the_server_has_every_flag_it_is_given() -> None:
    assert set(flags()) <= FLAGS
    assert len(flags()) == len(SERVICE["command"])


def test_ports_are_those_of_the_entry_point() -> None:
    # The image sets them itself: --port=8500 --rest_api_port=8501.
    assert not {"port", "rest_api_port"} & set(flags())
    assert SERVICE["ports"] == ["127.0.0.1:8500:8500", "127.0.0.1:8501:8501"]


def test_every_file_the_server_is_given_is_mounted() -> None:
    mounts = dict(volume.rsplit(":", 2)[:2][::-1] for volume in SERVICE["volumes"])
    assert all(volume.endswith(":ro") for volume in SERVICE["volumes"])
    assert (DEPLOY / mounts["/config"]).resolve() == CONFIGS
    named = {Path(value) for name, value in flags().items() if name.endswith("_file")}
    assert {path.name for path in named} == {path.name for path in CONFIGS.iterdir()}
    assert {str(path.parent) for path in named} == {"/config"}
    assert read_model().base_path in mounts


def test_labels_stand_for_versions_that_are_loaded() -> None:
    config = read_model()
    assert config.model_platform == "tensorflow"
    versions = set(config.model_version_policy.specific.versions)
    assert versions
    assert set(config.version_labels) == {"stable", "canary"}
    assert set(config.version_labels.values()) <= versions
    # Labels of the first start, when nothing is loaded yet.
    assert flags()["allow_version_labels_for_unavailable_models"] == "true"


def test_the_steps_of_the_documentation_are_edits_of_the_configuration() -> None:
    def label(name: str, version: int) -> tuple[str, str]:
        return rf'(key: "{name}"\s+value:) \d', rf"\g<1> {version}"

    text, states = MODELS, []
    for pattern, replacement in (
        (r"(versions: 1\n)", r"\1versions: 2\n"),
        label("canary", 2),
        label("stable", 2),
        label("stable", 1),
        label("stable", 2),
        (r"versions: 1\n", ""),
    ):
        text = re.sub(pattern, replacement, text)
        config = read_model(text)
        versions = list(config.model_version_policy.specific.versions)
        states.append((versions, config.version_labels["stable"], config.version_labels["canary"]))
    assert states == [
        ([1, 2], 1, 1),
        ([1, 2], 1, 2),
        ([1, 2], 2, 2),
        ([1, 2], 1, 2),
        ([1, 2], 2, 2),
        ([2], 2, 2),
    ]
    assert all(
        words in DOCS for words in ("`versions: 2`", '"canary" to 2', '"stable" to 2', '"stable" to 1')
    )


def test_requests_are_queued_one_image_at_a_time_and_refused_when_the_queue_is_full() -> None:
    parameters = batching()
    assert flags()["enable_batching"] == "true"
    assert parameters.enable_large_batch_splitting.value
    assert parameters.max_execution_batch_size.value == 1
    assert parameters.max_batch_size.value <= parameters.max_enqueued_batches.value
    assert not parameters.pad_variable_length_inputs
    held = parameters.max_enqueued_batches.value + parameters.num_batch_threads.value
    assert int(flags()["rest_api_num_threads"]) > held


def test_a_schema_refuses_what_it_does_not_know() -> None:
    for name in ("BatchingParameters", "MonitoringConfig"):
        with pytest.raises(text_format.ParseError, match="has no field"):
            text_format.Parse("max_batch: 1", schema(name)())


def test_prometheus_finds_the_metrics_where_the_documentation_says() -> None:
    text = (CONFIGS / "monitoring.config").read_text()
    config = text_format.Parse(text, schema("MonitoringConfig")()).prometheus_config
    assert config.enable
    assert f"metrics_path: {config.path}\n" in DOCS


def test_clients_of_the_documentation_may_send_what_the_server_takes() -> None:
    name, _, value = flags()["grpc_channel_arguments"].partition("=")
    assert name == "grpc.max_receive_message_length"
    assert int(value) == 64 * 2**20
    assert f'("{name}", 64 * 2**20)' in DOCS


@contextmanager
def status_server(state: str) -> Iterator[tuple[int, list[str]]]:
    """Answers about the state of a version as TensorFlow Serving does; yields its port and what was asked."""
    asked: list[str] = []

    class Status(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = (
                '{\n "model_version_status": [\n  {\n   "version": "1",\n   "state": "%s",\n   "status": '
                '{\n    "error_code": "OK",\n    "error_message": ""\n   }\n  }\n ]\n}\n'
            )
            self.send_response(200)
            self.end_headers()
            self.wfile.write((body % state).encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Status) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port, asked
        finally:
            server.shutdown()
            thread.join()


def healthy(port: int) -> bool:
    kind, *command = SERVICE["healthcheck"]["test"]
    assert kind == "CMD"
    command = [word.replace("/8501", f"/{port}") for word in command]
    return subprocess.run(command, stderr=subprocess.DEVNULL, timeout=20, check=False).returncode == 0


def test_healthy_is_a_server_whose_stable_version_answers() -> None:
    with status_server("AVAILABLE") as (port, asked):
        assert healthy(port)
        assert asked == [f"/v1/models/{read_model().name}/labels/stable"]
    assert not healthy(port)
    with status_server("LOADING") as (port, _):
        assert not healthy(port)
