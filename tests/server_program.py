"""A server whose engine waits for a file `FOLDER/go`: `server_program.py FOLDER [DRAIN_SECONDS] [grpc]`."""

import sys
import time
from pathlib import Path

import numpy as np

from fcn.classes import Classes
from fcn.inference.engines.engine import Labeled
from fcn.inference.predictor import Predictor
from fcn.runs.arrival import write_file_sizes
from fcn.server.app import ServerSettings, create_app
from fcn.server.decoding import Decoders
from fcn.server.engine_memory import EngineMemory
from fcn.server.limits import Limits
from fcn.server.listening import answer_requests, open_socket, url_of
from fcn.server.observability.logs import start_logs
from fcn.server.observability.metrics import Metrics
from fcn.server.resources import ServerResources
from fcn.server.served_models import ServedModels
from fcn.server.service import Service


class WaitingEngine:
    """Engine that labels every pixel with class 1 once the file exists."""

    name, precision, bits = "waiting", "float32", 16
    classes = Classes.named(("0", "1"))

    def __init__(self, go):
        self._go, self._is_warm = go, False

    def label(self, images):
        while self._is_warm and not self._go.exists():
            time.sleep(0.01)
        self._is_warm = True
        return Labeled(np.ones(images.shape[:3], np.uint8), np.ones(images.shape[:3], np.float32))


def main(folder, drain_seconds=0.0, has_grpc=False):
    (folder / "1").mkdir(exist_ok=True)
    (folder / "1" / "saved_model.pb").touch()
    write_file_sizes(folder / "1")
    start_logs()
    with open_socket("127.0.0.1", 0) as listener, Decoders() as decoders:
        service = Service(
            "fcn",
            folder,
            lambda path: Predictor.from_engine(WaitingEngine(folder / "go")),
            ServerResources(Limits(drain_seconds=drain_seconds), Metrics(), decoders, EngineMemory(4.0)),
        )
        models, other = ServedModels([service]), None
        if has_grpc:
            from fcn.server.grpc.server import GrpcServer

            other = GrpcServer(models, service.resources, None, open_socket("127.0.0.1", 0, "--grpc-port"))
            print(other.address, flush=True)
        number = answer_requests(
            create_app(models, service.resources, ServerSettings()),
            listener,
            service.limits,
            lambda: print(url_of(listener), flush=True),
            service.resources.drain,
            other,
        )
        service.close()
    print(f"stopped by {number}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(float, sys.argv[2:3]), has_grpc="grpc" in sys.argv[3:])
