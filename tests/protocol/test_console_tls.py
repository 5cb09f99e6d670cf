"""The console and a mosquitto that wants certificates: mutual TLS, and what is said when it does not hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from simulators.certificates import Authority
from tests.peers import Broker
from tests.unit.simulators.console.process import Console

pytestmark = pytest.mark.protocol


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ours")


@pytest.fixture
def tls_broker(authority: Authority, start_broker: Callable[..., Broker]) -> Broker:
    cert_file, key_file = authority.issue("broker")
    listener = f"listener {{port}} 127.0.0.1\ncafile {authority.file}\ncertfile {cert_file}\nkeyfile {key_file}"
    return start_broker(listener=listener, config="require_certificate true\nuse_identity_as_username true")


def url(broker: Broker) -> str:
    return f"mqtts://127.0.0.1:{broker.port}"


def test_mutual_tls(authority: Authority, tls_broker: Broker, tmp_path: Path) -> None:
    cert_file, key_file = authority.issue("console")
    files = ["--ca-file", str(authority.file), "--cert-file", str(cert_file), "--key-file", str(key_file)]
    console = Console(url(tls_broker), tmp_path / "data", *files)
    console.ready()
    assert console.stop() == 0
    console.close()


@pytest.mark.parametrize("trust", ["none of its own", "another authority"])
def test_a_broker_that_nobody_vouches_for_is_not_spoken_to(
    authority: Authority, tls_broker: Broker, tmp_path: Path, trust: str
) -> None:
    cert_file, key_file = authority.issue("console")
    files = ["--cert-file", str(cert_file), "--key-file", str(key_file)]
    if trust == "another authority":
        files += ["--ca-file", str(Authority(tmp_path, "theirs").file)]
    console = Console(url(tls_broker), tmp_path / "data", *files)
    assert "certificate verify failed" in console.wait_for(event="broker", state="offline")["detail"]
    console.close()


def test_a_certificate_that_is_not_there(authority: Authority, tls_broker: Broker, tmp_path: Path) -> None:
    console = Console(url(tls_broker), tmp_path / "data", "--ca-file", str(tmp_path / "none.pem"))
    assert "No such file" in console.wait_for(event="broker", state="offline")["detail"]
    console.close()
