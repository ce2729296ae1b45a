"""Our messages against those of the official packages, and what is refused before it is read."""

import pytest
from google.protobuf import any_pb2, descriptor_pool, duration_pb2, wrappers_pb2
from google.protobuf.descriptor import FieldDescriptor
from grpc_server import message
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, predict_pb2
from tritonclient.grpc import service_pb2

from fcn.server.grpc.messages import MESSAGES, read_message, write_message
from fcn.server.interface import ErrorKind, ServerError

OFFICIAL_MODULES = (
    *(any_pb2, duration_pb2, wrappers_pb2, service_pb2),
    *(get_model_metadata_pb2, get_model_status_pb2, predict_pb2),
)
"""What registers the official messages in the pool that all share."""
OFFICIAL_NAMES = {
    "tensorflow.Dim": "tensorflow.TensorShapeProto.Dim",
    "inference.TensorMetadata": "inference.ModelMetadataResponse.TensorMetadata",
    "inference.InferInputTensor": "inference.ModelInferRequest.InferInputTensor",
    "inference.InferRequestedOutputTensor": "inference.ModelInferRequest.InferRequestedOutputTensor",
    "inference.InferOutputTensor": "inference.ModelInferResponse.InferOutputTensor",
    "inference.ModelIndex": "inference.RepositoryIndexResponse.ModelIndex",
}
"""Official names of messages that are within another one there."""
WITHOUT_A_PACKAGE_HERE = {
    # gRPC's and Google's own messages: their packages are not among ours.
    *("grpc.health.v1.HealthCheckRequest", "grpc.health.v1.HealthCheckResponse"),
    *("google.rpc.Status", "google.rpc.RetryInfo"),
}
PACKED = {FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_UINT32}


def wire_type(field):
    """Returns the type of a field, as far as the wire shows it."""
    if field.type == FieldDescriptor.TYPE_ENUM:
        return FieldDescriptor.TYPE_INT32
    if field.is_repeated and field.type in PACKED:
        return FieldDescriptor.TYPE_BYTES
    return field.type


def described(descriptor):
    """Returns number and type of each field, and whether it is a list and excludes others."""
    return {
        field.name: (field.number, wire_type(field), field.is_repeated, field.containing_oneof is not None)
        for field in descriptor.fields
    }


def message_types(descriptor):
    """Returns the names of the messages in the fields, those of maps by their values."""
    found = {}
    for field in descriptor.fields:
        kind = field.message_type
        if kind is not None and kind.GetOptions().map_entry:
            kind = kind.fields_by_name["value"].message_type
        if kind is not None:
            found[field.name] = OFFICIAL_NAMES.get(kind.full_name, kind.full_name)
    return found


@pytest.mark.parametrize("name", sorted(MESSAGES.keys() - WITHOUT_A_PACKAGE_HERE))
def test_fields_are_those_of_the_official_messages(name):
    official = descriptor_pool.Default().FindMessageTypeByName(OFFICIAL_NAMES.get(name, name))
    ours = MESSAGES[name].DESCRIPTOR
    # In TensorInfo, the name excludes forms of tensors that are not used here.
    alone = {"name"} if name == "tensorflow.TensorInfo" else set()
    expected = {
        field: (*facts[:3], facts[3] and field not in alone) for field, facts in described(official).items()
    }
    assert official.file.name not in ("", ours.file.name)
    assert described(ours).items() <= expected.items()
    assert message_types(ours).items() <= message_types(official).items()


def test_names_of_the_official_messages_are_not_taken():
    pool = descriptor_pool.Default()
    for name in MESSAGES.keys() - WITHOUT_A_PACKAGE_HERE:
        official = pool.FindMessageTypeByName(OFFICIAL_NAMES.get(name, name))
        assert official is not MESSAGES[name].DESCRIPTOR
    with pytest.raises(KeyError):
        pool.FindMessageTypeByName("grpc.health.v1.HealthCheckRequest")


@pytest.mark.parametrize(
    "data",
    [
        b"\x12\x00" * 20_001,  # empty inputs
        b"\xf8\xff\x01\x00" * 20_001,  # fields that are not known
        message("inference.ModelInferRequest", inputs=[{"shape": [1] * 20_001}]).SerializeToString(),
        message("inference.ModelInferRequest", raw_input_contents=[b""] * 20_001).SerializeToString(),
    ],
)
def test_more_fields_than_images_need_are_refused_before_they_are_read(data):
    with pytest.raises(ServerError, match="Expected a ModelInferRequest of at most 20000 fields") as refused:
        read_message("inference.ModelInferRequest", data)
    assert refused.value.kind is ErrorKind.BAD_REQUEST


@pytest.mark.parametrize(
    "data",
    [b"\x0a", b"\x0a\x05abc", b"\x0b", b"\xff" * 11, b"\x0a\x01\xff", b"\x2a\x02\x0a\x05", b"image"],
)
def test_what_is_not_a_message_is_refused(data):
    with pytest.raises(ServerError, match=f"Expected a ModelInferRequest. Received: {len(data)} bytes"):
        read_message("inference.ModelInferRequest", data)


def test_a_large_file_is_one_field():
    data = write_message("inference.ModelInferRequest", raw_input_contents=[bytes(2**20)])
    assert len(read_message("inference.ModelInferRequest", data).raw_input_contents[0]) == 2**20


def test_last_of_fields_that_exclude_each_other_counts():
    parameter = message("inference.InferParameter", bool_param=False)
    assert parameter.WhichOneof("choice") == "bool_param"
    parameter.string_param = ""
    assert parameter.WhichOneof("choice") == "string_param"
