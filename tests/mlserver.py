"""MLServer as a peer: a server of the Open Inference Protocol that nobody here wrote, over HTTP and gRPC.

It lives in an environment of its own, made by `scripts/setup test`: its pins are not the appliance's.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from drivers.ports import free_port
from inference import package as packages
from inference.package import MODEL, Package
from inference.runtime import TYPES, open_graph

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = ROOT / ".cache" / "peers_mlserver" / "bin" / "mlserver"
RUNTIME = ROOT / "tests" / "peers_mlserver"
START_DEADLINE_S = 120.0
DATATYPES = {"float32": "FP32", "float16": "FP16", "int64": "INT64"}


class MlServer:
    """Serves a package's `model.onnx` on free loopback ports, which stay the same over `kill()` and `start()`."""

    def __init__(self, folder: Path, package: str | Path = "baggage", **changes: object) -> None:
        if not PROGRAM.exists():
            pytest.skip("MLServer is not installed: make setup did not get it; .cache/setup.log says why")
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.http_port, self.rpc_port, self._metrics_port = free_port(), free_port(), free_port()
        folder.mkdir(parents=True)
        found = packages.read(packages.find(package))
        (folder / MODEL).write_bytes(found.model)
        settings = {
            "host": "127.0.0.1",
            "http_port": self.http_port,
            "grpc_port": self.rpc_port,
            "metrics_port": self._metrics_port,
            "parallel_workers": 0,
            "grpc_max_message_length": 64 * 1024 * 1024,
        }
        (folder / "settings.json").write_text(json.dumps(settings))
        model = {
            "name": found.manifest.name,
            "implementation": "onnx_runtime.OnnxModel",
            "parameters": {"uri": str(folder / MODEL), "version": found.manifest.version},
            **described(found),
            **changes,
        }
        (folder / "model-settings.json").write_text(json.dumps(model))

    def url(self, scheme: str) -> str:
        return f"{scheme}://127.0.0.1:{self.rpc_port if scheme == 'grpc' else self.http_port}"

    def start(self) -> None:
        """Returns once the model is ready. Raises RuntimeError with the server's own words where it does not come."""
        log = self._folder / "log"
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [str(PROGRAM), "start", str(self._folder)],
                env={**os.environ, "PYTHONPATH": str(RUNTIME)},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        deadline = time.monotonic() + START_DEADLINE_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with urllib.request.urlopen(self.url("http") + "/v2/health/ready", timeout=5):
                    return
            except OSError:
                time.sleep(0.1)
        self.kill()
        raise RuntimeError(f"MLServer did not come up:\n{log.read_text(errors='replace')[-3000:]}")

    def kill(self) -> None:
        """A power cut."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGKILL)
            process.wait(60)


def described(package: Package) -> dict[str, object]:
    """The tensors, as the graph itself describes them."""
    session = open_graph(package.model, 1)

    def tensors(nodes):
        return [
            {
                "name": node.name,
                "datatype": DATATYPES[TYPES[node.type]],
                "shape": [n if isinstance(n, int) else -1 for n in node.shape],
            }
            for node in nodes
        ]

    return {"inputs": tensors(session.get_inputs()), "outputs": tensors(session.get_outputs())}
