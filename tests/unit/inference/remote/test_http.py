"""The way to a server over HTTP: whatever it does, a call ends in time, with an answer or a reason."""

import ssl

import numpy as np
import pytest

from drivers.errors import ConfigError, DeviceRefused, LinkLost, LinkTimeout, ProtocolError
from drivers.ports import free_port
from inference.remote.address import Server
from inference.remote.http import HttpWire
from simulators.certificates import Authority

PATIENT_S = 30.0


@pytest.fixture
def dial():
    """`dial(url)` opens a wire that is closed after the test."""
    opened = []

    def open_wire(url, **changes):
        opened.append(HttpWire(Server(url, **changes)))
        return opened[-1]

    yield open_wire
    for each in opened:
        each.close()


@pytest.fixture
def feeds(darkness):
    return next(iter(darkness.proofs())).feeds


def infer(wire, feeds, timeout_s=PATIENT_S):
    return wire.infer("darkness", "1.0.0", feeds, ["logits"], timeout_s)


@pytest.mark.parametrize("binary", [True, False])
def test_the_answer_is_the_graphs(serve, dial, darkness, feeds, binary):
    fake = serve(binary=binary)
    wire = dial(fake.url)
    assert wire.server(PATIENT_S).name == "fake"
    for _ in range(3):
        found = infer(wire, feeds)
        np.testing.assert_allclose(found.outputs["logits"], darkness.local(feeds)["logits"], atol=1e-6)
    assert found.version == "1.0.0"
    kinds = [headers["Content-Type"] for method, _, headers in fake.requests if method == "POST"]
    tries = [] if binary else ["application/octet-stream"]  # it may know the extension and not say so: tried once
    assert kinds == [*tries, *["application/octet-stream" if binary else "application/json"] * 3]
    assert fake.connections == 1


def test_a_server_that_knows_the_extension_and_does_not_say_so(serve, dial, feeds):
    fake = serve(binary=False)
    fake.takes_binary = True
    wire = dial(fake.url)
    wire.server(PATIENT_S)
    infer(wire, feeds)
    assert fake.requests[-1][2]["Content-Type"] == "application/octet-stream"


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        ("half", LinkLost, "hung up in mid-answer"),
        ("drip", LinkTimeout, "no answer"),
        ("silence", LinkTimeout, "no answer"),
        ("hang up", LinkLost, "hung up without an answer"),
        ("500", DeviceRefused, "HTTP 500: out of memory"),
        ("redirect", DeviceRefused, "HTTP 307: redirects are not followed"),
        ("garbage", ProtocolError, "not JSON"),
        ("not http", ProtocolError, "not HTTP"),
        ("packed", ProtocolError, "packed"),
        ("fewer bytes than said", ProtocolError, "more bytes than came"),
    ],
)
def test_faults(serve, dial, feeds, fault, error, words):
    fake = serve()
    fake.fault = fault
    wire = dial(fake.url)
    wire.server(PATIENT_S)
    with pytest.raises(error, match=words):
        infer(wire, feeds, 0.3 if error is LinkTimeout else PATIENT_S)
    assert fake.asked("elsewhere") == 0
    fake.fault = ""
    if error is not LinkTimeout:
        infer(wire, feeds)


def test_a_connection_that_was_closed_meanwhile_is_made_anew(serve, dial, feeds):
    fake = serve()
    wire = dial(fake.url)
    wire.server(PATIENT_S)
    fake.hang_up()
    infer(wire, feeds)
    assert (fake.connections, fake.asked("infer")) == (2, 1)


def test_nobody_is_there(dial):
    with pytest.raises(LinkLost, match="refused"):
        dial(f"http://127.0.0.1:{free_port()}").server(PATIENT_S)
    with pytest.raises(LinkLost, match=r"no-such-host\.invalid"):
        dial("http://no-such-host.invalid")


def test_a_refusal_says_why(serve, dial):
    with pytest.raises(DeviceRefused, match="HTTP 404: no /v2/models/other here"):
        dial(serve().url).model("other", "", PATIENT_S)


def test_the_token_goes_along(serve, dial, tmp_path):
    path = tmp_path / "token"
    path.write_text("s3cret")
    path.chmod(0o600)
    fake = serve()
    dial(fake.url + "/", token_file=path).server(PATIENT_S)
    assert fake.requests[-1][2]["Authorization"] == "Bearer s3cret"


def test_no_proxy_of_the_environment_is_used(serve, dial, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    assert dial(serve().url).server(PATIENT_S).name == "fake"


def test_over_tls_the_server_must_be_who_it_should(serve, dial, feeds, tmp_path):
    ours, other = Authority(tmp_path, "ours"), Authority(tmp_path, "other")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*ours.issue("server"))
    fake = serve(context=context)
    wire = dial(fake.url, ca_file=ours.file)
    wire.server(PATIENT_S)
    infer(wire, feeds)
    with pytest.raises(LinkLost, match="TLS"):
        dial(fake.url, ca_file=other.file).server(PATIENT_S)
    with pytest.raises(LinkLost, match="TLS"):
        dial(fake.url).server(PATIENT_S)
    with pytest.raises(ConfigError, match="no certificates"):
        dial(fake.url, ca_file=tmp_path / "server.key")
