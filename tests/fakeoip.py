"""A server of the Open Inference Protocol over HTTP that answers as a test wants: well, or with a fault of its own.

It computes with the package's own local graph, so that only the fault is wrong. What it cannot show is that anybody
else understands us: that is MLServer's part, in tests/protocol.
"""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from drivers.ports import free_port

Feeds = dict[str, np.ndarray]


class FakeServer:
    """Serves one graph under one name; `faults[n]` is what befalls the n-th inference, `fault` every one."""

    def __init__(
        self,
        compute: Callable[[Feeds], Feeds],
        name: str = "darkness",
        version: str | None = "1.0.0",
        binary: bool = True,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.compute, self.name, self.version = compute, name, version
        self.extensions = ["binary_tensor_data"] if binary else []
        self.takes_binary = binary
        self.fault = ""
        self.described: dict[str, Any] = {"versions": [version] if version else []}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.connections = 0
        self.released = threading.Event()
        self.open: list[Any] = []
        self._context = context
        self._port = free_port()  # nobody else's, while it is stopped
        self.start()

    def start(self) -> None:
        """Listen, on the same port as before."""
        self.released.clear()
        self._server = _Server(("127.0.0.1", self._port), _handler(self))
        if self._context is not None:
            self._server.socket = self._context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def stop(self) -> None:
        """Be gone, with every connection."""
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self.hang_up()

    def hang_up(self) -> None:
        """Close the connections that are open, as a server does that has not been asked for a while."""
        for each in self.open:
            each.close()
        self.open.clear()

    @property
    def url(self) -> str:
        return f"{'https' if self._context else 'http'}://127.0.0.1:{self._port}"

    def asked(self, path: str) -> int:
        return sum(path in each[1] for each in self.requests)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hung up is no fault of the server's."""


def _handler(fake: FakeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            fake.connections += 1
            fake.open.append(_Socket(self.request))

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            fake.requests.append(("GET", self.path, dict(self.headers)))
            if self.path == "/v2":
                self.say({"name": "fake", "version": "1", "extensions": fake.extensions})
            elif self.path.startswith(f"/v2/models/{fake.name}"):
                self.say({"name": fake.name, "platform": "onnx", **fake.described})
            else:
                self.say({"error": f"no {self.path} here"}, 404)

        def do_POST(self) -> None:
            fake.requests.append(("POST", self.path, dict(self.headers)))
            body = self.rfile.read(int(self.headers["Content-Length"]))
            length = self.headers.get("Inference-Header-Content-Length")
            if length is not None and not fake.takes_binary:
                self.say({"error": "not JSON"}, 400)
                return
            outputs = fake.compute(feeds(body, length))
            if fault := FAULTS.get(fake.fault):
                fault(self, fake, outputs)
            else:
                self.send(answer(fake, outputs, length is not None))

        def say(self, what: object, status: int = 200) -> None:
            self.send((json.dumps(what).encode(), None), status)

        def send(self, body: tuple[bytes, int | None], status: int = 200, **headers: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body[0])))
            if body[1] is not None:
                self.send_header("Inference-Header-Content-Length", str(body[1]))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body[0])

    return Handler


class _Socket:
    def __init__(self, socket: Any) -> None:
        self._socket = socket

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(2)


def feeds(body: bytes, json_bytes: str | None) -> Feeds:
    """A request's tensors, read without the code under test."""
    length = len(body) if json_bytes is None else int(json_bytes)
    said, rest, found = json.loads(body[:length]), body[length:], {}
    for each in said["inputs"]:
        dtype = {"FP32": "<f4", "INT64": "<i8"}[each["datatype"]]
        if json_bytes is None:
            found[each["name"]] = np.array(each["data"], dtype).reshape(each["shape"])
        else:
            size = each["parameters"]["binary_data_size"]
            found[each["name"]], rest = np.frombuffer(rest[:size], dtype).reshape(each["shape"]), rest[size:]
    assert not rest or json_bytes is None
    return found


def answer(fake: FakeServer, outputs: Feeds, binary: bool) -> tuple[bytes, int | None]:
    heads, parts = [], []
    for name, values in outputs.items():
        head: dict[str, Any] = {"name": name, "shape": list(values.shape), "datatype": "FP32"}
        if binary:
            parts.append(values.astype("<f4").tobytes())
            head["parameters"] = {"binary_data_size": len(parts[-1])}
        else:
            head["data"] = values.tolist()
        heads.append(head)
    text = json.dumps({"model_name": fake.name, "model_version": fake.version, "outputs": heads}).encode()
    return text + b"".join(parts), len(text) if binary else None


def _half(handler: Any, fake: FakeServer, outputs: Feeds) -> None:
    body, _ = answer(fake, outputs, True)
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2])
    handler.close_connection = True


def _silence(handler: Any, fake: FakeServer, outputs: Feeds) -> None:
    fake.released.wait(60)
    handler.close_connection = True


def _drip(handler: Any, fake: FakeServer, outputs: Feeds) -> None:
    """A byte now and then: no single wait is long."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    while not fake.released.wait(0.01):
        handler.wfile.write(b" ")
        handler.wfile.flush()


def _changed(values: Callable[[np.ndarray], np.ndarray]) -> Callable[[Any, FakeServer, Feeds], None]:
    def fault(handler: Any, fake: FakeServer, outputs: Feeds) -> None:
        handler.send(answer(fake, {name: values(each) for name, each in outputs.items()}, True))

    return fault


def _nan(values: np.ndarray) -> np.ndarray:
    made = values.copy()
    made.flat[0] = np.nan
    return made


def _renamed(handler: Any, fake: FakeServer, outputs: Feeds) -> None:
    handler.send(answer(fake, {f"{name}-2": each for name, each in outputs.items()}, True))


def _lie(handler: Any, fake: FakeServer, outputs: Feeds) -> None:
    body, length = answer(fake, outputs, True)
    handler.send((body[:-4], length))


FAULTS: dict[str, Callable[[Any, FakeServer, Feeds], None]] = {
    "half": _half,
    "drip": _drip,
    "silence": _silence,
    "hang up": lambda handler, fake, outputs: handler.connection.shutdown(2),
    "shape": _changed(lambda values: values[..., :-1]),
    "nan": _changed(_nan),
    "other values": _changed(lambda values: values + np.float32(0.01)),
    "500": lambda handler, fake, outputs: handler.say({"error": "out of\nmemory"}, 500),
    "redirect": lambda handler, fake, outputs: handler.send((b"", None), 307, Location=fake.url + "/elsewhere"),
    "garbage": lambda handler, fake, outputs: handler.send((b"\xff\xfe no JSON", None)),
    "not http": lambda handler, fake, outputs: handler.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n\r\n"),
    "packed": lambda handler, fake, outputs: handler.send((b"\x1f\x8b", None), **{"Content-Encoding": "gzip"}),
    "another output": _renamed,
    "fewer bytes than said": _lie,
}
