"""The gRPC server that ships, answering on this machine with a test engine, in a thread."""

import asyncio
import threading
from contextlib import contextmanager
from typing import NamedTuple

import grpc
from http_server import engine_service
from prometheus_client.parser import text_string_to_metric_families

from fcn.server.grpc.messages import MESSAGES
from fcn.server.grpc.server import GrpcServer
from fcn.server.listening import open_socket
from fcn.server.served_models import ServedModels
from fcn.server.service import Service

PREDICT = "/tensorflow.serving.PredictionService/Predict"
INFER = "/inference.GRPCInferenceService/ModelInfer"
CHECK = "/grpc.health.v1.Health/Check"
ANY_SIZE = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


class RunningGrpc(NamedTuple):
    """Server that is running."""

    address: str
    service: Service
    channel: grpc.Channel

    def call(self, path, data, seconds=20.0, **options):
        """Calls a method with the bytes of a message, and returns those of the answer."""
        return self.channel.unary_unary(path)(data, timeout=seconds, **options)

    def refused(self, path, data, seconds=20.0, **options):
        """Calls a method that fails; returns the name of the status, its text and the metadata."""
        try:
            self.call(path, data, seconds, **options)
        except grpc.RpcError as error:
            return error.code().name, error.details(), dict(error.trailing_metadata() or ())
        raise AssertionError("it was answered")

    @property
    def pool(self):
        """Memory for the bodies of all requests."""
        return self.service.resources.bodies

    def requests(self, protocol, status):
        """Returns how many calls were counted."""
        return self.metric("fcn_requests_total", protocol, status)

    def metric(self, name, *labels):
        """Returns the number that a metric has for these values of labels, of whatever model; 0 for none."""
        families = text_string_to_metric_families(self.service.resources.metrics.text().decode())
        return sum(
            sample.value
            for family in families
            for sample in family.samples
            if sample.name == name and {*labels} <= {*sample.labels.values()}
        )


@contextmanager
def running_grpc(folder, engine, token=None, version=1, connections=16, **limits):
    """Yields a server in a thread, with an engine."""
    with (
        engine_service(folder, engine, version, **limits) as service,
        running_services([service], token, connections) as server,
    ):
        try:
            yield server
        finally:
            engine.resumed.set()


@contextmanager
def running_services(services, token=None, connections=16):
    """Yields a server in a thread, with services that share their resources."""
    first = services[0]
    listener = open_socket("127.0.0.1", 0, "--grpc-port")
    server = GrpcServer(ServedModels(services), first.resources, token, listener)
    started, stopped = threading.Event(), threading.Event()

    async def serve():
        await server.start(connections)
        started.set()
        await asyncio.to_thread(stopped.wait)
        await server.stop(first.limits.stop_seconds)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert started.wait(20)
        with grpc.insecure_channel(server.address, ANY_SIZE) as channel:
            yield RunningGrpc(server.address, first, channel)
    finally:
        stopped.set()
        thread.join(30)


def message(name, **fields):
    """Returns a message with these fields."""
    return MESSAGES[name](**fields)
