"""The doctor against real brokers: each way in which a connection fails is named."""

import socket
import subprocess
import threading
from contextlib import contextmanager, suppress

import pytest

from edge.doctor.broker import broker as check
from tests import certs
from tests.core import DEADLINE_S
from tests.unit.edge.doctor.conftest import configured  # noqa: F401 (a fixture)
from tests.unit.edge.doctor.test_certificates import DAY, issue

pytestmark = pytest.mark.protocol


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """A broker on a busy machine takes its time; what is short is said where it is about silence."""
    monkeypatch.setattr("edge.doctor.broker.DEADLINE_S", DEADLINE_S)


def only(config):
    (finding,) = check(config)
    return finding


def test_a_broker_that_answers(configured, broker):  # noqa: F811 (a fixture)
    finding = only(configured(f'url = "{broker.url}"'))
    assert (finding.grade.value, finding.text) == ("ok", f"127.0.0.1:{broker.port}: connected, MQTT 5")
    assert "jaitf-doctor-" in broker.log()


def test_nobody_listens(configured):  # noqa: F811
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        finding = only(configured(f'url = "mqtt://127.0.0.1:{unused.getsockname()[1]}"'))
    assert (finding.grade.value, "nobody listens" in finding.text) == ("fail", True)


def test_an_unknown_name(configured):  # noqa: F811
    finding = only(configured('url = "mqtts://broker.invalid:8883"'))
    assert (finding.grade.value, "name is not known" in finding.text) == ("fail", True)


def test_wrong_password(configured, start_broker, tmp_path):  # noqa: F811
    subprocess.run(["mosquitto_passwd", "-b", "-c", tmp_path / "users", "edge-01", "right"], check=True)
    (tmp_path / "pw").write_text("wrong\n")
    peer = start_broker(f"allow_anonymous false\npassword_file {tmp_path / 'users'}")
    console = f'url = "{peer.url}"\nusername = "edge-01"\npassword_file = "pw"'
    assert "the broker refuses: Not authorized" in only(configured(console)).text
    (tmp_path / "pw").write_text("right\n")
    assert only(configured(console)).grade.value == "ok"


def test_tls_with_a_stranger_s_certificate(configured, start_broker, tmp_path):  # noqa: F811
    issue(tmp_path, -DAY, DAY)
    peer = start_broker(f"certfile {tmp_path / 'c.pem'}\nkeyfile {tmp_path / 'c.key'}")
    unknown = only(configured(f'url = "mqtts://127.0.0.1:{peer.port}"'))
    assert (unknown.grade.value, "TLS: self-signed certificate" in unknown.text) == ("fail", True)
    misnamed = only(configured(f'url = "mqtts://127.0.0.1:{peer.port}"\nca_file = "c.pem"'))
    assert (misnamed.grade.value, "IP address mismatch" in misnamed.text) == ("fail", True)


def test_tls_where_there_is_none(configured, broker):  # noqa: F811
    assert "TLS" in only(configured(f'url = "mqtts://127.0.0.1:{broker.port}"')).text


@contextmanager
def peer_that(answers):
    """A TCP peer that answers each first packet with what `answers` makes of it, and then hangs up; None: silence."""
    over = threading.Event()

    def serve(server):
        while not over.is_set():
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection, suppress(ConnectionError):  # whoever asks may hang up first
                answer = answers(connection.recv(100))
                if answer is None:
                    over.wait(60)
                else:
                    connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        try:
            yield f"mqtt://127.0.0.1:{server.getsockname()[1]}"
        finally:
            over.set()
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize("refusal", [b"", bytes.fromhex("20020001")])
def test_a_broker_of_mqtt_3_1_1_alone(configured, refusal):  # noqa: F811
    def answer(packet):
        # Byte 9 of a CONNECT is the protocol's level: 5, or 4 for 3.1.1 (MQTT 3.1.1, 3.1.2.2).
        return b"" if not packet else refusal if packet[8] == 5 else bytes.fromhex("20020000")

    with peer_that(answer) as url:
        assert only(configured(f'url = "{url}"')).text.endswith("connected, MQTT 3.1.1")


@pytest.mark.parametrize(("answer", "said"), [(b"SSH-2.0-x\r\n", "hung up"), (None, "no MQTT answer")])
def test_something_else_listens(configured, monkeypatch, answer, said):  # noqa: F811
    if answer is None:
        monkeypatch.setattr("edge.doctor.broker.DEADLINE_S", 0.5)
    with peer_that(lambda packet: answer) as url:
        finding = only(configured(f'url = "{url}"'))
    assert (finding.grade.value, said in finding.text) == ("fail", True), finding


def test_a_certificate_of_another_authority_is_named_as_that(configured, start_broker, tmp_path):  # noqa: F811
    """With TLS 1.3 the handshake is over before the broker looks at it."""
    theirs, key = certs.issue(tmp_path, "theirs")
    peer = start_broker(f"certfile {theirs}\nkeyfile {key}\ncafile {theirs}\nrequire_certificate true")
    certs.issue(tmp_path, "ours")
    base = f'url = "mqtts://127.0.0.1:{peer.port}"\nca_file = "theirs.pem"'
    without = only(configured(base))
    assert "set cert_file and key_file" in without.mend, without
    strange = only(configured(f'{base}\ncert_file = "ours.pem"\nkey_file = "ours.key"'))
    assert "is cert_file of its authority?" in strange.mend, strange


def test_tls_where_clear_text_is_spoken(configured, start_broker, tmp_path):  # noqa: F811
    issue(tmp_path, -DAY, DAY)
    peer = start_broker(f"certfile {tmp_path / 'c.pem'}\nkeyfile {tmp_path / 'c.key'}")
    assert "mqtts://" in only(configured(f'url = "mqtt://127.0.0.1:{peer.port}"')).mend
