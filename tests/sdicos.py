"""The reference DICOS toolkit as a reader: in a process of its own, for it may crash."""

from __future__ import annotations

import json
import subprocess
import sys
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
from pyDICOS import DX, ErrorLog, Filename
syntax, source, target = sys.argv[1:]
log, dx = ErrorLog(), DX()
assert dx.Read(Filename(source), log, None), log.GetErrorLog().Get()
assert dx.Write(Filename(target), log, getattr(pyDICOS, syntax)), log.GetErrorLog().Get()
"""


def rewrite(syntax: str, source: Path, target: Path) -> None:
    """Have the toolkit read a DX file and write it in one of its transfer syntaxes, as `enumLosslessJPEG`."""
    done = subprocess.run(
        [sys.executable, "-c", _WRITER, syntax, str(source), str(target)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{done.returncode}: {done.stderr[-1000:]}"
