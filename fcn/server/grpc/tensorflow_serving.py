"""TensorFlow Serving's services over gRPC: the same messages and methods.

Source: TensorFlow Serving's `prediction_service.proto` and `model_service.proto`.
"""

from typing import Any

from fcn.server.grpc.messages import write_message
from fcn.server.grpc.method import Method, Methods
from fcn.server.grpc.predict import read_model_version, read_predict, signature_map, write_predict
from fcn.server.interface import ErrorKind, ModelService, ServerError
from fcn.server.protocols.routes import available_versions
from fcn.server.serial_executor import SerialExecutor
from fcn.server.served_models import ServedModels
from fcn.server.validation import invalid, shorten
from fcn.server.versions import AVAILABLE, END, LOADING, UNLOADING

SERVICE = "tensorflow.serving.PredictionService"
_MODEL_SERVICE = "tensorflow.serving.ModelService"
_PROTOCOL = "tensorflow-grpc"
_SIGNATURES = "signature_def"
_STATES = {LOADING: 20, AVAILABLE: 30, UNLOADING: 40, END: 50}
"""TensorFlow Serving's numbers of states."""
_OK, _INTERNAL = 0, 13
"""Codes of a version that could be loaded, and of one that could not."""


def tensorflow_methods(models: ServedModels[ModelService], executor: SerialExecutor) -> Methods:
    """Returns the methods of TensorFlow Serving: predict, metadata and status.

    Args:
        models: The models.
        executor: Reads and writes large messages.

    Returns:
        Methods that raise `ServerError` for rejected requests.
    """

    async def predict(request: Any) -> bytes:
        model, version = models.find(request.model_spec.name), read_model_version(request.model_spec)
        call = await executor.run(read_predict, request, model.signatures(version), version)
        request.Clear()  # frees its memory while the image waits
        answer = await model.infer(call)
        written: bytes = await executor.run(write_predict, answer, model.name, call.signature)
        return written

    async def metadata(request: Any) -> bytes:
        model, version = models.find(request.model_spec.name), read_model_version(request.model_spec)
        if list(request.metadata_field) != [_SIGNATURES]:
            received = ", ".join(shorten(field) for field in request.metadata_field[:3]) or "none"
            raise invalid(f"the metadata_field {_SIGNATURES}", received)
        definitions = signature_map(model.signatures(version))
        if version is None:
            version = available_versions(model)[0]
        spec = {"name": model.name, "version": {"value": version}}
        packed = {
            "type_url": f"type.googleapis.com/{definitions.DESCRIPTOR.full_name}",
            "value": definitions.SerializeToString(),
        }
        return write_message(
            "tensorflow.serving.GetModelMetadataResponse", model_spec=spec, metadata={_SIGNATURES: packed}
        )

    async def status(request: Any) -> bytes:
        model, version = models.find(request.model_spec.name), read_model_version(request.model_spec)
        states = [state for state in model.versions() if version in (None, state.version)]
        if not states:
            raise ServerError(
                ErrorKind.NOT_FOUND, f"Expected an existing version of {model.name}. Received: {version}."
            )
        statuses = [
            {
                "version": number,
                "state": _STATES[state],
                "status": {"error_code": _INTERNAL if error else _OK, "error_message": error},
            }
            for number, state, error in states
        ]
        return write_message("tensorflow.serving.GetModelStatusResponse", model_version_status=statuses)

    return {
        f"/{name}": Method(_PROTOCOL, f"tensorflow.serving.{request}", answer)
        for name, request, answer in (
            (f"{SERVICE}/Predict", "PredictRequest", predict),
            (f"{SERVICE}/GetModelMetadata", "GetModelMetadataRequest", metadata),
            (f"{_MODEL_SERVICE}/GetModelStatus", "GetModelStatusRequest", status),
        )
    }
