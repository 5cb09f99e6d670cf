"""Certificates of every age, made here."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edge.config.suspicious import examine_closely
from edge.doctor.broker import certificates, commands
from edge.signing import fingerprint
from tests.consoleside import ConsoleKey

CONSOLE = 'url = "mqtts://broker.example:8883"\nca_file = "c.pem"\ncert_file = "c.pem"\nkey_file = "c.key"'
DAY = timedelta(days=1)


def issue(folder, start, end):
    """Write a self-signed certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "edge-01")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now + start).not_valid_after(now + end)
    certificate = builder.sign(key, hashes.SHA256())
    (folder / "c.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "c.key").write_bytes(private)
    (folder / "c.key").chmod(0o600)


@pytest.mark.parametrize(
    ("start", "end", "grades"),
    [
        (-DAY, 365 * DAY, "ok ok ok"),
        (-DAY, 20 * DAY, "warn warn ok"),
        (-9 * DAY, -DAY, "fail fail ok"),
        (DAY, 365 * DAY, "fail fail ok"),
    ],
)
def test_dates(configured, tmp_path, start, end, grades):
    issue(tmp_path, start, end)
    assert " ".join(finding.grade.value for finding in certificates(configured(CONSOLE))) == grades


def test_another_one_s_key(configured, tmp_path):
    issue(tmp_path, -DAY, 365 * DAY)
    kept = (tmp_path / "c.pem").read_bytes()
    issue(tmp_path, -DAY, 365 * DAY)
    (tmp_path / "c.pem").write_bytes(kept)
    assert "is not the key of" in list(certificates(configured(CONSOLE)))[2].text


def test_a_key_that_everyone_can_read(configured, tmp_path):
    issue(tmp_path, -DAY, 365 * DAY)
    (tmp_path / "c.key").chmod(0o644)
    last = list(certificates(configured(CONSOLE)))[-1]
    assert (last.grade.value, last.mend) == ("warn", f"chmod o-rwx {tmp_path}/c.key")


def test_files_that_are_none(configured, tmp_path):
    for name in ("c.pem", "c.key"):
        (tmp_path / name).write_text("nothing")
        (tmp_path / name).chmod(0o600)
    assert [finding.grade.value for finding in certificates(configured(CONSOLE))] == ["fail"] * 3


def test_files_that_were_mixed_up_are_said_by_the_check_too(configured, tmp_path):
    issue(tmp_path, -DAY, 365 * DAY)
    config = configured(
        CONSOLE.replace('key_file = "c.key"', 'key_file = "c.pem"').replace(
            'cert_file = "c.pem"', 'cert_file = "c.key"'
        )
    )
    of_cert, of_key = list(certificates(config))[1:3]
    assert "it holds a key, and no certificate: were certificate and key mixed up?" in of_cert.text
    assert "it holds a certificate" in of_key.text
    assert of_cert.mend == of_key.mend and "cert_file is the certificate, key_file its key" in of_key.mend
    (tmp_path / "c.key").chmod(0o644)
    said = [problem.message for problem in examine_closely(tmp_path).problems]
    assert any("c.key: it holds a key, and no certificate" in one for one in said), said
    assert any("every user of this machine gets at this key" in one for one in said), said


def test_none_needed(configured):
    assert [finding.grade.value for finding in certificates(configured())] == ["ok"]


def test_whose_commands_are_obeyed(configured, tmp_path):
    assert "whoever the broker lets" in next(iter(commands(configured()))).text
    key = ConsoleKey()
    (tmp_path / "keys.pem").write_bytes(key.pem)
    with_keys = 'url = "mqtt://127.0.0.1:1"\ncommand_keys_file = "keys.pem"'
    assert fingerprint(key.pem) in next(iter(commands(configured(with_keys)))).text
    (tmp_path / "keys.pem").write_text("-----BEGIN PUBLIC KEY-----\nbm8=\n-----END PUBLIC KEY-----\n")
    assert next(iter(commands(configured(with_keys)))).grade.value == "fail"
