"""The settings of the `dicos` driver."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from drivers.contract import Settings
from drivers.dicos.peer import Peer
from drivers.dicos.zones import SCHEMES, ZoneBox

MIB = 1024 * 1024


def _stripped(title: str) -> str:
    """Leading and trailing spaces of an AE title do not count (PS3.8, 9.3.2)."""
    if not title.strip():
        raise ValueError("must not be blank")
    return title.strip()


def _network(text: str) -> str:
    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        raise ValueError('must be an IP address or network, such as "10.0.0.5" or "10.0.0.0/24"') from None


#: 1 to 16 characters of the default repertoire without backslash and control characters (PS3.5, 6.2).
AeTitle = Annotated[
    str, Field(min_length=1, max_length=16, pattern=r"^[\x20-\x5b\x5d-\x7e]*$"), AfterValidator(_stripped)
]
Network = Annotated[str, AfterValidator(_network)]


class DicosSettings(Settings):
    """Where to listen, who may store, and how much of it."""

    listen: str = Field("0.0.0.0:11112", description="HOST:PORT to listen on; 0.0.0.0 is every network")
    ae_title: AeTitle = Field("EDGE", description="this appliance's DICOM name (AE title), 1 to 16 characters")
    check_called_ae_title: bool = Field(False, description="refuse a scanner that calls another AE title than ours")
    calling_ae_titles: tuple[AeTitle, ...] = Field((), description="scanners that may store; none: every one")
    addresses: tuple[Network, ...] = Field(
        (), description="IP addresses and networks (10.0.0.0/24) that may connect; none: every one"
    )
    max_associations: int = Field(8, ge=1, le=64, description="most scanners connected at once")
    max_pdu_bytes: int = Field(
        128 * 1024,
        ge=16_384,
        le=1024 * 1024,
        description="longest protocol data unit that is asked for; one eight times as long ends the connection",
    )
    max_object_bytes: int = Field(
        64 * MIB, ge=65_536, le=128 * MIB, description="largest object that is taken; a larger one is cut off"
    )
    idle_s: float = Field(
        120, ge=1, le=86_400, description="a connection without a word for this long is closed; longer than answer_s"
    )
    views: int = Field(
        1, ge=1, le=8, description="pictures from different sides that make one scan; 1: each is judged at once"
    )
    dual_energy: bool = Field(False, description="each view comes as two objects, low and high energy")
    join_s: float = Field(
        10,
        ge=0.1,
        le=600,
        description="how long a scan waits for its missing objects; then an alarm stands, else it is unknown",
    )
    answer_s: float = Field(
        25, ge=1, le=600, description="longest wait for a verdict; then the scanner is told to send again later"
    )

    tls: bool = Field(False, description="take only TLS connections with a client certificate; needs the three files")
    cert_file: Path | None = Field(None, description="this appliance's certificate (PEM)")
    key_file: Path | None = Field(None, description="its key (PEM)")
    ca_file: Path | None = Field(None, description="whose certificates are trusted (PEM)")
    zone_scheme: str = Field("dhs17", description="names of body zones, for a scanner of persons: dhs17")
    zones: dict[str, str] = Field(
        {}, description="what this scanner's PTO Location Description says, and which zone it means"
    )
    zone_boxes: tuple[ZoneBox, ...] = Field(
        (), description="zones as boxes in this scanner's coordinates: zone, low = [x, y, z], high = [x, y, z]"
    )
    tdr_to: str | None = Field(
        None,
        description='where reports on each item go: "dicom://AE@HOST:PORT", or dicos:// for its dialect; -tls for TLS',
    )
    tdr_backlog: int = Field(
        10_000, ge=1, le=1_000_000, description="most reports that wait for the workstation; then the oldest give way"
    )

    @model_validator(mode="after")
    def _knows_its_zones(self) -> Self:
        known = SCHEMES.get(self.zone_scheme)
        if known is None:
            raise ValueError(f"no zone_scheme {self.zone_scheme!r}; there is {', '.join(SCHEMES)}")
        for zone in (*self.zones.values(), *(box.zone for box in self.zone_boxes)):
            if zone not in known:
                raise ValueError(f"no zone {zone!r} in {self.zone_scheme}; there are: {', '.join(known)}")
        return self

    @field_validator("tdr_to")
    @classmethod
    def _a_peer(cls, value: str | None) -> str | None:
        if value is not None:
            Peer.parse(value)
        return value

    @model_validator(mode="after")
    def _has_its_certificates(self) -> Self:
        if self.tls and not (self.cert_file and self.key_file and self.ca_file):
            raise ValueError("tls needs cert_file, key_file and ca_file")
        if self.tdr_to and Peer.parse(self.tdr_to).tls and not self.ca_file:
            raise ValueError("tdr_to over TLS needs ca_file")
        return self

    @field_validator("listen")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        host, colon, port = value.rpartition(":")
        if not (colon and host and port.isascii() and port.isdigit() and int(port) < 65_536):
            raise ValueError('must be HOST:PORT, such as "0.0.0.0:11112"')
        if host.startswith("[") != host.endswith("]") or (":" in host and not host.startswith("[")):
            raise ValueError('an IPv6 address stands in brackets, such as "[::]:11112"')
        return value

    @model_validator(mode="after")
    def _waits_for_verdicts(self) -> Self:
        if self.idle_s <= self.answer_s:  # the connection would count as idle while its scan is being judged
            raise ValueError("idle_s must be longer than answer_s")
        return self

    @property
    def workstation(self) -> Peer | None:
        """Whom reports are stored at, None for nobody."""
        return Peer.parse(self.tdr_to) if self.tdr_to else None

    @property
    def host(self) -> str:
        """The address part of `listen`."""
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port part of `listen`."""
        return int(self.listen.rpartition(":")[2])

    def admits(self, address: str) -> bool:
        """Return whether a peer at this IP address may connect."""
        if not self.addresses:
            return True
        peer: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
        if isinstance(peer, IPv6Address) and peer.ipv4_mapped:
            peer = peer.ipv4_mapped
        return any(peer in ip_network(network) for network in self.addresses)
