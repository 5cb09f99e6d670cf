"""A scanner as the appliance meets one: simulated bags as DICOS files, stored by pynetdicom over one association."""

from __future__ import annotations

import random
import subprocess
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE

from benchmarks.box import NotUp, program

DX_FOR_PROCESSING = "1.2.840.10008.5.1.4.1.1.501.2.2"
MAKE_S = 120.0


@dataclass(frozen=True)
class Bag:
    """A scan as a file's bytes, and its two names: of the object, and of the scan."""

    data: bytes
    instance: str
    scan_id: str

    @classmethod
    def of(cls, data: bytes) -> Bag:
        """Return what a file holds."""
        said = dcmread(BytesIO(data), stop_before_pixels=True)
        return cls(data, str(said.SOPInstanceUID), str(said.StudyInstanceUID))

    def again(self, chance: random.Random) -> Bag:
        """Return the same picture as another scan: names as long as before, so that nothing else moves."""
        new = [_other(name, chance) for name in (self.instance, self.scan_id)]
        data = self.data.replace(self.instance.encode(), new[0].encode())
        return Bag(data.replace(self.scan_id.encode(), new[1].encode()), *new)


def _other(uid: str, chance: random.Random) -> str:
    head, digits = uid[:6], len(uid) - 6
    return head + "".join(chance.choice("0123456789") for _ in range(digits))


def bags(folder: Path, count: int, seed: int = 7) -> list[Bag]:
    """Return simulated bags, each with a threat in it, 832 rows by 640 columns of 16 bits."""
    folder.mkdir()
    words = ("--folder", str(folder), "--format", "dicos", "--threat-rate", "1", "--every-s", "0")
    command = [program("jaitf-sim"), "xray", *words, "--count", str(count), "--seed", str(seed)]
    subprocess.run(command, check=True, capture_output=True, timeout=MAKE_S)
    return [Bag.of(path.read_bytes()) for path in sorted(folder.glob("*.dcs"))]


class Scanner:
    """Stores objects over one association, as a scanner does all day."""

    def __init__(self, port: int, called: str = "EDGE") -> None:
        entity = AE(ae_title="SCANNER")
        entity.add_requested_context(DX_FOR_PROCESSING, ExplicitVRLittleEndian)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 60
        self._association = entity.associate("127.0.0.1", port, ae_title=called)
        if not self._association.is_established:
            raise NotUp("the scanner got no association")

    def __enter__(self) -> Scanner:
        return self

    def __exit__(self, *_: object) -> None:
        self._association.release()

    def store(self, path: Path) -> int:
        """Store a file's object, and return the status."""
        status = self._association.send_c_store(path)
        return int(status.Status) if "Status" in status else -1
