"""Who this appliance is to the broker: its certificate's name, how long that holds, and whether its key is safe."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from drivers.errors import ConfigError
from edge.config.model import Console

EXPIRES_SOON_DAYS = 30.0


@dataclass(frozen=True, slots=True)
class Expiry:
    """The certificate that ends first, of those that the connection needs."""

    file: str
    subject: str
    not_after: datetime

    def days_left(self, now: datetime) -> float:
        """Return how many days it is good for; negative once it is over."""
        return (self.not_after - now).total_seconds() / 86_400


def common_name(certificate: Path) -> str | None:
    """Return the common name of a certificate in PEM, None where it has none or cannot be read."""
    try:
        subject = x509.load_pem_x509_certificate(certificate.read_bytes()).subject
    except (OSError, ValueError):
        return None
    names = subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(names[0].value) if names else None


def client_id(console: Console, otherwise: str) -> str:
    """Return the MQTT client id: the certificate's common name, so that a broker can hold one against the other."""
    return (console.cert_file and common_name(console.cert_file)) or otherwise


def check_private(key: Path) -> None:
    """Raise ConfigError where every user of this machine may read or change a key, or nobody can look."""
    try:
        mode = key.stat().st_mode
    except OSError as error:
        raise ConfigError(f"console.key_file: {key}: {error.strerror}") from None
    if stat.S_IMODE(mode) & 0o007:
        raise ConfigError(f"console.key_file: {key}: every user of this machine gets at the key; chmod o-rwx {key}")


def first_to_expire(console: Console) -> Expiry | None:
    """Return which of the configured certificates ends first; None where there are none, or none can be read."""
    found = []
    for path in filter(None, (console.ca_file, console.cert_file)):
        try:
            certificates = x509.load_pem_x509_certificates(path.read_bytes())
        except (OSError, ValueError):
            continue  # the connection itself says what is wrong with it
        found += [Expiry(path.name, each.subject.rfc4514_string(), each.not_valid_after_utc) for each in certificates]
    return min(found, key=lambda each: each.not_after, default=None)


class ExpiryWatch:
    """Looks at the certificates now and then; their files may be replaced while the appliance runs."""

    LOOK_S = 300.0

    def __init__(self, console: Console) -> None:
        self._console = console
        self._looked_ns: int | None = None
        self._found: Expiry | None = None

    def look(self, monotonic_ns: int) -> Expiry | None:
        """Return which certificate ends first."""
        if self._looked_ns is None or monotonic_ns - self._looked_ns > self.LOOK_S * 1e9:
            self._looked_ns = monotonic_ns
            self._found = first_to_expire(self._console)
        return self._found


def moment(wall_ns: int) -> datetime:
    """Return a wall time as the certificates' library has it."""
    return datetime.fromtimestamp(wall_ns / 1e9, UTC)
