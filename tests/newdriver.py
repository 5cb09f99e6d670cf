"""A new driver's folder as somebody fills it in: definitions replace those of the same name."""

from __future__ import annotations

import ast
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HOW_TO = ROOT / "docs" / "how-to" / "new-driver.md"
_BLOCK = re.compile(r"^<!-- (\S+) -->\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> dict[str, str]:
    """Return what the document fills in, by the file that it goes into."""
    return dict(_BLOCK.findall(HOW_TO.read_text(encoding="utf-8")))


def fill(folder: Path, path: str, text: str) -> None:
    """Put text into a file: a whole TOML file, or Python whose definitions replace those of the same name."""
    file = folder / path
    assert file.exists(), path
    file.write_text(text if file.suffix == ".toml" else merged(file.read_text(), text))


def merged(old: str, new: str) -> str:
    """Return Python in which the top-level definitions of `new` stand in the place of the old, imports on top."""
    given = ast.parse(new).body
    imports = [node for node in given if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {name: node for node in given if node not in imports for name in _names(node)}
    lines = old.splitlines()
    for node in reversed(ast.parse(old).body):
        if replacing := [names.pop(name) for name in _names(node) if name in names]:
            lines[node.lineno - 1 : node.end_lineno] = _source(new, replacing[0])
    fresh = [line for node in names.values() for line in ["", "", *_source(new, node)]]
    last = max(n.end_lineno or 0 for n in ast.parse(old).body if isinstance(n, ast.Import | ast.ImportFrom))
    first = next(n.lineno for n in ast.parse(old).body if isinstance(n, ast.ImportFrom) and n.module != "__future__")
    top = [*lines[: first - 1], *(ast.unparse(node) for node in imports), *lines[first - 1 : last]]
    return "\n".join([*top, *fresh, *lines[last:]]) + "\n"


def _names(node: ast.stmt) -> list[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
    return []


def _source(text: str, node: ast.stmt) -> list[str]:
    return text.splitlines()[node.lineno - 1 : node.end_lineno]


def installed(folder: Path, name: str) -> None:
    """Make a folder one that is found on the path with its entry points, as `pip install -e` does."""
    module = name.replace("-", "_")
    info = folder / f"jaitf_driver_{module}-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: jaitf-driver-{name}\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text(
        f"[jaitf_edge.drivers]\n{name} = {module}:DRIVER\n\n"
        f"[jaitf_edge.conformance]\n{name} = {module}.conformance:CASES\n"
    )


def run(folder: Path, *command: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a Python module in the folder, with it (or `path`) and this project on the path."""
    given = os.environ | {"PYTHONPATH": f"{path or folder}:{ROOT}", "NO_COLOR": "1", "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, env=given, capture_output=True, text=True, check=False
    )


def said(folder: Path, *tests: str) -> str:
    """Return what the folder's tests say until the first fails.

    In a fork of this process, which has imported all that they need: a pytest of its own would take seconds to start.
    """
    with tempfile.TemporaryFile("w+") as out:
        child = multiprocessing.get_context("fork").Process(target=_tested, args=(folder, tests, out.fileno()))
        child.start()
        child.join(60)
        assert child.exitcode is not None, child.kill()
        out.seek(0)
        return out.read()


def _tested(folder: Path, tests: tuple[str, ...], out: int) -> None:
    os.dup2(out, 1)
    os.dup2(out, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    os.chdir(folder)
    os.environ["COLUMNS"] = "200"
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True  # a file that is written twice in a second looks the same to the cache
    status = pytest.main(["-x", "-q", "--no-header", "-p", "no:cacheprovider", "-p", "no:asyncio", *tests])
    sys.stdout.flush()
    os._exit(int(status))
