"""The Open Inference Protocol over gRPC: tensors always as they are, the deadline gRPC's own."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from typing import Any

import grpc
from numpy.typing import NDArray

from drivers.errors import ConfigError, DeviceRefused, EdgeError, LinkLost, LinkTimeout, ProtocolError
from inference.remote import codec
from inference.remote.address import Server
from inference.remote.codec import Answer, ModelSaid, ServerSaid, TensorSpec
from inference.remote.messages import CLASSES, SERVICE

_OPTIONS = [
    ("grpc.max_receive_message_length", codec.MAX_ANSWER_BYTES),
    ("grpc.max_send_message_length", codec.MAX_ANSWER_BYTES),
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_retries", 0),
    # A channel is made anew when a server is tried again; within one it is to find out soon that it is back.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.use_local_subchannel_pool", 1),
]
_FAILURES: dict[grpc.StatusCode, type[EdgeError]] = {
    grpc.StatusCode.DEADLINE_EXCEEDED: LinkTimeout,
    grpc.StatusCode.UNAVAILABLE: LinkLost,
    grpc.StatusCode.CANCELLED: LinkLost,
}
_CONTENTS = {
    "BOOL": "bool_contents",
    "UINT8": "uint_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
}


class RpcWire:
    """A server over gRPC."""

    def __init__(self, server: Server) -> None:
        """Make ready; the connection comes with the first call. Raises ConfigError."""
        place = server.place
        token = server.token()
        self._headers = [("authorization", f"Bearer {token}")] if token else []
        if place.tls:
            credentials = grpc.ssl_channel_credentials(_authorities(server))
            self._channel = grpc.secure_channel(place.authority, credentials, _OPTIONS)
        else:
            self._channel = grpc.insecure_channel(place.authority, _OPTIONS)

    def server(self, timeout_s: float) -> ServerSaid:
        """Return the server's metadata."""
        said = self._call("ServerMetadata", {}, timeout_s)
        return ServerSaid(said.name, said.version, tuple(said.extensions))

    def model(self, name: str, version: str, timeout_s: float) -> ModelSaid:
        """Return a model's metadata."""
        said = self._call("ModelMetadata", {"name": name, "version": version}, timeout_s)
        inputs, outputs = (tuple(_spec(each, False) for each in side) for side in (said.inputs, said.outputs))
        return ModelSaid(said.name, tuple(said.versions), inputs, outputs)

    def infer(
        self, name: str, version: str, feeds: Mapping[str, NDArray[Any]], outputs: Sequence[str], timeout_s: float
    ) -> Answer:
        """Return what the model makes of `feeds`."""
        fields = {
            "model_name": name,
            "model_version": version,
            "inputs": [
                {"name": key, "datatype": codec.DATATYPES[values.dtype.name], "shape": values.shape}
                for key, values in feeds.items()
            ],
            "outputs": [{"name": each} for each in outputs],
            "raw_input_contents": [bytes(codec.raw(values)) for values in feeds.values()],
        }
        said = self._call("ModelInfer", fields, timeout_s)
        specs = [_spec(each) for each in said.outputs]
        if said.raw_output_contents:
            if len(said.raw_output_contents) != len(specs):
                raise ProtocolError("as many outputs as tensors were to come")
            pairs = zip(specs, said.raw_output_contents, strict=True)
            found = {spec.name: codec.from_raw(spec, data) for spec, data in pairs}
        else:
            found = {
                spec.name: codec.from_values(spec, getattr(each.contents, _CONTENTS.get(spec.datatype, ""), None))
                for spec, each in zip(specs, said.outputs, strict=True)
            }
        return Answer(found, said.model_version)

    def close(self) -> None:
        """Hang up."""
        self._channel.close()

    def _call(self, method: str, fields: dict[str, Any], timeout_s: float) -> Any:
        call = self._channel.unary_unary(
            f"/{SERVICE}/{method}",
            request_serializer=CLASSES[f"{method}Request"].SerializeToString,
            response_deserializer=CLASSES[f"{method}Response"].FromString,
        )
        try:
            return call(CLASSES[f"{method}Request"](**fields), timeout=timeout_s, metadata=self._headers)
        except grpc.RpcError as error:
            # Every failed call is a grpc.Call too; the types do not say so.
            code, detail = error.code(), codec.one_line(error.details() or "")
            if code is grpc.StatusCode.DEADLINE_EXCEEDED:
                detail = f"no answer in {timeout_s * 1000:.0f} ms"
            raise _FAILURES.get(code, DeviceRefused)(f"gRPC {code.name}: {detail}") from None


def _spec(said: Any, fixed: bool = True) -> TensorSpec:
    return TensorSpec(said.name, said.datatype, codec.shape(list(said.shape), codec.one_line(said.name), fixed))


def _authorities(server: Server) -> bytes | None:
    """Return who may vouch for the server, in PEM: gRPC brings a list of its own, and would not use this system's."""
    try:
        if server.ca_file is not None:
            return server.ca_file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{server.ca_file}: {error.strerror}") from None
    found = ssl.create_default_context().get_ca_certs(binary_form=True)
    return "".join(map(ssl.DER_cert_to_PEM_cert, found)).encode() or None
