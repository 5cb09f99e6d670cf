"""The settings of the `dicos` driver."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from drivers.contract import Settings

AeTitle = Annotated[str, Field(min_length=1, max_length=16, pattern=r"^[\x21-\x5b\x5d-\x7e][\x20-\x5b\x5d-\x7e]*$")]


class DicosSettings(Settings):
    """Where to listen, who may store, and how much of it."""

    listen: str = Field("0.0.0.0:11112", description="HOST:PORT to listen on; 0.0.0.0 is every network")
    ae_title: AeTitle = Field("EDGE", description="this appliance's DICOM name (AE title), 1 to 16 characters")
    check_called_ae_title: bool = Field(False, description="refuse a scanner that calls another AE title than ours")
    calling_ae_titles: tuple[AeTitle, ...] = Field((), description="scanners that may store; none: every one")
    addresses: tuple[str, ...] = Field((), description="IP addresses that may connect; none: every one")
    max_associations: int = Field(8, ge=1, le=64, description="most scanners connected at once")
    max_object_bytes: int = Field(
        128 * 1024 * 1024, ge=65_536, le=400 * 1024 * 1024, description="largest image that is taken"
    )
    idle_s: float = Field(120, ge=1, le=86_400, description="a connection without a word for this long is closed")
    answer_s: float = Field(30, ge=1, le=600, description="longest wait for a verdict before the scanner is refused")

    @field_validator("listen")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        host, colon, port = value.rpartition(":")
        if not (colon and host and port.isascii() and port.isdigit() and int(port) < 65_536):
            raise ValueError('must be HOST:PORT, such as "0.0.0.0:11112"')
        return value

    @property
    def host(self) -> str:
        """The address part of `listen`."""
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port part of `listen`."""
        return int(self.listen.rpartition(":")[2])
