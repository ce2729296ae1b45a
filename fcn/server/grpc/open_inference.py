"""The Open Inference Protocol v2 over gRPC, with Triton's index and statistics.

Source: the `grpc_service.proto` of the Open Inference Protocol and of Triton.
"""

from typing import Any

from fcn.inference.engines.signatures import SERVING_DEFAULT
from fcn.server.grpc.infer import read_infer, write_infer
from fcn.server.grpc.messages import write_message
from fcn.server.grpc.method import Method, Methods, read_version
from fcn.server.interface import ModelService, ServerError
from fcn.server.protocols.routes import available_versions
from fcn.server.protocols.v2_messages import describe_model
from fcn.server.protocols.v2_statistics import describe_statistics, describe_versions
from fcn.server.serial_executor import SerialExecutor
from fcn.server.served_models import ServedModels
from fcn.version import __version__

SERVICE = "inference.GRPCInferenceService"
_PROTOCOL = "v2-grpc"
_EXTENSIONS = ["statistics"]


def inference_methods(models: ServedModels[ModelService], executor: SerialExecutor) -> Methods:
    """Returns the methods of the Open Inference Protocol v2: health, metadata and infer.

    Args:
        models: The models.
        executor: Reads and writes large messages.

    Returns:
        Methods that raise `ServerError` for rejected requests.
    """

    async def live(_: Any) -> bytes:
        return write_message("inference.ServerLiveResponse", live=True)

    async def ready(_: Any) -> bytes:
        return write_message("inference.ServerReadyResponse", ready=is_ready(models))

    async def model_ready(request: Any) -> bytes:
        model = models.find(request.name)
        model.signatures(read_version(request.version))
        return write_message("inference.ModelReadyResponse", ready=is_ready(model))

    async def server(_: Any) -> bytes:
        return write_message(
            "inference.ServerMetadataResponse", name="fcn", version=__version__, extensions=_EXTENSIONS
        )

    async def metadata(request: Any) -> bytes:
        model = models.find(request.name)
        signature = model.signatures(read_version(request.version))[SERVING_DEFAULT]
        described = describe_model(model.name, available_versions(model), signature)
        return write_message("inference.ModelMetadataResponse", **described.model_dump())

    async def infer(request: Any) -> bytes:
        model, version = models.find(request.model_name), read_version(request.model_version)
        call = await executor.run(read_infer, request, model.signatures(version), version)
        request.Clear()  # frees its memory while the image waits
        answer = await model.infer(call.call)
        written: bytes = await executor.run(write_infer, call, model.name, answer)
        return written

    async def index(request: Any) -> bytes:
        listed = [
            entry.model_dump()
            for model in models
            for entry in describe_versions(model.name, model.versions(), only_ready=request.ready)
        ]
        return write_message("inference.RepositoryIndexResponse", models=listed)

    async def statistics(request: Any) -> bytes:
        version = read_version(request.version)
        if request.name:
            model = models.find(request.name)
            found = [(model.name, model.statistics(version))]
        else:
            found = models.statistics()
        documents = [describe_statistics(*one).model_dump() for one in found]
        return write_message("inference.ModelStatisticsResponse", model_stats=documents)

    methods = {
        name: Method(_PROTOCOL, f"inference.{name}Request", answer)
        for name, answer in (
            ("ModelReady", model_ready),
            ("ServerMetadata", server),
            ("ModelMetadata", metadata),
            ("ModelInfer", infer),
            ("RepositoryIndex", index),
            ("ModelStatistics", statistics),
        )
    }
    for name, answer in (("ServerLive", live), ("ServerReady", ready)):
        methods[name] = Method(_PROTOCOL, f"inference.{name}Request", answer, is_open=True)
    return {f"/{SERVICE}/{name}": method for name, method in methods.items()}


def is_ready(service: ModelService | ServedModels[ModelService]) -> bool:
    """Returns whether a new request for a model, or for any of several, would be answered."""
    try:
        service.check_ready()
    except ServerError:
        return False
    return True
