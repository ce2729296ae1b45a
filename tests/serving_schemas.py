"""The schemas of TensorFlow Serving's configuration files that no package ships.

Source: https://github.com/tensorflow/serving, in `tensorflow_serving/servables/tensorflow`
`session_bundle_config.proto` (BatchingParameters; its last two fields also in `bundle_factory_util.h`, which
reads them), and `tensorflow_serving/config/monitoring_config.proto`. Numbers of fields do not matter to the
text format.
"""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2
from google.protobuf.message import Message

_INT64, _BOOL, _STRING = (f".google.protobuf.{name}Value" for name in ("Int64", "Bool", "String"))

_MESSAGES = {
    "BatchingParameters": {
        "max_batch_size": _INT64,
        "batch_timeout_micros": _INT64,
        "max_enqueued_batches": _INT64,
        "num_batch_threads": _INT64,
        "thread_pool_name": _STRING,
        "allowed_batch_sizes": "repeated int64",
        "pad_variable_length_inputs": "bool",
        "enable_large_batch_splitting": _BOOL,
        "max_execution_batch_size": _INT64,
    },
    "PrometheusConfig": {"enable": "bool", "path": "string"},
    "MonitoringConfig": {"prometheus_config": ".tensorflow.serving.PrometheusConfig"},
}


def schema(name: str) -> type[Message]:
    """Returns the class of a message."""
    field_type = descriptor_pb2.FieldDescriptorProto
    plain = {"bool": field_type.TYPE_BOOL, "string": field_type.TYPE_STRING, "int64": field_type.TYPE_INT64}
    file = descriptor_pb2.FileDescriptorProto(
        name="serving_schemas.proto",
        package="tensorflow.serving",
        syntax="proto3",
        dependency=[wrappers_pb2.DESCRIPTOR.name],
    )
    for message_name, fields in _MESSAGES.items():
        message = file.message_type.add(name=message_name)
        for number, (field_name, kind) in enumerate(fields.items(), start=1):
            is_repeated = kind.startswith("repeated ")
            label = field_type.LABEL_REPEATED if is_repeated else field_type.LABEL_OPTIONAL
            field = message.field.add(name=field_name, number=number, label=label)
            if kind.startswith("."):
                field.type, field.type_name = field_type.TYPE_MESSAGE, kind
            else:
                field.type = plain[kind.removeprefix("repeated ")]
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"tensorflow.serving.{name}"))
