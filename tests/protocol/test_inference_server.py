"""A server of the Open Inference Protocol that nobody here wrote judges for a lane: MLServer, over HTTP and gRPC."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import inference
from drivers.errors import DeviceRefused, LinkError, ModelError
from edge.config.load import load
from edge.doctor.finding import Grade
from edge.doctor.server import server as doctor
from inference.remote import codec
from inference.remote.address import Server
from inference.remote.belief import AGREE, believe
from inference.remote.wire import Wire, connect
from simulators.xray import make_scan
from simulators.xray.wire import Identity, datasets
from tests.fakeoip import answer
from tests.mlserver import PROGRAM, MlServer
from tests.mqtt import Listener
from tests.protocol.test_dicos_core import Lane, listens
from tests.protocol.test_dicos_joined import store

pytestmark = [pytest.mark.protocol, pytest.mark.timeout(600), pytest.mark.filterwarnings("ignore:.*VR")]

PATIENT_S = 60.0
PROVED_S = 120.0


@pytest.fixture(scope="module")
def model() -> Any:
    return inference.load("baggage", 1)


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlServer]:
    server = MlServer(tmp_path_factory.mktemp("mlserver") / "models")
    server.start()
    yield server
    server.kill()


def prove(wire: Wire, model: Any) -> str:
    return believe(wire, "baggage", model.manifest, model.described, model.proofs(), PATIENT_S)


def test_it_answers_as_the_local_graph_and_when_killed_and_back(peer: MlServer, model: Any) -> None:
    proofs = list(model.proofs())
    wires = [connect(Server(peer.url(scheme))) for scheme in ("http", "grpc")]
    for wire in wires:
        assert wire.server(PATIENT_S).name == "mlserver"
        prove(wire, model)
        for proof in proofs:
            found = wire.infer("baggage", "", proof.feeds, ["logits"], PATIENT_S)
            assert found.version == "1.0.0"
            np.testing.assert_allclose(found.outputs["logits"], proof.outputs["logits"], rtol=AGREE, atol=AGREE)
    peer.kill()
    for wire in wires:
        with pytest.raises(LinkError):
            wire.infer("baggage", "", proofs[0].feeds, ["logits"], 5.0)
        wire.close()
    peer.start()
    for scheme in ("http", "grpc"):
        wire = connect(Server(peer.url(scheme)))
        prove(wire, model)
        with pytest.raises(DeviceRefused, match="other"):
            wire.model("other", "", PATIENT_S)
        wire.close()


def test_another_version_is_not_believed(tmp_path: Path, model: Any) -> None:
    parameters = {"uri": str(tmp_path / "models" / "model.onnx"), "version": "0.9.0"}
    server = MlServer(tmp_path / "models", parameters=parameters)
    try:
        server.start()
        wire = connect(Server(server.url("grpc")))
        with pytest.raises(ModelError, match=r"the server has version 0\.9\.0, the package is 1\.0\.0"):
            prove(wire, model)
        wire.close()
    finally:
        server.kill()


def bags(folder: Path, *seeds: int) -> list[Path]:
    """Write bags with pistols; the seeds are of some that the model alarms on."""
    folder.mkdir()
    for bag in seeds:
        whole = Identity.make(np.random.default_rng(bag), bag)
        for n, ds in enumerate(datasets(make_scan(bag, "pistol"), whole, dual=False)):
            ds.save_as(folder / f"{bag}-{n}.dcs", enforce_file_format=True)
    return sorted(folder.iterdir())


async def test_a_lane_whose_server_goes_and_comes_back(tmp_path: Path, broker: Any, peer: MlServer) -> None:
    lane = Lane(tmp_path / "lane", broker.url)
    port = lane.device("xray-1", "baggage")
    edge = lane.config / "edge.toml"
    edge.write_text(f'{edge.read_text()}[inference]\nserver = "{peer.url("grpc")}"\nserver_timeout_ms = 10000\n')

    async def judged_by(listener: Listener, verdicts: int) -> list[tuple[str, str | None]]:
        """By whom each of the bags so far was judged; every one of them is an alarm, and so a hit."""
        await listener.wait(lambda: len(listener.of("verdict/xray-1")) == verdicts)
        await listener.wait(lambda: len({hit["hit_id"] for hit in listener.hits()}) == verdicts)
        models = {hit["hit_id"]: hit["model"] for hit in listener.hits()}.values()
        return [(each["at"], each.get("fallback")) for each in models]

    def stands(listener: Listener, state: str) -> bool:
        told = [m.json["model_server"] for m in listener.of("health") if m.json["model_server"]]
        return bool(told) and told[-1]["baggage 1.0.0"]["state"] == state

    async with Listener(broker.port, receipts=True) as listener, lane.running():
        await listens(port)
        await listener.wait(lambda: stands(listener, "trusted"), PROVED_S)
        assert [found.grade for found in doctor(load(lane.config))] == [Grade.OK]
        await store(port, *bags(tmp_path / "there", 2, 5))
        assert set(await judged_by(listener, 2)) == {("server", None)}
        peer.kill()
        await store(port, *bags(tmp_path / "gone", 7, 8))
        gone = await judged_by(listener, 4)
        await listener.wait(lambda: stands(listener, "away"))
        later = [at for at, fallback in gone if fallback]
        assert later and set(later) == {"local"}
        (found,) = doctor(load(lane.config))
        assert found.grade is Grade.WARN and "judged here meanwhile" in found.mend
        peer.start()
        await listener.wait(lambda: stands(listener, "trusted"), PROVED_S)
        await store(port, *bags(tmp_path / "back", 16, 18))
        assert set((await judged_by(listener, 6))[len(gone) :]) == {("server", None)}

        def audited() -> list[str]:
            told = [m.json["outcome"] for m in listener.of("audit") if m.json["what"] == "model server"]
            return [each for each in told if each != "checking"]

        await listener.wait(lambda: len(audited()) >= 3)
        assert audited() == ["trusted", "away", "trusted"]
        decisions = {m.json["decision"] for m in listener.of("verdict/xray-1")}
        assert "unknown" not in decisions


TRITON = """
import json, sys
import numpy as np
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
values = np.arange(12, dtype=np.float32).reshape(1, 3, 2, 2) / 7
asked = InferInput("pictures", [1, 3, 2, 2], "FP32")
asked.set_data_from_numpy(values, binary_data=True)
wanted = [InferRequestedOutput("logits", binary_data=True)]
body, size = InferenceServerClient.generate_request_body([asked], outputs=wanted)
sys.stdout.buffer.write(size.to_bytes(4, "big") + bytes(body))
said = sys.stdin.buffer.read()
got = InferenceServerClient.parse_response_body(said[4:], header_length=int.from_bytes(said[:4], "big"))
sys.stderr.write(json.dumps(got.as_numpy("logits").tolist()))
"""


def test_binary_tensors_are_laid_out_as_tritons_own_client_does() -> None:
    if not PROGRAM.exists():
        pytest.skip("MLServer is not installed, and Triton's client with it")
    values = np.arange(12, dtype=np.float32).reshape(1, 3, 2, 2) / 7
    fake = type("Named", (), {"name": "baggage", "version": "1"})
    said, length = answer(fake, {"logits": values}, True)  # type: ignore[arg-type]
    python = [str(PROGRAM.with_name("python")), "-c", TRITON]
    done = subprocess.run(python, input=length.to_bytes(4, "big") + said, capture_output=True, timeout=120)
    size, theirs = int.from_bytes(done.stdout[:4], "big"), done.stdout[4:]
    ours = codec.request({"pictures": values}, ["logits"], True)
    assert theirs[size:] == b"".join(map(bytes, ours.parts[1:])), done.stderr
    assert json.loads(theirs[:size]) == json.loads(bytes(ours.parts[0]))
    # And what the tests' own server says is what that client reads of it.
    np.testing.assert_array_equal(
        np.array(json.loads(done.stderr), np.float32), codec.answer(said, length).outputs["logits"]
    )
