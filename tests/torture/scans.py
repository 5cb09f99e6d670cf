"""A scanner that exports pictures into a folder, each with a threat in it and bytes of its own."""

from __future__ import annotations

import hashlib
import struct
import threading
import time
import zlib
from collections import Counter
from pathlib import Path

from tests.torture.box import ROOT
from tests.torture.console import Console
from tests.torture.trial import Broken

PICTURE = ROOT / "inference/packages/baggage/golden/pistol.png"
PNG_HEAD_BYTES = 33  # signature and IHDR
DEVICE = 'driver = "folder"\nmodel = "baggage"\n[settings]\npath = "{path}"\nsettle_ms = 100\n'


class Scanner:
    """Writes a picture every `every_s`, until `stop`; what it wrote is in `digests`."""

    def __init__(self, folder: Path, every_s: float) -> None:
        self.folder = folder
        self.digests: list[str] = []
        folder.mkdir()
        self._every_s = every_s
        self._picture = PICTURE.read_bytes()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="scanner", daemon=True)

    @property
    def device(self) -> str:
        """The device file of the appliance that reads the folder."""
        return DEVICE.format(path=self.folder)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            number = len(self.digests)
            data = self._with_text(f"scan\0{number} {time.time_ns()}".encode())
            partial = self.folder / f"scan-{number}.png.part"
            partial.write_bytes(data)
            self.digests.append(hashlib.sha256(data).hexdigest())
            partial.rename(self.folder / f"scan-{number}.png")

    def _with_text(self, text: bytes) -> bytes:
        chunk = b"tEXt" + text
        whole = struct.pack(">I", len(text)) + chunk + struct.pack(">I", zlib.crc32(chunk))
        return self._picture[:PNG_HEAD_BYTES] + whole + self._picture[PNG_HEAD_BYTES:]

    def judge(self, console: Console) -> None:
        """Raise Broken unless every picture written made one hit, with its own bytes as evidence."""
        found = Counter(hit.evidence for hit in console.arrivals() if hit.evidence is not None)
        missing = [digest for digest in self.digests if digest not in found]
        several = [digest for digest, count in found.items() if count > 1]
        strangers = set(found) - set(self.digests)
        if missing or several or strangers:
            raise Broken(
                f"of {len(self.digests)} scans {len(missing)} have no hit, {len(several)} have several;"
                f" {len(strangers)} hits have evidence that no scanner wrote"
            )
