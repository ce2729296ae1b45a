"""Messages of TensorFlow Serving, the Open Inference Protocol and health checks, as far as they are used.

Sources: TensorFlow Serving's `tensorflow_serving/apis`, TensorFlow's `tensorflow/core/framework`, the Open
Inference Protocol's and Triton's `grpc_service.proto`, gRPC's `health.proto` and Google's `status.proto` and
`error_details.proto`. Fields that are left out are skipped when a message is read.
"""

from typing import Any

from google.protobuf.message import DecodeError

from fcn.server.grpc.descriptors import message_classes
from fcn.server.validation import invalid
from fcn.system.protobuf import read_fields

_MOST_FIELDS = 20_000
"""Of a message. In memory, millions of empty ones take a hundred times their bytes."""

_SCHEMAS = {
    "google.protobuf": {
        "Any": "type_url=1:string value=2:bytes",
        "Duration": "seconds=1:int64 nanos=2:int32",
        "Int64Value": "value=1:int64",
    },
    "google.rpc": {
        "RetryInfo": "retry_delay=1:google.protobuf.Duration",
        "Status": "code=1:int32 message=2:string details=3:[google.protobuf.Any]",
    },
    "grpc.health.v1": {
        "HealthCheckRequest": "service=1:string",
        "HealthCheckResponse": "status=1:int32",
    },
    "tensorflow": {
        "Dim": "size=1:int64 name=2:string",
        "TensorShapeProto": "dim=2:[Dim] unknown_rank=3:bool",
        "TensorProto": "dtype=1:int32 tensor_shape=2:TensorShapeProto tensor_content=4:bytes "
        "float_val=5:packed int_val=7:packed string_val=8:[bytes]",
        "TensorInfo": "name=1:string dtype=2:int32 tensor_shape=3:TensorShapeProto",
        "SignatureDef": "inputs=1:{TensorInfo} outputs=2:{TensorInfo} method_name=3:string",
    },
    "tensorflow.serving": {
        "ModelSpec": "name=1:string version?=2:google.protobuf.Int64Value signature_name=3:string "
        "version_label?=4:string",
        "PredictRequest": "model_spec=1:ModelSpec inputs=2:{tensorflow.TensorProto} output_filter=3:[string]",
        "PredictResponse": "outputs=1:{tensorflow.TensorProto} model_spec=2:ModelSpec",
        "SignatureDefMap": "signature_def=1:{tensorflow.SignatureDef}",
        "GetModelMetadataRequest": "model_spec=1:ModelSpec metadata_field=2:[string]",
        "GetModelMetadataResponse": "model_spec=1:ModelSpec metadata=2:{google.protobuf.Any}",
        "GetModelStatusRequest": "model_spec=1:ModelSpec",
        "StatusProto": "error_code=1:int32 error_message=2:string",
        "ModelVersionStatus": "version=1:int64 state=2:int32 status=3:StatusProto",
        "GetModelStatusResponse": "model_version_status=1:[ModelVersionStatus]",
    },
    "inference": {
        "ServerLiveRequest": "",
        "ServerLiveResponse": "live=1:bool",
        "ServerReadyRequest": "",
        "ServerReadyResponse": "ready=1:bool",
        "ModelReadyRequest": "name=1:string version=2:string",
        "ModelReadyResponse": "ready=1:bool",
        "ServerMetadataRequest": "",
        "ServerMetadataResponse": "name=1:string version=2:string extensions=3:[string]",
        "TensorMetadata": "name=1:string datatype=2:string shape=3:[int64]",
        "ModelMetadataRequest": "name=1:string version=2:string",
        "ModelMetadataResponse": "name=1:string versions=2:[string] platform=3:string "
        "inputs=4:[TensorMetadata] outputs=5:[TensorMetadata]",
        "InferParameter": "bool_param?=1:bool int64_param?=2:int64 string_param?=3:string "
        "double_param?=4:double uint64_param?=5:uint64",
        "InferTensorContents": "uint_contents=4:packed fp32_contents=6:packed bytes_contents=8:[bytes]",
        "InferInputTensor": "name=1:string datatype=2:string shape=3:[int64] parameters=4:{InferParameter} "
        "contents=5:InferTensorContents",
        "InferRequestedOutputTensor": "name=1:string parameters=2:{InferParameter}",
        "ModelInferRequest": "model_name=1:string model_version=2:string id=3:string "
        "parameters=4:{InferParameter} inputs=5:[InferInputTensor] outputs=6:[InferRequestedOutputTensor] "
        "raw_input_contents=7:[bytes]",
        "InferOutputTensor": "name=1:string datatype=2:string shape=3:[int64] parameters=4:{InferParameter} "
        "contents=5:InferTensorContents",
        "ModelInferResponse": "model_name=1:string model_version=2:string id=3:string "
        "parameters=4:{InferParameter} outputs=5:[InferOutputTensor] raw_output_contents=6:[bytes]",
        "RepositoryIndexRequest": "repository_name=1:string ready=2:bool",
        "ModelIndex": "name=1:string version=2:string state=3:string reason=4:string",
        "RepositoryIndexResponse": "models=1:[ModelIndex]",
        "ModelStatisticsRequest": "name=1:string version=2:string",
        "StatisticDuration": "count=1:uint64 ns=2:uint64",
        "InferStatistics": "success=1:StatisticDuration fail=2:StatisticDuration queue=3:StatisticDuration "
        "compute_input=4:StatisticDuration compute_infer=5:StatisticDuration "
        "compute_output=6:StatisticDuration cache_hit=7:StatisticDuration cache_miss=8:StatisticDuration",
        "InferBatchStatistics": "batch_size=1:uint64 compute_infer=3:StatisticDuration",
        "ModelStatistics": "name=1:string version=2:string last_inference=3:uint64 inference_count=4:uint64 "
        "execution_count=5:uint64 inference_stats=6:InferStatistics batch_stats=7:[InferBatchStatistics]",
        "ModelStatisticsResponse": "model_stats=1:[ModelStatistics]",
    },
}

MESSAGES = message_classes(_SCHEMAS)
"""Classes of messages by full name, such as `tensorflow.serving.PredictRequest`."""


def read_message(name: str, data: bytes) -> Any:
    """Reads a message.

    Args:
        name: Its full name.
        data: Its bytes.

    Raises:
        ServerError: If they are not such a message, or it has more fields and numbers than a request with
            images can have.

    Example:
        >>> read_message("grpc.health.v1.HealthCheckRequest", b"").service
        ''
    """
    kind = MESSAGES[name]
    short = kind.DESCRIPTOR.name
    try:
        found = _count_fields(memoryview(data), 0, len(data), kind.DESCRIPTOR, 0)
        if found <= _MOST_FIELDS:
            return kind.FromString(data)
    except (ValueError, DecodeError) as error:
        raise invalid(f"a {short}", f"{len(data)} bytes that are not one ({error})") from error
    raise invalid(f"a {short} of at most {_MOST_FIELDS} fields and numbers", "more")


def write_message(name: str, /, **fields: Any) -> bytes:
    """Returns the bytes of a message with these fields.

    Example:
        >>> write_message("inference.ServerLiveResponse", live=True).hex()
        '0801'
    """
    message: bytes = MESSAGES[name](**fields).SerializeToString()
    return message


def _count_fields(data: memoryview, start: int, end: int, descriptor: Any, found: int) -> int:
    """Adds the fields and numbers of a message, and of those in it, to `found`; stops beyond `_MOST_FIELDS`.

    Raises:
        ValueError: If the message is damaged.
    """
    for field in read_fields(data, start, end):
        found += 1
        known = descriptor.fields_by_number.get(field.number)
        if known is not None and known.message_type is not None:
            found = _count_fields(data, field.start, field.end, known.message_type, found)
        elif known is not None and known.cpp_type != known.CPPTYPE_STRING:
            found += field.end - field.start  # a list of numbers, each of a byte or more
        if found > _MOST_FIELDS:
            break
    return found
