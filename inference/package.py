"""A model package on disk: a folder or a zip with `model.onnx`, `model.toml`, `golden/` and `CARD.md`.

Read once, into memory, with every size capped; what was hashed is what runs. Nothing is ever unpacked.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from zlib import error as ZlibError

from drivers.errors import ModelError
from inference.manifest import Manifest, parse

BUILT_IN = Path(__file__).parent / "packages"
MODEL, MANIFEST, CARD, SIGNATURE = "model.onnx", "model.toml", "CARD.md", "model.toml.sig"
MAX_FILES = 200
MAX_BYTES = 512 * 1024 * 1024
MAX_MANIFEST_BYTES = 1024 * 1024
MAX_SIGNATURE_BYTES = 64


@dataclass(frozen=True, slots=True)
class Package:
    """A package whose files are the ones that its manifest names, bit for bit; `text` is `model.toml` itself.

    `signature` is what `model.toml.sig` holds, None where nobody signed it; `inference.trust` checks it.
    """

    path: Path
    manifest: Manifest
    files: dict[str, bytes] = field(repr=False)
    text: bytes = field(repr=False)
    signature: bytes | None = field(repr=False)

    @property
    def model(self) -> bytes:
        """The ONNX file."""
        return self.files[MODEL]

    def without_model(self) -> Package:
        """Return the package less its ONNX file, for whoever has the graph open: the file is as large as the graph."""
        return replace(self, files={name: data for name, data in self.files.items() if name != MODEL})

    @property
    def sha256(self) -> str:
        """The SHA-256 of the ONNX file, in hexadecimal."""
        return self.manifest.files[MODEL]

    @property
    def card(self) -> str:
        """The model's card, Markdown."""
        return self.files[CARD].decode("utf-8", "replace")


def built_in() -> list[str]:
    """Return the names of the packages that come with the appliance."""
    return sorted(p.parent.name for p in BUILT_IN.glob(f"*/{MANIFEST}"))


def find(name_or_path: str | Path) -> Path:
    """Return where a package lies: a name without a slash is a built-in one. Raises ModelError where there is none."""
    text = str(name_or_path)
    if isinstance(name_or_path, str) and "/" not in text and not text.endswith(".zip"):
        path = BUILT_IN / text
        if text not in built_in():
            raise ModelError(f"no built-in model package {text!r}; there are: {', '.join(built_in()) or 'none'}")
        return path
    path = Path(name_or_path)
    if not path.exists():
        raise ModelError(f"no model package at {path}")
    return path


def read(path: Path) -> Package:
    """Return the package at `path`, a folder or a zip, with each file's hash checked.

    Raises ModelError for a file that is missing, changed, not in the manifest, or that cannot be read.
    """
    try:
        with _open(path) as files:
            return _check(path, files)
    except (OSError, zipfile.BadZipFile, ZlibError, EOFError, NotImplementedError, RuntimeError) as error:
        # The zip module answers damage, encryption and foreign compressions with any of these.
        raise ModelError(f"{path}: {error}") from error


class _Files:
    """The files of a package by name, each with its size; `read` gives the bytes."""

    def __init__(self, sizes: dict[str, int]) -> None:
        self.sizes = sizes

    def read(self, name: str) -> bytes:
        raise NotImplementedError


class _Folder(_Files):
    def __init__(self, path: Path) -> None:
        self._path = path
        found = list(_walk(path))
        super().__init__({str(p.relative_to(path)): p.stat().st_size for p in found})

    def read(self, name: str) -> bytes:
        return (self._path / name).read_bytes()


class _Zip(_Files):
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        entries = [e for e in archive.infolist() if not e.is_dir()]
        if len({e.filename for e in entries}) != len(entries):
            raise ModelError("a file is in the zip twice")
        super().__init__({e.filename: e.file_size for e in entries})

    def read(self, name: str) -> bytes:
        # Never more than the directory promised: a bomb says one size and unpacks to another.
        with self._archive.open(name) as file:
            data = file.read(self.sizes[name] + 1)
        if len(data) != self.sizes[name]:
            raise ModelError(f"{name}: not of the size that the zip says")
        return data


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            raise ModelError(f"{path}: a link; a package holds its files itself")
        if path.is_file():
            yield path


@contextmanager
def _open(path: Path) -> Iterator[_Files]:
    if path.is_dir():
        yield _Folder(path)
    else:
        with zipfile.ZipFile(path) as archive:
            yield _Zip(archive)


def _check(path: Path, files: _Files) -> Package:
    if len(files.sizes) > MAX_FILES or sum(files.sizes.values()) > MAX_BYTES:
        raise ModelError(f"{path}: more than {MAX_FILES} files or {MAX_BYTES} bytes")
    if files.sizes.get(MANIFEST, MAX_MANIFEST_BYTES + 1) > MAX_MANIFEST_BYTES:
        raise ModelError(f"{path}: no {MANIFEST}, or one that is too large")
    text = files.read(MANIFEST)
    manifest = parse(text)
    signed = files.read(SIGNATURE) if 0 < files.sizes.get(SIGNATURE, 0) <= MAX_SIGNATURE_BYTES else None
    if (signed is None) != (manifest.signature is None):
        raise ModelError(f"{path}: [signature] in {MANIFEST} and {SIGNATURE} go together, and one of them is missing")
    needed = {MODEL, CARD} | {g.outputs for g in manifest.golden}
    needed |= {p.file for g in manifest.golden for p in g.pictures}
    if unhashed := sorted(needed - manifest.files.keys()):
        raise ModelError(f"{path}: {MANIFEST} gives no SHA-256 for {', '.join(unhashed)}")
    if missing := sorted(manifest.files.keys() - files.sizes.keys()):
        raise ModelError(f"{path}: missing: {', '.join(missing)}")
    if strange := sorted(files.sizes.keys() - manifest.files.keys() - {MANIFEST, SIGNATURE}):
        raise ModelError(f"{path}: not in {MANIFEST}: {', '.join(strange)}")
    contents = {name: files.read(name) for name in manifest.files}
    for name, data in contents.items():
        if hashlib.sha256(data).hexdigest() != manifest.files[name]:
            raise ModelError(f"{path}: {name} is not the file that {MANIFEST} names: its SHA-256 differs")
    return Package(path, manifest, contents, text, signed)
