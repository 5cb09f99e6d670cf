"""The way to a server over gRPC: deadlines, refusals and answers of the wrong shape. That MLServer understands it is
shown in tests/protocol."""

from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest

from drivers.errors import ConfigError, DeviceRefused, LinkLost, LinkTimeout, ProtocolError
from drivers.ports import free_port
from inference.remote import codec
from inference.remote.address import Server
from inference.remote.messages import CLASSES, SERVICE
from inference.remote.rpc import RpcWire
from simulators.certificates import Authority

PATIENT_S = 30.0
VALUES = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
TENSOR = {"name": "logits", "datatype": "FP32", "shape": [1, 2, 3]}


class Servicer(grpc.GenericRpcHandler):
    """Answers ModelInfer with `answer`'s fields, or with what calling it does."""

    def __init__(self):
        self.answer = {"outputs": [TENSOR], "raw_output_contents": [VALUES.tobytes()], "model_version": "2"}
        self.asked = []

    def service(self, details):
        method = details.method.rpartition("/")[2]
        assert details.method == f"/{SERVICE}/{method}"

        def serve(request, context):
            self.asked.append((request, dict(context.invocation_metadata())))
            answer = self.answer(context) if callable(self.answer) else self.answer
            return CLASSES[f"{method}Response"](**answer)

        request, response = CLASSES[f"{method}Request"], CLASSES[f"{method}Response"]
        return grpc.unary_unary_rpc_method_handler(serve, request.FromString, response.SerializeToString)


@pytest.fixture
def servicer():
    return Servicer()


@pytest.fixture
def listen(servicer):
    """`listen()` serves on a free port and returns HOST:PORT."""
    running = []

    def start(credentials=None):
        server = grpc.server(ThreadPoolExecutor(2), handlers=[servicer])
        running.append(server)
        port = (
            server.add_secure_port("127.0.0.1:0", credentials)
            if credentials
            else server.add_insecure_port("127.0.0.1:0")
        )
        server.start()
        return f"127.0.0.1:{port}"

    yield start
    for each in running:
        each.stop(None).wait(60)


@pytest.fixture
def dial():
    opened = []

    def open_wire(url, **changes):
        opened.append(RpcWire(Server(url, **changes)))
        return opened[-1]

    yield open_wire
    for each in opened:
        each.close()


def infer(wire, timeout_s=PATIENT_S):
    return wire.infer("m", "2", {"image": VALUES}, ["logits"], timeout_s)


@pytest.mark.parametrize(
    "answer",
    [
        {"outputs": [TENSOR], "raw_output_contents": [VALUES.tobytes()]},
        {"outputs": [{**TENSOR, "contents": {"fp32_contents": VALUES.ravel()}}]},
    ],
)
def test_tensors_raw_or_as_numbers(listen, dial, servicer, answer):
    servicer.answer = {**answer, "model_version": "2"}
    found = infer(dial(f"grpc://{listen()}"))
    np.testing.assert_array_equal(found.outputs["logits"], VALUES)
    assert found.version == "2"
    request, _ = servicer.asked[0]
    assert (request.model_name, request.model_version, request.raw_input_contents[0]) == ("m", "2", VALUES.tobytes())


@pytest.mark.parametrize(
    "answer",
    [
        {"outputs": [TENSOR], "raw_output_contents": [b"", b""]},
        {"outputs": [TENSOR], "raw_output_contents": [VALUES.tobytes()[:-1]]},
        {"outputs": [TENSOR]},
        {"outputs": [{**TENSOR, "datatype": "BYTES"}], "raw_output_contents": [b""]},
        {"outputs": [{**TENSOR, "shape": [1 << 40, 1 << 40]}], "raw_output_contents": [b""]},
        {"outputs": [{**TENSOR, "shape": [-1]}], "raw_output_contents": [b""]},
    ],
)
def test_what_is_no_tensor(listen, dial, servicer, answer):
    servicer.answer = answer
    with pytest.raises(ProtocolError):
        infer(dial(f"grpc://{listen()}"))


def test_a_deadline_a_refusal_and_nobody(listen, dial, servicer):
    wire = dial(f"grpc://{listen()}")
    servicer.answer = lambda context: context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no such\nmodel")
    with pytest.raises(DeviceRefused, match="INVALID_ARGUMENT: no such model"):
        infer(wire)

    def too_late(context):
        while context.is_active():
            pass
        return {}

    servicer.answer = too_late
    with pytest.raises(LinkTimeout, match="no answer in 200 ms"):
        infer(wire, 0.2)
    with pytest.raises(LinkLost, match="UNAVAILABLE"):
        infer(dial(f"grpc://127.0.0.1:{free_port()}"))


def test_over_tls_with_a_token(listen, dial, servicer, tmp_path):
    ours, other = Authority(tmp_path, "ours"), Authority(tmp_path, "other")
    cert, key = ours.issue("server")
    where = listen(grpc.ssl_server_credentials([(key.read_bytes(), cert.read_bytes())]))
    token = tmp_path / "token"
    token.write_text("s3cret")
    token.chmod(0o600)
    infer(dial(f"grpcs://{where}", ca_file=ours.file, token_file=token))
    assert servicer.asked[-1][1]["authorization"] == "Bearer s3cret"
    for changes in ({"ca_file": other.file}, {}):
        with pytest.raises(LinkLost, match="UNAVAILABLE"):
            infer(dial(f"grpcs://{where}", **changes))
    with pytest.raises(ConfigError):
        dial(f"grpcs://{where}", ca_file=tmp_path / "none.pem")


def test_metadata(listen, dial, servicer):
    wire = dial(f"grpc://{listen()}")
    servicer.answer = {"name": "s", "version": "1", "extensions": ["a"]}
    assert wire.server(PATIENT_S) == codec.ServerSaid("s", "1", ("a",))
    tensor = {"name": "image", "datatype": "FP32", "shape": [-1, 3]}
    servicer.answer = {"name": "m", "versions": ["1", "2"], "inputs": [tensor]}
    assert wire.model("m", "2", PATIENT_S) == codec.ModelSaid(
        "m", ("1", "2"), (codec.TensorSpec("image", "FP32", (-1, 3)),), ()
    )
