"""The console and a mosquitto that wants certificates: mutual TLS, and what is said when it does not hold."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.peers import Broker
from tests.unit.simulators.console.process import Console

pytestmark = pytest.mark.protocol


class Authority:
    """A certificate authority of the test's own; `issue` writes NAME.pem and NAME.key."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.file = folder / f"{name}.pem"
        certificate = self._signed(self._name, self._key).add_extension(x509.BasicConstraints(True, None), True)
        self._write(self.file, certificate.sign(self._key, hashes.SHA256()))

    def _signed(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(1))
        return builder.not_valid_after(now + datetime.timedelta(1))

    def _write(self, path: Path, certificate: x509.Certificate) -> None:
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        certificate = self._signed(subject, key).add_extension(names, False).sign(self._key, hashes.SHA256())
        cert_file, key_file = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        self._write(cert_file, certificate)
        formats = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        key_file.write_bytes(key.private_bytes(*formats))
        key_file.chmod(0o600)
        return cert_file, key_file


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
