"""The reference DICOS toolkit as a reader: in a process of its own, for it may crash."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_READER = """
import hashlib, json, sys
import numpy as np
from pyDICOS import DX, TDR, ErrorLog, Filename
kind, path = sys.argv[1:]
log = ErrorLog()
read = {"DX": DX, "TDR": TDR}[kind]()
said = {"read": bool(read.Read(Filename(path), log, None)), "errors": log.GetErrorLog().Get()}
if said["read"] and kind == "DX":
    values = np.ascontiguousarray(np.array(read.GetXRayData().GetUnsigned16(), copy=False))
    said |= {"shape": values.shape, "sha256": hashlib.sha256(values.tobytes()).hexdigest()}
print(json.dumps(said))
"""


def read(kind: str, path: Path) -> dict[str, Any]:
    """What the toolkit says of a file: whether it reads it, what it complains of, and of a DX its values."""
    done = subprocess.run(
        [sys.executable, "-c", _READER, kind, str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, f"{done.returncode}: {done.stderr[-1000:]}"
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


_WRITER = """
import sys
import pyDICOS
from pyDICOS import CT, DX, TDR, ErrorLog, Filename
syntax, source, target, kind = sys.argv[1:]
log, one = ErrorLog(), {"DX": DX, "TDR": TDR}[kind]()
assert one.Read(Filename(source), log, None), log.GetErrorLog().Get()
syntax = getattr(CT.TRANSFER_SYNTAX, syntax)
assert one.Write(Filename(target), log, syntax), log.GetErrorLog().Get()
"""


def rewrite(syntax: str, source: Path, target: Path, kind: str = "DX") -> None:
    """Have the toolkit read a file and write it in one of its transfer syntaxes, as `enumLosslessJPEG`."""
    done = subprocess.run(
        [sys.executable, "-c", _WRITER, syntax, str(source), str(target), kind],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{done.returncode}: {done.stderr[-1000:]}"


_CLIENT = """
import json, sys
import numpy as np
from pyDICOS import (CT, DcsApplicationEntity, DcsClient, DcsDate, DcsLongString, DcsString, DcsTime, ErrorLog,
                     OBJECT_OF_INSPECTION_TYPE, Volume)
port, mode, classes, size = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
said = {}
client = DcsClient()
client.SetServerPortandIP(port, DcsString("127.0.0.1"))
client.SetSourceApplication(DcsApplicationEntity("SDICOS"))
client.SetDestinationApplication(DcsApplicationEntity("EDGE"))
if mode != "ct":
    said["connected"] = client.ConnectToServer()
    said["session"] = client.StartDicosSession(classes)
    said["echo"] = client.Echo() if classes & 128 else None
    client.StopDicosSession()
    client.DisconnectFromServer()
else:
    ct = CT()
    ct.SetOOIType(OBJECT_OF_INSPECTION_TYPE.enumTypeBaggage)
    at = DcsDate(2026, 11, 21), DcsTime(9, 0, 0, 0)
    ct.SetImageAcquisitionDateAndTime(*at)
    ct.SetContentDateAndTime(*at)
    ct.SetImageAcquisitionDuration(2.0)
    ct.SetImageType(CT.OOI_IMAGE_CHARACTERISTICS.enumHighEnergy)
    ct.SetPhotometricInterpretation(CT.PHOTOMETRIC_INTERPRETATION.enumMonochrome2)
    ct.SetNumberOfSections(1)
    section = ct.GetSectionByIndex(0)
    section.SetRescaleType(DcsLongString("MHU"))
    volume = section.GetPixelData()
    volume.Allocate(Volume.IMAGE_DATA_TYPE.enumUnsigned16Bit, size, size, 2)
    for depth in range(2):
        np.array(volume.GetUnsigned16()[depth], copy=False)[:] = np.arange(size * size).reshape(size, size) % 65536
    log = ErrorLog()
    said["sent"] = ct.SendOverNetwork(
        port, DcsString("127.0.0.1"), DcsApplicationEntity("SDICOS"), DcsApplicationEntity("EDGE"), log, DcsString(""),
        DcsString(""))
    said["errors"] = log.GetErrorLog().Get()
print(json.dumps(said))
"""

#: SDICOS's bits for the classes that a session proposes.
CT, DX, TDR, AIT_2D, AIT_3D, ECHO = 1, 24, 64, 2, 4, 128


def client(port: int, mode: str, classes: int = DX | ECHO, size: int = 64) -> dict[str, Any]:
    """What the toolkit's client says of a `session` with these classes, or of the CT of so many pixels it sent."""
    return _said(_CLIENT, port, mode, classes, size)


def _said(program: str, *arguments: object) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, f"{done.returncode}: {done.stderr[-1000:]}"
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


_SERVER = """
import sys
from pyDICOS import DataProcessingMultipleConnections, DcsApplicationEntity, DcsServer, DcsString
server = DcsServer()
server.SetPort(int(sys.argv[1]))
server.SetIP(DcsString("127.0.0.1"))
server.SetApplicationName(DcsApplicationEntity("VIEWER"))
server.IgnoreApplicationNames()
callback = DataProcessingMultipleConnections()
print("up" if server.StartListening(callback, None) else "down", flush=True)
sys.stdin.read()
server.StopListening()
"""


@contextmanager
def server(port: int) -> Iterator[None]:
    """The toolkit's server; it answers success to what it takes, and drops it."""
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVER, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout and process.stdin
        while (line := process.stdout.readline().strip()) != "up":
            assert process.poll() is None, line
        yield
    finally:
        process.kill()
        process.wait(60)
        for stream in (process.stdin, process.stdout):
            stream.close() if stream else None


_READ_MANY = """
import json, sys
from pyDICOS import DX, TDR, ErrorLog, Filename
said = []
for line in sys.stdin:
    kind, path = line.rstrip().split(" ", 1)
    log, one = ErrorLog(), {"DX": DX, "TDR": TDR}[kind]()
    said.append([bool(one.Read(Filename(path), log, None)), log.GetErrorLog().Get()])
print(json.dumps(said))
"""


def reads(kind: str, paths: list[Path]) -> list[bool]:
    """Whether the toolkit reads each file."""
    done = subprocess.run(
        [sys.executable, "-c", _READ_MANY],
        input="".join(f"{kind} {path}\n" for path in paths),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{done.returncode}: {done.stderr[-1000:]}"
    return [read for read, _ in json.loads(done.stdout.splitlines()[-1])]
