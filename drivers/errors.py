"""The exceptions of JAITF Edge, one tree, each with a stable code that documents, messages and pages use.

EdgeError
├── ConfigError          config          a configuration that cannot be used
├── LinkError            link            the bytes under a driver
│   ├── LinkTimeout      link-timeout    nothing came before the deadline
│   ├── LinkLost         link-lost       the other side or the cable went away
│   ├── LinkBusy         link-busy       someone else holds the port or address
│   └── LinkDenied       link-denied     no permission for the port, path or address
│       └── LinkUntrusted link-tls       TLS does not come up: a certificate, its name, its date or its key
├── ProtocolError        protocol        bytes came that the protocol does not allow
├── DeviceRefused        refused         the device answered, and said no
├── StoreError           store           the ledger or the evidence folder cannot be written
│   ├── StoreFull        store-full      ... because there is no room
│   └── StoreRejected    store-rejected  ... this one thing: the store itself is well
├── ModelError           model           a model package that cannot be used, or a picture it cannot judge
└── UpdateError          update          a version that may not, or cannot, take this one's place
"""

from __future__ import annotations

from typing import ClassVar


class EdgeError(Exception):
    """The root: `code` never changes once published; `retriable` says whether trying again can help."""

    code: ClassVar[str] = "edge"
    retriable: ClassVar[bool] = False


class ConfigError(EdgeError):
    """A configuration that cannot be used as it stands."""

    code = "config"


class LinkError(EdgeError):
    """The bytes under a driver stopped flowing."""

    code = "link"
    retriable = True


class LinkTimeout(LinkError):
    """Nothing came before the deadline."""

    code = "link-timeout"


class LinkLost(LinkError):
    """The other side or the cable went away."""

    code = "link-lost"


class LinkBusy(LinkError):
    """Someone else holds the port or the address."""

    code = "link-busy"


class LinkDenied(LinkError):
    """The operating system refuses access to the port, path or address."""

    code = "link-denied"


class LinkUntrusted(LinkDenied):
    """TLS does not come up: this side's files cannot be used, or one side does not trust the other's certificate.

    `mend` is what to do about this very failure, "" where only the table of mends knows.
    """

    code = "link-tls"

    def __init__(self, text: str, mend: str = "") -> None:
        super().__init__(text)
        self.mend = mend


class ProtocolError(EdgeError):
    """Bytes came that the protocol does not allow."""

    code = "protocol"
    retriable = True


class DeviceRefused(EdgeError):
    """The device answered, and said no."""

    code = "refused"
    retriable = True


class StoreError(EdgeError):
    """The ledger or the evidence folder cannot be written."""

    code = "store"
    retriable = True


class StoreFull(StoreError):
    """There is no room left, not even in the reserve kept for hits."""

    code = "store-full"


class StoreRejected(StoreError):
    """What was to be written cannot be, as it is; the store itself is well, and trying again changes nothing."""

    code = "store-rejected"
    retriable = False


class ModelError(EdgeError):
    """A model package that cannot be used, or a picture it cannot judge."""

    code = "model"


class UpdateError(EdgeError):
    """A version that may not, or cannot, take this one's place; the one in force stays."""

    code = "update"
