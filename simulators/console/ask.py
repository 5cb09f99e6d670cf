"""From what an officer fills in to the messages that go down to an appliance (contract, sections 3, 6 and 7). Pure."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Mapping
from typing import Any

from simulators.console.codes import LISTS, UNITS
from simulators.console.store.desk import Asked
from simulators.console.topics import is_name
from simulators.console.view import stamp

MAX_WHO = 64
MAX_NOTE = 2000
COMMAND_MS = 60_000
MAX_TARGETS = 5000

PLAIN_COMMANDS = ("ping", "selftest", "rebirth", "config.get", "config.commit", "config.rollback", "diagnostics")
DEVICE_COMMANDS = ("device.restart", "device.disable", "device.enable")

_WHO = re.compile(r"[\w .,:@+-]+")
_VALUES = {
    "bag_tag": re.compile(r"[0-9]{10}"),
    "flight": re.compile(r"[A-Z0-9]{2}[0-9]{4}/[0-9]{4}-[0-9]{2}-[0-9]{2}"),
    "document": re.compile(r"[A-Z0-9]{4,20}"),
}
_TARGET_ID = re.compile(r"[A-Za-z0-9._:@+-]{1,128}")


class Refused(ValueError):
    """What was filled in cannot be sent; `field` says where, `reason` is a key of the catalogues."""

    def __init__(self, field: str, reason: str, shown: str = "") -> None:
        super().__init__(f"{field}: {reason} {shown}".rstrip())
        self.field = field
        self.reason = reason
        self.shown = shown


def who(form: Mapping[str, str], key: str = "officer") -> str:
    """Return the officer's sign (a number or a code of the task force's). Raises Refused for none."""
    name = form.get(key, "").strip()
    if not name or len(name) > MAX_WHO or not _WHO.fullmatch(name):
        raise Refused(key, "refused.who")
    return name


def disposition(form: Mapping[str, str], site: str, edge: str, hit_id: str, now_ms: int) -> Asked:
    """Return what came of a hit, to be told to its appliance; what is left empty is not said. Raises Refused."""
    body: dict[str, Any] = {"disposition_id": f"d-{uuid.uuid4().hex}", "hit_id": hit_id}
    for key, codes in LISTS.items():
        if value := form.get(key, ""):
            if value not in codes:
                raise Refused(key, "refused.code", value)
            body[key] = value
    if "outcome" not in body:
        raise Refused("outcome", "refused.outcome")
    if quantity := _quantity(form):
        body["quantity"] = quantity
    if form.get("covert"):
        body["covert"] = True
    body["officer"] = who(form)
    if form.get("witness", "").strip():
        body["witness"] = who(form, "witness")
    if note := form.get("note", "").strip():
        if len(note) > MAX_NOTE:
            raise Refused("note", "refused.long")
        body["note"] = note
    body["at"] = stamp(now_ms)
    return Asked(site, edge, "disposition", "", body["disposition_id"], body["officer"], now_ms, body, hit_id=hit_id)


def _quantity(form: Mapping[str, str]) -> dict[str, Any] | None:
    text = form.get("quantity", "").strip().replace(",", ".").replace(" ", "").replace("\u202f", "")
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", text):
        raise Refused("quantity", "refused.number", text)
    unit = form.get("unit", "")
    if unit not in UNITS:
        raise Refused("unit", "refused.code", unit)
    return {"value": float(text), "unit": unit, "gross": form.get("gross") == "gross"}


def command(form: Mapping[str, str], site: str, edge: str, now_ms: int) -> Asked:
    """Return a command; it expires after a minute, and is sent again until it is answered. Raises Refused."""
    name, args = form.get("name", ""), dict[str, Any]()
    if name in DEVICE_COMMANDS or name == "model.activate":
        device = form.get("device", "")
        if not is_name(device):
            raise Refused("device", "refused.code", device)
        args["device"] = device
    if name == "model.activate":
        model = form.get("model", "").strip()
        if not re.fullmatch(r"[\w.+-]{1,128}", model):
            raise Refused("model", "refused.code", model)
        args |= {"model": model, "shadow_scans": _whole(form.get("shadow_scans", "0"), "shadow_scans", 100_000)}
    elif name not in (*PLAIN_COMMANDS, *DEVICE_COMMANDS):
        raise Refused("name", "refused.code", name)
    return asked(site, edge, name, args, who(form), now_ms)


def asked(site: str, edge: str, name: str, args: dict[str, Any], by: str, now_ms: int, hit_id: str = "") -> Asked:
    """Return a command with its envelope."""
    transaction = uuid.uuid4().hex
    body = {
        "transaction": transaction,
        "issued_by": by,
        "issued_at": stamp(now_ms),
        "expires_at": stamp(now_ms + COMMAND_MS),
        "args": args,
    }
    expires_ms = now_ms + COMMAND_MS
    return Asked(site, edge, "cmd", name, transaction, by, now_ms, body, hit_id, expires_ms)


def _whole(text: str, field: str, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 9 and int(text) <= most):
        raise Refused(field, "refused.number", text)
    return int(text)


def targets(form: Mapping[str, str], site: str, edge: str, version: int, salt: str, now_ms: int) -> Asked:
    """Return the risk list of an appliance: values as salted hashes, so that no name travels. Raises Refused.

    A line of `lines` is `TARGET-ID KIND VALUE RISK [covert]`, KIND bag_tag, flight or document, RISK elevated or high.
    """
    hours = _whole(form.get("hours", "24"), "hours", 24 * 30)
    entries = [_target(line, salt) for line in form.get("lines", "").splitlines() if line.strip()]
    if len(entries) > MAX_TARGETS:
        raise Refused("lines", "refused.many")
    body = {
        "version": version,
        "issued_at": stamp(now_ms),
        "expires_at": stamp(now_ms + hours * 3_600_000),
        "salt": salt,
        "entries": entries,
    }
    return Asked(site, edge, "targets", "", f"targets-{version}", who(form), now_ms, body)


def _target(line: str, salt: str) -> dict[str, Any]:
    words = line.split()
    target_id, kind, value, risk = [*words, "", "", "", ""][:4]
    covert = words[4:]
    valid = (
        _TARGET_ID.fullmatch(target_id)
        and kind in _VALUES
        and _VALUES[kind].fullmatch(value.upper())
        and risk in ("elevated", "high")
        and covert in ([], ["covert"])
    )
    if not valid:
        raise Refused("lines", "refused.target", line.strip()[:80])
    digest = hashlib.sha256((salt + value.upper()).encode()).hexdigest()
    return {"target_id": target_id, "kind": kind, "hash": digest, "risk": risk} | ({"covert": True} if covert else {})
