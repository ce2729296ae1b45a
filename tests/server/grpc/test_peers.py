"""gRPC's own client of health checks, in an environment of its own: `make peers`."""

from pathlib import Path

from grpc_server import running_grpc
from pausable_engine import PausableEngine
from peers import run_peer

PROGRAM = Path(__file__).parents[2] / "health_program.py"
SERVICES = ["", "tensorflow.serving.PredictionService", "inference.GRPCInferenceService", "other"]


def test_health_is_understood(tmp_path: Path) -> None:
    with running_grpc(tmp_path, PausableEngine()) as server:
        said = run_peer("python", PROGRAM, server.address, *SERVICES, folder=tmp_path)
        assert said.split() == ["SERVING", "SERVING", "SERVING", "NOT_FOUND"]
        server.service.resources.drain()
        said = run_peer("python", PROGRAM, server.address, *SERVICES[:2], folder=tmp_path)
        assert said.split() == ["NOT_SERVING", "NOT_SERVING"]
