"""An example of every message, made by the classes themselves; the hit's signature is real, its key is not secret."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from drivers.contract import Category, DeviceState, Severity
from edge import messages as m
from edge.clock import ClockQuality
from edge.commands.args import COMMANDS
from edge.ledger.chain import sealed
from edge.nouns import Decision
from edge.signing import SigningKey

AT, LATER = "2026-11-21T09:30:12.481Z", "2026-11-21T09:31:12.481Z"
HIT_ID = "019d3c6e-7a51-7c1e-b1a0-5f0c7d6f2c11"
SESSION = "5f0c7d6f-2c11-4c1e-b1a0-019d3c6e7a51"
CLOCK = m.ClockBody(
    quality=ClockQuality.SYNCED, offset_ms=1.2, boot_id="a2bde987-6958-4962-8f1d-2048abc31647", monotonic_s=8123.4
)
ITEM = m.ItemBody(scan_id="1.2.826.0.1.3680043.10.1", bag_tag="0220123456", type="BAGGAGE")
MODEL = m.ModelBody(name="baggage", version="1.2.0", sha256="ab" * 32)


@cache
def key() -> SigningKey:
    """Return the key of the examples, which everyone knows."""
    return SigningKey(Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"an example, not a secret").digest()))


def _hit() -> m.HitEvent:
    data = m.HitData(
        hit_id=HIT_ID,
        rev=0,
        seq=4711,
        historical=False,
        site="lfw",
        lane="t1-l3",
        edge="edge-01",
        device="xray-1",
        driver="dicos",
        stream="passenger",
        observed_at="2026-11-21T09:30:12.311Z",
        committed_at=AT,
        clock=CLOCK,
        severity=Severity.HIGH,
        score=0.93,
        threshold=0.61,
        threats=(m.ThreatBody(label="organic mass", category=Category.CONTRABAND, score=0.93, box=(212, 96, 140, 88)),),
        item=ITEM,
        targeted=m.TargetedBody(risk="high", target_id="T-118"),
        model=MODEL,
        evidence=m.EvidenceBody(sha256="cd" * 32, media_type="application/dicom", bytes=1703936, thumb=True),
    )
    event = m.HitEvent(id=f"{HIT_ID}:0", source="/jaitf/lfw/edge-01/xray-1", time=AT, data=data)
    payload, _ = sealed(event.encoded(), bytes(32), b"", "cd" * 32, key())
    return m.HitEvent.model_validate_json(payload)


def _health() -> m.Health:
    return m.Health(
        at=AT,
        oldest_unsent_hit_s=0,
        queued={"hit": 0},
        outbox_bytes=0,
        dropped={"thumb": 0},
        set_aside=0,
        storage="ok",
        storage_reason="",
        used_bytes=734003200,
        quota_bytes=20_000_000_000,
        disk_free_bytes=81_000_000_000,
        written_bytes=120_000_000,
        written_bytes_per_day=2_100_000_000,
        devices={"xray-1": DeviceState.UP},
        judged=5120,
        overloaded=0,
        model_p50_ms=48.1,
        model_p99_ms=63.0,
        blind=False,
        blind_reason="",
        rss_bytes=190_000_000,
        clock=CLOCK,
        client_id_conflicts=0,
        uptime_s=8101.9,
    )


def _birth() -> m.Birth:
    return m.Birth(
        software="0.1.0",
        contract="1",
        session=SESSION,
        ledger_id=SESSION,
        seq_start=1,
        config_sha256="ef" * 32,
        site="lfw",
        lane="t1-l3",
        edge="edge-01",
        stream="passenger",
        devices=(m.DeviceBirth(name="xray-1", driver="dicos", model="baggage"),),
        models=(MODEL,),
        key=m.KeyBody(kid=key().fingerprint, pem=key().public_pem.decode()),
        clock=CLOCK,
        notices=(),
        at=AT,
    )


_SENT: dict[str, m.Message | m.ReadingNews] = {
    "state": m.StateMessage(state="online", session=SESSION, at=AT),
    "birth": _birth(),
    "device": m.DeviceMessage(
        state=DeviceState.UP,
        reason="",
        code="",
        since=AT,
        last_observation_at=LATER,
        restarts=0,
        driver="dicos",
        facts={"serial": "4711-A"},
    ),
    "hit": _hit(),
    "verdict": m.Verdict(
        scan_id=ITEM.scan_id,
        decision=Decision.ALARM,
        reason=None,
        item=ITEM,
        score=0.93,
        threshold=0.61,
        at=AT,
        hit_id=HIT_ID,
        ms=48.1,
    ),
    "reading": m.ReadingNews(
        at=AT, tags=[{"epc": "e2801160600002084d3a1b2c", "antenna": 1, "rssi_dbm": -48.5, "at": AT}]
    ),
    "health": _health(),
    "reply": m.Reply(
        transaction="9b1d2c3e", status="done", code="pong", detail="the appliance is here", result={}, at=AT
    ),
    "audit": m.Audit(at=AT, what="device.restart", by="officer-7", outcome="done", detail="xray-1"),
}

_ARGS: dict[str, dict[str, Any]] = {
    "evidence.fetch": {"hit_id": HIT_ID, "from_part": 0},
    **{f"device.{verb}": {"device": "xray-1"} for verb in ("restart", "disable", "enable")},
    "config.stage": {"files": {"devices/export-1.toml": 'driver = "folder"\n[settings]\npath = "/srv/export"\n'}},
    "config.commit": {"sha256": "ef" * 32, "trial_s": 120},
    "model.activate": {"model": "baggage", "device": "xray-1", "shadow_scans": 200},
}


def _command(name: str) -> dict[str, Any]:
    return {
        "transaction": "9b1d2c3e",
        "issued_by": "officer-7",
        "issued_at": AT,
        "expires_at": LATER,
        "args": _ARGS.get(name, {}),
    }


def tag_hash(salt: str, value: str) -> str:
    """Return what a target list has in place of a value."""
    return hashlib.sha256((salt + value).encode()).hexdigest()


EXAMPLES: dict[str, Any] = {
    **{name: json.loads(message.model_dump_json()) for name, message in _SENT.items()},
    "receipt": {"hit_id": HIT_ID, "rev": 0, "sha256": "cd" * 32},
    "disposition": {
        "disposition_id": "d-2026-0042",
        "hit_id": HIT_ID,
        "outcome": "seizure",
        "commodity": "cocaine",
        "quantity": {"value": 1.241, "unit": "KGM", "gross": True},
        "detection_method": "xray_algorithm",
        "concealment": "bag_false_bottom_wall",
        "covert": False,
        "officer": "officer-7",
        "witness": "officer-9",
        "note": "double bottom, two plates",
    },
    "targets": {
        "version": 118,
        "issued_at": AT,
        "expires_at": "2026-11-22T09:30:12.481Z",
        "salt": "e3b0c44298fc1c14",
        "entries": [
            {
                "target_id": "T-118",
                "kind": "bag_tag",
                "hash": tag_hash("e3b0c44298fc1c14", "0220123456"),
                "risk": "high",
            },
            {
                "target_id": "T-119",
                "kind": "flight",
                "hash": tag_hash("e3b0c44298fc1c14", "AF0718/2026-11-21"),
                "risk": "elevated",
                "covert": True,
            },
        ],
    },
    **{f"cmd.{name}": _command(name) for name in COMMANDS},
}
"""By the names of the channels; those that carry bytes have none."""
