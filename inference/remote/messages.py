"""The Open Inference Protocol's gRPC messages, those that are used here, as a table of fields.

Source: the protocol's gRPC specification (kserve/open-inference-protocol), service `inference.GRPCInferenceService`;
names and numbers of fields are the wire. Fields that are left out here travel as unknown ones and are skipped.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

SERVICE = "inference.GRPCInferenceService"
_PACKAGE = "jaitf_edge.open_inference"
_KINDS = {
    "string": descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
    "bytes": descriptor_pb2.FieldDescriptorProto.TYPE_BYTES,
    "bool": descriptor_pb2.FieldDescriptorProto.TYPE_BOOL,
    "int32": descriptor_pb2.FieldDescriptorProto.TYPE_INT32,
    "int64": descriptor_pb2.FieldDescriptorProto.TYPE_INT64,
    "uint32": descriptor_pb2.FieldDescriptorProto.TYPE_UINT32,
    "float": descriptor_pb2.FieldDescriptorProto.TYPE_FLOAT,
    "double": descriptor_pb2.FieldDescriptorProto.TYPE_DOUBLE,
}
_TENSOR = "1 name string, 2 datatype string, 3 shape int64*"
# A field: number, name, kind; `*` is repeated. A kind with a capital is another message of this table.
_MESSAGES = {
    "ServerMetadataRequest": "",
    "ServerMetadataResponse": "1 name string, 2 version string, 3 extensions string*",
    "ModelMetadataRequest": "1 name string, 2 version string",
    "TensorMetadata": _TENSOR,
    "ModelMetadataResponse": "1 name string, 2 versions string*, 4 inputs TensorMetadata*, 5 outputs TensorMetadata*",
    "Contents": "1 bool_contents bool*, 2 int_contents int32*, 3 int64_contents int64*, 4 uint_contents uint32*,"
    " 6 fp32_contents float*, 7 fp64_contents double*",
    "Tensor": f"{_TENSOR}, 5 contents Contents",
    "Wanted": "1 name string",
    "ModelInferRequest": "1 model_name string, 2 model_version string, 5 inputs Tensor*, 6 outputs Wanted*,"
    " 7 raw_input_contents bytes*",
    "ModelInferResponse": "1 model_name string, 2 model_version string, 5 outputs Tensor*,"
    " 6 raw_output_contents bytes*",
}


def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="jaitf_edge/open_inference.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, field, kind in (each.split() for each in fields.split(",") if each):
            repeated, kind = kind.endswith("*"), kind.removesuffix("*")
            made = message.field.add(name=field, number=int(number))
            made.label = made.LABEL_REPEATED if repeated else made.LABEL_OPTIONAL
            made.type = _KINDS.get(kind, made.TYPE_MESSAGE)
            if kind not in _KINDS:
                made.type_name = f".{_PACKAGE}.{kind}"
    pool = descriptor_pool.DescriptorPool()  # of its own: another library may have the protocol's in the common one
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _MESSAGES
    }


CLASSES = _classes()
"""Each message's class by its name."""
