"""Both services of `deploy/compose.yaml`."""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from fcn.server.decoding import DECODERS_BYTES
from fcn.server.engine_memory import EngineMemory
from fcn.server.limits import Limits

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "deploy" / "compose.yaml"
SERVICES = YAML(typ="safe").load(COMPOSE)["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_may_do_nothing_it_need_not(name: str) -> None:
    service = SERVICES[name]
    assert service["user"] == "1000:1000"
    assert service["read_only"] is True
    assert service["tmpfs"] == ["/tmp:size=256m"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert all(volume.endswith(":ro") for volume in service["volumes"])
    assert service["mem_limit"]
    assert service["pids_limit"] == 1024
    assert service["cpus"]
    assert 0 < service["cpu_shares"] < 1024  # 1024 is the share of any other program


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_descriptors_for_all_of_its_connections(name: str) -> None:
    limits = SERVICES[name]["ulimits"]["nofile"]
    assert 2 * Limits().connections <= limits["soft"] == limits["hard"] <= 2**16


def test_no_two_services_take_the_same_port() -> None:
    ports = [port.split(":")[1] for service in SERVICES.values() for port in service["ports"]]
    assert len(set(ports)) == len(ports) == 4


def test_our_own_service_is_built_from_a_stage_that_there_is() -> None:
    build = SERVICES["fcn"]["build"]
    assert (COMPOSE.parent / build["context"]).resolve() == ROOT
    assert f"AS {build['target']}\n" in DOCKERFILE
    inside = [port.split(":")[-1] for port in SERVICES["fcn"]["ports"]]
    assert sorted(inside) == sorted(re.findall(r"^EXPOSE (\d+)$", DOCKERFILE, re.MULTILINE))
    command = SERVICES["fcn"]["command"]
    assert command[command.index("--grpc-port") + 1] in inside


def test_our_own_service_serves_what_is_mounted_under_the_name_of_the_other() -> None:
    (mount,) = SERVICES["fcn"]["volumes"]
    assert SERVICES["fcn"]["command"][:3] == [mount.split(":")[-2], "--name", "fcn"]
    assert mount in SERVICES["tensorflow-serving"]["volumes"]


def test_what_was_accepted_is_answered_before_the_service_is_killed() -> None:
    match = re.fullmatch(r"(\d+)s", SERVICES["fcn"]["stop_grace_period"])
    assert match is not None
    assert int(match[1]) > Limits().stop_seconds


def test_the_memory_that_the_server_divides_fits_into_the_limit(tmp_path: Path) -> None:
    """With what is beside it: bodies of requests, and logits."""
    service, limits = SERVICES["fcn"], Limits()
    command = service["command"]
    divided = float(re.fullmatch(r"\$\{FCN_SERVE_MEMORY:-(.*)\}", command[command.index("--memory") + 1])[1])
    gibibytes = int(re.fullmatch(r"\$\{FCN_MEMORY:-(\d+)g\}", service["mem_limit"])[1])
    assert divided * 1e9 + limits.body_bytes + limits.answer_bytes <= gibibytes * 2**30
    memory = EngineMemory(divided, DECODERS_BYTES)
    for number in (1, 2):  # full nets: the one that is served, and the next version
        (tmp_path / str(number) / "variables").mkdir(parents=True)
        with (tmp_path / str(number) / "variables" / "variables.data-00000-of-00001").open("wb") as weights:
            weights.truncate(540_000_000)
        (tmp_path / str(number) / "saved_model.pb").touch()
        memory.reserve(tmp_path / str(number))


def test_variables_without_a_default_say_what_they_are() -> None:
    variables = re.findall(r"\$\{(\w+)(:[-?][^}]*)?\}", COMPOSE.read_text())
    assert {name for name, _ in variables} == {
        "FCN_CPUS",
        "FCN_EXPORT",
        "FCN_MEMORY",
        "FCN_SERVE_MEMORY",
        "TENSORFLOW_SERVING_IMAGE",
    }
    assert all(rest for _, rest in variables)
