"""TensorFlow Serving's own messages read what the server says, and write it the same."""

import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from tensorflow_serving.apis.get_model_metadata_pb2 import SignatureDefMap
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusResponse

from fcn.inference.engines.signatures import signatures
from fcn.server.interface import VersionState
from fcn.server.protocols.tensorflow_json import describe_model, describe_status
from fcn.server.versions import AVAILABLE, END, LOADING, UNLOADING


def there_and_back(document, message):
    ParseDict(document, message)
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


@pytest.mark.parametrize("state", [LOADING, AVAILABLE, UNLOADING, END])
@pytest.mark.parametrize("error", ["", "damaged"])
def test_the_status_is_a_status_response(state, error):
    document = describe_status([VersionState(4, state, error), VersionState(3, AVAILABLE)]).model_dump()
    assert there_and_back(document, GetModelStatusResponse()) == document


def test_the_metadata_are_a_map_of_signatures():
    document = describe_model("fcn", 4, signatures(3)).model_dump()
    assert document["model_spec"] == {"name": "fcn", "signature_name": "", "version": "4"}
    found = document["metadata"]["signature_def"]
    message = SignatureDefMap()
    assert there_and_back(found, message) == found
    images = message.signature_def["predict_tensor"].inputs["images"]
    assert [side.size for side in images.tensor_shape.dim] == [-1, -1, -1, 3]
    assert images.dtype == 4  # DT_UINT8 of tensorflow/core/framework/types.proto
