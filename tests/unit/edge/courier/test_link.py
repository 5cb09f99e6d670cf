"""Addresses, secrets and limits of a connection; what happens on it is tested with real brokers."""

import ssl

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from drivers.errors import ConfigError
from edge.config.model import Console
from edge.courier.link import MAX_IN_FLIGHT, _in_flight, address, is_loopback, password, tls_context


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("mqtt://127.0.0.1", ("127.0.0.1", 1883, False)),
        ("mqtts://broker.example", ("broker.example", 8883, True)),
        ("mqtts://broker.example:1234", ("broker.example", 1234, True)),
        ("mqtt://[::1]:7", ("::1", 7, False)),
    ],
)
def test_an_address(url, wanted):
    assert address(url) == wanted


@pytest.mark.parametrize("url", ["http://x", "mqtt://", "mqtt://x:70000", "mqtt://x:y", "x", ""])
def test_what_is_none(url):
    with pytest.raises(ConfigError, match="console"):
        address(url)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("localhost", True), ("127.3.2.1", True), ("::1", True), ("10.0.0.1", False), ("broker.example", False)],
)
def test_what_cannot_leave_this_machine(host, loopback):
    assert is_loopback(host) is loopback


def test_a_password_is_read_from_its_file(tmp_path):
    file = tmp_path / "password"
    file.write_text(" secret \n")
    assert password(Console(url="mqtt://x", password_file=file)) == "secret"
    assert password(Console(url="mqtt://x")) is None
    file.unlink()
    with pytest.raises(ConfigError, match="password_file"):
        password(Console(url="mqtt://x", password_file=file))


def test_tls_is_at_least_1_2_and_verifies(tmp_path):
    context = tls_context(Console(url="mqtts://x"))
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(OSError):
        tls_context(Console(url="mqtts://x", ca_file=tmp_path / "ca.pem"))


@pytest.mark.parametrize(("granted", "used"), [(None, MAX_IN_FLIGHT), (20, 20), (65535, MAX_IN_FLIGHT)])
def test_no_more_in_flight_than_the_broker_grants(granted, used):
    properties = Properties(PacketTypes.CONNACK)
    if granted:
        properties.ReceiveMaximum = granted
    assert _in_flight(properties) == used
    assert _in_flight(None) == MAX_IN_FLIGHT
