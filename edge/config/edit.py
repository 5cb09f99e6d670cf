"""Changes single values of a TOML file that somebody wrote: all else stays as it is, comments and order too. Pure."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any

from edge.config.positions import lines
from edge.config.template import literal


def with_values(text: str, values: Mapping[tuple[str, str], Any]) -> str:
    """Return the file with values set by table and key; None takes a key out.

    A key that is not there yet goes where its commented line stands, else under its table's head, else into a new
    table at the end. Raises ValueError where the file has the key in a way that this cannot change (a value of several
    lines, a dotted key).
    """
    for (table, key), value in values.items():
        text = _with_value(text, table, key, value)
    return text


def _with_value(text: str, table: str, key: str, value: Any) -> str:
    data = tomllib.loads(text)
    if data.get(table, {}).get(key) == value:
        return text
    rows = text.split("\n")
    made = [] if value is None else [f"{key} = {literal(value)}"]
    if key in data.get(table, {}):
        at = lines(text)[table, key] - 1
        rows[at : at + 1] = _noted(made, rows[at])
    elif not made:
        return text
    elif (head := _head(rows, table)) is None:
        rows = [*"\n".join(rows).rstrip("\n").split("\n"), "", f"[{table}]", *made, ""]
    else:
        stands = _commented(rows, head, key)
        rows[stands or head + 1 : (stands or head) + 1] = made
    changed = "\n".join(rows)
    wanted = {name: dict(each) if isinstance(each, dict) else each for name, each in data.items()}
    wanted.setdefault(table, {})
    wanted[table] = {name: each for name, each in wanted[table].items() if name != key} | (
        {} if value is None else {key: tomllib.loads(f"v = {literal(value)}")["v"]}
    )
    try:
        if tomllib.loads(changed) == wanted:
            return changed
    except tomllib.TOMLDecodeError:
        pass  # said by what follows
    raise ValueError(f"{table}.{key} cannot be changed where it stands: change it by hand")


def _noted(made: list[str], row: str) -> list[str]:
    """Return the new line with the comment that ends the old one, where that is plain to see."""
    comment = re.search(r"\s+#[^\"']*$", row)
    return [made[0] + comment[0]] if made and comment else made


def _head(rows: list[str], table: str) -> int | None:
    return next((n for n, row in enumerate(rows) if re.match(rf"\s*\[\s*{re.escape(table)}\s*\]", row)), None)


def _commented(rows: list[str], head: int, key: str) -> int | None:
    for number in range(head + 1, len(rows)):
        if re.match(r"\s*\[", rows[number]):
            return None
        if re.match(rf"\s*#\s*{re.escape(key)}\s*=", rows[number]):
            return number
    return None
