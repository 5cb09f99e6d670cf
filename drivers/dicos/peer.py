"""Whom reports are stored at. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from drivers.dicos.dialect import DICOS_V03
from drivers.dicos.pdu import DICOM_DIALECT

_ADDRESS = re.compile(
    r"^(?P<dialect>dicom|dicos)(?P<tls>-tls)?://(?P<title>[^@\\/]{1,16})@(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]@:/]+):(?P<port>\d{1,5})$"
)
_DIALECTS = {"dicom": DICOM_DIALECT, "dicos": DICOS_V03}


@dataclass(frozen=True, slots=True)
class Peer:
    """Whom to store at: `dicom://AE@HOST:PORT`, `dicos://` in DICOS's dialect, `dicom-tls://` and `dicos-tls://`."""

    dialect: str
    tls: bool
    ae_title: str
    host: str
    port: int

    @classmethod
    def parse(cls, address: str) -> Self:
        """Return the peer that an address names. Raises ValueError."""
        found = _ADDRESS.match(address)
        if not found or not 0 < int(found["port"]) < 65_536:
            raise ValueError('must be dicom://AE@HOST:PORT, such as "dicom://VIEWER@10.0.0.9:11112", or dicos://')
        return cls(
            _DIALECTS[found["dialect"]],
            bool(found["tls"]),
            found["title"].strip(),
            found["host"].strip("[]"),
            int(found["port"]),
        )

    def __str__(self) -> str:
        return f"{self.ae_title} at {self.host}:{self.port}"
