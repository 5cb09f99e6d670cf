"""A scanner as the appliance meets one: simulated bags as DICOS files, stored by pynetdicom, or in numbers by dcmtk."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE

from benchmarks.box import NotUp, Process, program

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


def _dcmtk(name: str) -> str:
    """Return where a program of dcmtk's is: pynetdicom brings namesakes, which lie beside this Python."""
    ours = Path(sys.executable).parent
    others = [place for place in os.get_exec_path() if Path(place) != ours]
    if path := shutil.which(name, path=os.pathsep.join(others)):
        return path
    raise NotUp(f"{name} of dcmtk is not installed")


def storing(port: int, files: Sequence[Path], called: str = "EDGE") -> Process:
    """Run dcmtk's storescu, which stores the files one after the other over one association, each under new names.

    It ends with 0 once all are stored, with another status at the first that is refused. It takes a fifth of the
    processor's time that pynetdicom takes to store a scan: what is measured is who it stores to.
    """
    words = ("-q", "--required", "--propose-little", "--max-send-pdu", "131072")
    names = ("--invent-instance", "--invent-series", "1", "--invent-study", "1")
    where = ("--aetitle", "SCANNER", "--call", called, "127.0.0.1", str(port))
    return Process(_dcmtk("storescu"), *words, *names, *where, *map(str, files))
