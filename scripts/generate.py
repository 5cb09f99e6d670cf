"""Writes what is generated from the code: example configuration, its schemas, contract, and the README's drivers.

.venv/bin/python scripts/generate.py            write it
.venv/bin/python scripts/generate.py --check    change nothing; exit status 1 where something is not up to date
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from drivers.conformance.grading import claimed
from drivers.registry import available
from edge.config import schema, template
from edge.contract import documents

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "config" / "example"
CONTRACT = ROOT / "docs" / "contract"
SCHEMA = ROOT / "config" / "schema"
BEGIN, END = "<!-- drivers: written by scripts/generate.py -->", "<!-- end of drivers -->"


def files() -> dict[Path, str]:
    """Return every generated file with its content."""
    made = {EXAMPLE / path: text for path, text in example().items()}
    made |= {CONTRACT / path: text for path, text in documents().items()}
    made |= {
        SCHEMA / path: json.dumps(s, indent=2, ensure_ascii=False) + "\n" for path, s in schema.documents().items()
    }
    readme = (ROOT / "README.md").read_text()
    head, _, rest = readme.partition(BEGIN)
    tail = rest.partition(END)[2]
    made[ROOT / "README.md"] = f"{head}{BEGIN}\n{driver_table()}{END}{tail}"
    return made


def example() -> dict[Path, str]:
    """Return the example configuration, as `jaitf-edge init /etc/jaitf-edge` writes it."""
    folder = Path("/etc/jaitf-edge")
    return {path.relative_to(folder): text for path, text in template.files(folder, {}).items()}


def driver_table() -> str:
    """Return the README's table of drivers."""
    grades = claimed()
    rows = [
        f"| `{d.name}` | {d.summary} | {'pictures' if d.pictures else 'readings'} | {grades.get(d.name, '–')} |"
        for d in available().values()
    ]
    return "\n".join(["| driver | what it reads | gives | grade |", "|---|---|---|---|", *rows, ""])


def main() -> int:
    """Write or compare; return the exit status."""
    made = files()
    stale = [path for path, text in made.items() if not path.exists() or path.read_text() != text]
    left = [
        path
        for folder in (EXAMPLE, CONTRACT, SCHEMA)
        for path in folder.rglob("*")
        if path.is_file() and path not in made
    ]
    left = [path for path in left if path.suffix != ".md"]
    if "--check" in sys.argv[1:]:
        for path in stale + left:
            sys.stdout.write(f"{path.relative_to(ROOT)} is not as the code would write it: run scripts/generate.py\n")
        return int(bool(stale or left))
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made[path])
    for path in left:
        path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
