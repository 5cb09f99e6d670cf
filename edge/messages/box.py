"""How the appliance and its devices are, and what was done at it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from drivers.contract import DeviceState
from edge.messages.base import Absent, Digest, Message
from edge.messages.hit import ClockBody, ModelBody


class StateMessage(Message):
    """Whether the appliance is there; the will says offline, with the session of its birth."""

    state: Literal["online", "stopped", "offline"]
    session: str
    at: str


class DeviceMessage(Message):
    """How a device is, since when, and what it waits for."""

    state: DeviceState
    reason: str
    code: str
    since: str
    last_observation_at: str | None
    restarts: int
    driver: str
    facts: dict[str, str | int | float | bool]


class DeviceBirth(Message):
    """A device in the birth message."""

    name: str
    driver: str
    model: str | None


class KeyBody(Message):
    """The public part of the appliance's key; `kid` is its fingerprint, to be pinned and not to be believed."""

    alg: Literal["EdDSA"] = "EdDSA"
    kid: Digest
    pem: str


class Birth(Message):
    """What this appliance is: versions, ledger, configuration, devices, models, the key that it signs with."""

    software: str
    contract: str
    session: str
    ledger_id: str
    seq_start: int
    config_sha256: str
    site: str
    lane: str
    edge: str
    stream: str
    devices: tuple[DeviceBirth, ...]
    models: tuple[ModelBody, ...]
    key: KeyBody | None = Absent
    clock: ClockBody
    notices: tuple[str, ...]
    at: str


class DriftBody(Message):
    """How a device's last scans compare with the bags its thresholds were calibrated on; rates are parts of one.

    `unknown`: not calibrated here, or too few scans yet. `psi` is the population stability index of the scores;
    `alarm_limits` are what chance allows around `expected_alarm_rate`.
    """

    state: Literal["ok", "watch", "drifted", "unknown"]
    reason: str
    scans: int
    psi: float | None
    alarm_rate: float | None
    expected_alarm_rate: float | None
    alarm_limits: tuple[float, float] | None
    calibrated_at: str | None


class AssuranceBody(Message):
    """A device's last detection trials: simulated threats in copies of clear scans; never hits.

    `rate` is how many of `trials` alarmed, `interval` Wilson's 95 % interval of it, `missed` the misses by threat.
    """

    trials: int
    detected: int
    rate: float | None
    interval: tuple[float, float]
    last_at: str | None
    missed: dict[str, int]
    problem: str


class CertificateBody(Message):
    """The certificate that ends first, of those that the connection to the broker needs."""

    file: str
    subject: str
    not_after: str
    days_left: float
    state: Literal["ok", "soon", "expired"]


class ModelServerBody(Message):
    """The inference server as it judges for one model: `fell_back` counts pictures that the local graph took over.

    `checking`: not proven yet; `away`: not there, or too late; `refused`: there, and its answers are not the model's.
    """

    state: Literal["checking", "trusted", "away", "refused"]
    reason: str
    since: str
    served: int
    fell_back: int
    p50_ms: float | None
    p99_ms: float | None


class TargetsBody(Message):
    """The target list: whether one is in force, until when, and why the last one was refused."""

    state: Literal["none", "in_force", "expired"]
    version: int | None
    entries: int
    expires_at: str | None
    matched: int
    problem: str


class PageBody(Message):
    """The technician's page: whether it is served, where, and why not."""

    state: Literal["up", "down", "off"]
    address: str
    reason: str


class Health(Message):
    """How the appliance fares: what waits, what was dropped, how fast it judges, what room is left."""

    at: str
    oldest_unsent_hit_s: float
    queued: dict[str, int]
    outbox_bytes: int
    dropped: dict[str, int]
    set_aside: int
    storage: Literal["ok", "reserve", "full", "failing"]
    storage_reason: str
    used_bytes: int
    quota_bytes: int
    disk_free_bytes: int
    written_bytes: int
    written_bytes_per_day: int
    devices: dict[str, DeviceState]
    judged: int
    overloaded: int
    model_p50_ms: float | None
    model_p99_ms: float | None
    drift: dict[str, DriftBody] = Field(default={})
    assurance: dict[str, AssuranceBody] = Field(default={})
    calibration_age_h: dict[str, int] = Field(default={})
    model_server: dict[str, ModelServerBody] = Field(default={})
    blind: bool
    blind_reason: str
    targets: TargetsBody | None = Absent
    certificate: CertificateBody | None = Absent
    page: PageBody | None = Absent
    rss_bytes: int
    clock: ClockBody
    client_id_conflicts: int
    uptime_s: float


class Audit(Message):
    """Who asked for what, and what became of it; what the box did by itself that a person must know."""

    at: str
    what: str
    by: str
    outcome: str
    detail: str


class Reply(Message):
    """The answer to a command or a disposition (whose `disposition_id` is then its transaction).

    `accepted` is followed by `done` or `failed`; `result` has what a program reads, `detail` what a person does.
    """

    transaction: str
    status: Literal["done", "accepted", "failed", "rejected", "expired"]
    code: str
    detail: str
    disposition_id: str | None = Absent
    hit_id: str | None = Absent
    result: dict[str, Any] | None = Absent
    at: str
