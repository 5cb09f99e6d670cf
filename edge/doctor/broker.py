"""The way to the console: certificates, and one connection to the broker, as far as its answer to CONNECT."""

from __future__ import annotations

import secrets
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import paho.mqtt.client as mqtt
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from drivers.errors import ConfigError
from drivers.mends import tls_mend
from edge.commands.authority import ConsoleKeys
from edge.config.model import Config, Console
from edge.config.suspicious import holds
from edge.courier.identity import EXPIRES_SOON_DAYS
from edge.courier.link import address, tls_context
from edge.doctor.finding import Finding, fail, ok, warn

DEADLINE_S = 5.0
_UNSUPPORTED_VERSION = (0x84, 0x01)
_MIXED_UP = "mixed up?"
_EACH_IN_ITS_PLACE = (
    "put each in its place: cert_file is the certificate, key_file its key, ca_file the authority's certificate"
)


def certificates(config: Config) -> Iterator[Finding]:
    """Say whether the certificates can be read, are in date, and fit their key; and who can read the key."""
    yield from certificates_of(config.console)


def certificates_of(console: Console) -> Iterator[Finding]:
    """See `certificates`."""
    if not console.url.startswith("mqtts://"):
        yield ok("none needed for mqtt://")
        return
    for path in filter(None, (console.ca_file, console.cert_file)):
        yield certificate(path)
    if console.cert_file and console.key_file:
        yield pair(console.cert_file, console.key_file)
    for path in filter(None, (console.key_file, console.password_file)):
        if path.stat().st_mode & 0o007:
            yield warn(f"{path}: every user of this machine can read it", f"chmod o-rwx {path}")
    if not console.ca_file:
        yield ok("the broker is verified by this system's own authorities")


def certificate(path: Path, again: str = "ask the broker's administrator for it again") -> Finding:
    """Say whether certificates can be read and are in date; `again` is where to get one that can be read."""
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        return fail(f"{path}: {error.strerror}", again)
    except ValueError:
        said = holds(path)
        return fail(f"{path}: {said}", _EACH_IN_ITS_PLACE if _MIXED_UP in said else again)
    first_to_end = min(found, key=lambda certificate: certificate.not_valid_after_utc)
    end, now = first_to_end.not_valid_after_utc, datetime.now(UTC)
    who = first_to_end.subject.rfc4514_string()
    if end < now:
        return fail(f"{path}: {who} expired on {end:%Y-%m-%d}", "renew it; is the clock right?")
    if first_to_end.not_valid_before_utc > now:
        return fail(f"{path}: {who} is not valid yet", "is the clock right?")
    if end < now + timedelta(days=EXPIRES_SOON_DAYS):
        return warn(f"{path}: {who} expires on {end:%Y-%m-%d}", "renew it before then")
    return ok(f"{path}: {who}, until {end:%Y-%m-%d}")


def pair(cert: Path, key: Path) -> Finding:
    """Say whether a certificate and a key belong together."""
    try:
        public = x509.load_pem_x509_certificate(cert.read_bytes()).public_key()
        private = serialization.load_pem_private_key(key.read_bytes(), password=None)
    except OSError as error:
        return fail(f"{key}: {error.strerror}", "let the service's user read it")
    except (ValueError, TypeError):
        said = holds(key)
        how = _EACH_IN_ITS_PLACE if _MIXED_UP in said else "it must be PEM, and without a passphrase"
        return fail(f"{key}: no key that can be read: {said}", how)
    if private.public_key() != public:
        return fail(f"{key} is not the key of {cert}", "put the two that belong together in the configuration")
    return ok(f"{key} is the key of {cert}")


def commands(config: Config) -> Iterator[Finding]:
    """Say whose commands are obeyed."""
    path = config.console.command_keys_file
    if path is None:
        yield ok("obeyed from whoever the broker lets write to down/")
        return
    try:
        yield ok(f"obeyed if signed by {', '.join(ConsoleKeys.read(path).fingerprints)}")
    except ConfigError as error:
        yield fail(str(error), "put each console's public key into it, in PEM; the appliance does not start without")


def broker(config: Config) -> Iterator[Finding]:
    """Say how far a connection to the broker gets: name, TCP, TLS, MQTT."""
    yield reach(config.console)


def reach(console: Console) -> Finding:
    """See `broker`."""
    host, port, tls = address(console.url)
    return _reach(console, host, port, tls) or _mqtt(console, host, port, tls)


def _reach(console: Console, host: str, port: int, tls: bool) -> Finding | None:
    """Return what is wrong below MQTT, None where TCP and TLS come up."""
    where = f"{host}:{port}"
    try:
        with socket.create_connection((host, port), timeout=DEADLINE_S) as raw:
            if tls:
                tls_context(console).wrap_socket(raw, server_hostname=host).close()
    except socket.gaierror as error:
        return fail(f"{host}: the name is not known: {error.strerror}", "check console.url, and this machine's DNS")
    except TimeoutError:
        return fail(f"{where}: no answer in {DEADLINE_S:g} s", "check the cable, the route and the firewall")
    except ConnectionRefusedError:
        return fail(f"{where}: nobody listens there", "check the port, and whether the broker runs")
    except ssl.SSLCertVerificationError as error:
        mend = tls_mend(error) or "check console.ca_file, the name in console.url, the clock"
        return fail(f"{where}: TLS: {error.verify_message}", mend)
    except ssl.SSLError as error:
        mend = tls_mend(error) or "check that this is the TLS port, and the certificates"
        return fail(f"{where}: TLS: {error.reason or error}", mend)
    except ConnectionResetError:
        return fail(f"{where}: hung up during the TLS handshake", "check that this is the TLS port")
    except ConfigError as error:
        return fail(str(error), "the appliance does not connect with it: a key that others can read is no secret")
    except OSError as error:
        return fail(f"{where}: {error.strerror or error}", "check the network of this machine")
    return None


def _mqtt(console: Console, host: str, port: int, tls: bool) -> Finding:
    where = f"{host}:{port}"
    try:
        code, version = connect(console, host, port, tls)
    except TimeoutError:
        return fail(f"{where}: no MQTT answer in {DEADLINE_S:g} s", "check that the port is an MQTT broker's")
    except (OSError, ValueError) as error:
        return _cut_off(console, where, tls) or fail(f"{where}: {error}", _not_taken(console, tls))
    if code.is_failure:
        return fail(f"{where}: the broker refuses: {code}", "check username, password_file or cert_file at the broker")
    return ok(f"{where}: connected, MQTT {version}{', TLS' if tls else ''}")


def _cut_off(console: Console, where: str, tls: bool) -> Finding | None:
    """Return what the broker's TLS says after the handshake: with TLS 1.3 it refuses a certificate only then."""
    host, port, _ = address(console.url)
    if not tls:
        return None
    try:
        with (
            socket.create_connection((host, port), timeout=DEADLINE_S) as raw,
            tls_context(console).wrap_socket(raw, server_hostname=host) as secured,
        ):
            secured.recv(1)
    except ssl.SSLError as error:
        if mend := tls_mend(error):
            return fail(f"{where}: TLS: {(error.reason or str(error)).replace('_', ' ').lower()}", mend)
    except (OSError, ValueError):
        pass
    return None


def _not_taken(console: Console, tls: bool) -> str:
    """Return what to try where a broker hangs up without a word."""
    if not tls:
        return "check that the port is an MQTT broker's; one that speaks TLS is mqtts:// in console.url"
    if console.cert_file:
        return "does the broker take the authority that signed cert_file? check that the port is an MQTT broker's"
    return "the broker may want a certificate: set cert_file and key_file; check that the port is an MQTT broker's"


def connect(console: Console, host: str, port: int, tls: bool) -> tuple[ReasonCode, str]:
    """Return the broker's answer to a CONNECT and the version it was given in; says goodbye at once.

    Under a name of its own: the appliance's would end the appliance's connection. Raises OSError (also for TLS).
    """
    for version, name in ((MQTTProtocolVersion.MQTTv5, "5"), (MQTTProtocolVersion.MQTTv311, "3.1.1")):
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"jaitf-doctor-{secrets.token_hex(4)}",
            protocol=version,
            reconnect_on_failure=False,
        )
        client.connect_timeout = DEADLINE_S
        if tls:
            client.tls_set_context(tls_context(console))
        if console.username:
            password = console.password_file.read_text().strip() if console.password_file else None
            client.username_pw_set(console.username, password)
        answer = _answer(client, host, port)
        # A broker of MQTT 3.1.1 alone refuses a CONNECT of version 5, or just hangs up.
        if answer is not None and not (name == "5" and answer.value in _UNSUPPORTED_VERSION):
            return answer, name
    raise ConnectionResetError("hung up without an MQTT answer")


def _answer(client: mqtt.Client, host: str, port: int) -> ReasonCode | None:
    """Return the reason code of the CONNACK, None where the broker hung up without one. Raises TimeoutError."""
    done = threading.Event()
    answers: list[ReasonCode] = []

    def connected(_c: object, _u: object, _f: object, code: ReasonCode, _p: object) -> None:
        answers.append(code)
        done.set()

    def gone(_c: object, _u: object, _f: object, _code: ReasonCode, _p: object) -> None:
        done.set()

    client.on_connect = connected
    client.on_disconnect = gone
    client.connect(host, port, keepalive=10)
    client.loop_start()
    try:
        if not done.wait(DEADLINE_S):
            raise TimeoutError
    finally:
        client.disconnect()
        client.loop_stop()
    return answers[0] if answers else None
