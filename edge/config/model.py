"""Every key of `edge.toml` and of a device file, with its default, its limits and what it means."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from drivers.contract import Settings, Severity
from edge.config.lane import LaneToml, TeamsToml
from edge.config.users import USERS_FILE

NAME = r"^[a-z0-9][a-z0-9-]*$"
DEVICE_NAME = r"^[a-z0-9][a-z0-9_-]*$"
Name = Annotated[str, Field(pattern=NAME, max_length=63)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Appliance(_Section):
    """Which appliance this is, and where it keeps what it must not lose."""

    site: Name = Field(examples=["lfw"], description="the airport or post office, as the console knows it")
    lane: Name = Field(examples=["t1-l3"], description="the screening lane")
    id: Name = Field(examples=["edge-01"], description="this appliance, unique in the site")
    stream: Literal["passenger", "cargo", "post"] = Field(default="passenger", description="what the lane screens")
    data_dir: Path = Field(
        examples=["/var/lib/jaitf-edge"], description="ledger, evidence and device state; a folder of its own"
    )


class Console(_Section):
    """The way to the task force's console."""

    url: str = Field(
        examples=["mqtts://broker.example:8883"],
        pattern=r"^mqtts?://[^/\s]+$",
        description="mqtts://HOST:PORT, or mqtt://HOST:PORT on loopback",
    )
    root: str = Field(default="jaitf", pattern=r"^[^+#/\s][^+#\s]*$", description="first part of every topic")
    ca_file: Path | None = Field(
        default=None, examples=["ca.pem"], description="certificates that may vouch for the broker (PEM)"
    )
    cert_file: Path | None = Field(
        default=None, examples=["edge.pem"], description="this appliance's certificate (PEM)"
    )
    key_file: Path | None = Field(default=None, examples=["edge.key"], description="its key (PEM)")
    username: str | None = Field(default=None, examples=["edge-01"], description="for a broker that asks for one")
    password_file: Path | None = Field(
        default=None,
        examples=["console.password"],
        description="file with the password; the password itself is never here",
    )
    insecure: bool = Field(default=False, description="allow mqtt:// beyond loopback: hits then travel in clear text")
    command_keys_file: Path | None = Field(
        default=None,
        examples=["console-keys.pem"],
        description="public keys (PEM, Ed25519); commands must then be signed by one of them",
    )
    receipts: bool = Field(
        default=True, description="the console sends receipts; false: the broker's PUBACK ends a hit's way"
    )
    evidence_bytes_per_s: int = Field(
        default=1_000_000, ge=1000, description="most bytes a second of evidence that the console has asked for"
    )
    backlog_per_s: float = Field(default=0, ge=0, description="most backlog hits a second after an outage; 0: no limit")


class Inference(_Section):
    """How pictures are judged."""

    threads: int = Field(default=0, ge=0, le=256, description="threads of ONNX Runtime; 0: as many as cores")
    max_waiting: int = Field(
        default=16,
        ge=1,
        le=1024,
        description="scans that may wait for the model; beyond it the oldest is unknown: overloaded",
    )
    model_keys_file: Path | None = Field(
        default=None,
        examples=["model-keys.pem"],
        description="public keys (PEM, Ed25519); a package that did not come with the appliance must be signed by one",
    )
    assurance_per_hour: float = Field(
        default=0,
        ge=0,
        le=60,
        description="simulated threats put into copies of clear scans, an hour and device, to see that they alarm;"
        " 0: none",
    )
    server: str | None = Field(
        default=None,
        pattern=r"^(https?|grpcs?)://[^\s]+$",
        examples=["grpcs://inference.example:8001"],
        description="an Open Inference Protocol (KServe V2) server that runs the graphs: http://, https://, grpc:// or"
        " grpcs://HOST:PORT; the local graph judges while it does not answer",
    )
    server_model: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        examples=["baggage"],
        description="the model's name on the server; else each package's own name",
    )
    server_timeout_ms: int = Field(
        default=1000, ge=10, le=10_000, description="how long the server may take for one picture's tensor"
    )
    server_ca_file: Path | None = Field(
        default=None, examples=["inference-ca.pem"], description="certificates that may vouch for the server (PEM)"
    )
    server_token_file: Path | None = Field(
        default=None, examples=["inference.token"], description="file with a bearer token that the server asks for"
    )
    server_insecure: bool = Field(
        default=False, description="allow http:// and grpc:// beyond loopback: pictures then travel in clear text"
    )


class Storage(_Section):
    """How much is kept, and for how long."""

    quota_bytes: int = Field(default=20_000_000_000, ge=50_000_000, description="most bytes under data_dir")
    keep_days: float = Field(
        default=30, gt=0, le=36_500, description="received and unconfirmed evidence is purged after this"
    )


class Web(_Section):
    """The technician's page."""

    listen: str = Field(
        default="127.0.0.1:8088", pattern=r"^(.+:\d{1,5})?$", description='HOST:PORT; "": there is no page'
    )
    cert_file: Path | None = Field(
        default=None,
        examples=["page.pem"],
        description="the page's certificate (PEM), for https; beyond loopback it must have one",
    )
    key_file: Path | None = Field(default=None, examples=["page.key"], description="its key (PEM)")
    users_file: Path = Field(
        default=Path(USERS_FILE),
        description="who may sign in; `jaitf-edge web adduser` writes it. Without it whoever is at this machine may",
    )
    names: tuple[str, ...] = Field(
        default=(),
        examples=[["lane-3.example"]],
        description="names by which browsers find the page, beside this machine's and its certificate's",
    )


class SignalKind(StrEnum):
    """What a signal is."""

    LAMP = "lamp"
    BUZZER = "buzzer"
    DIVERT = "divert"


class FailSafe(StrEnum):
    """What an output shows when the appliance stops."""

    OFF = "off"
    ON = "on"
    KEEP = "keep"


class SignalToml(_Section):
    """A lamp, buzzer or contact at the lane that hits switch on; never for a hit that only the console may know."""

    name: Name = Field(examples=["lamp"], description="what the signal is called")
    kind: SignalKind = Field(default=SignalKind.LAMP, description="a divert needs authorised_by, and on what")
    device: str = Field(examples=["io-1"], description="the device whose output it is")
    output: str = Field(examples=["lamp"], description="the output: of a modbus device a point with writable = true")
    severities: tuple[Severity, ...] = Field(default=(), description="of hits of these severities; none: of all")
    devices: tuple[str, ...] = Field(default=(), description="of hits of these devices; none: of all")
    labels: tuple[str, ...] = Field(default=(), description="of hits with one of these labels; none: of all")
    seconds: float = Field(default=10, gt=0, le=3600, description="how long; a further hit begins it anew")
    fail_safe: FailSafe = Field(default=FailSafe.OFF, description="what the output shows when the appliance stops")
    authorised_by: str | None = Field(
        default=None,
        min_length=3,
        max_length=120,
        examples=["OC lane 3, order 12/2026"],
        description="who authorised a divert, by name or post",
    )

    @model_validator(mode="after")
    def _no_divert_by_itself(self) -> SignalToml:
        divert = self.kind is SignalKind.DIVERT
        if divert and (self.authorised_by is None or not (self.severities or self.labels)):
            raise ValueError("a divert needs authorised_by, and severities or labels: it is never asked for by default")
        return self


class EdgeToml(_Section):
    """The whole of `edge.toml`."""

    appliance: Appliance
    console: Console
    inference: Inference = Inference()
    storage: Storage = Storage()
    web: Web = Web()
    lane: LaneToml = LaneToml()
    signals: tuple[SignalToml, ...] = Field(default=(), max_length=32)


class DeviceToml(_Section):
    """The whole of one file under `devices/`; the driver's own settings are validated by the driver's class."""

    driver: str = Field(description="which driver; `jaitf-edge drivers` lists them")
    model: str | None = Field(default=None, description="a model package, for devices that give pictures")
    enabled: bool = Field(default=True, description="false: the device is known but not started")
    memory_bytes: int = Field(
        default=768 * 1024 * 1024, ge=64 * 1024 * 1024, description="most memory of the device's process"
    )
    settings: dict[str, Any] = {}


class DeviceConfig(BaseModel):
    """A device as configured: its name (the file's), its file, and its driver's settings, validated."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    name: str
    file: Path
    driver: str
    model: str | None
    enabled: bool
    memory_bytes: int
    settings: Settings


class Config(BaseModel):
    """The whole configuration, validated; `digest` is the SHA-256 of its files.

    `page_off` is what is wrong with `[web]`, where something is: the page is then not served, whatever it says.
    """

    model_config = ConfigDict(frozen=True)

    folder: Path
    digest: str
    appliance: Appliance
    console: Console
    inference: Inference
    storage: Storage
    web: Web
    page_off: str = ""
    lane: LaneToml
    signals: tuple[SignalToml, ...]
    teams: TeamsToml
    devices: tuple[DeviceConfig, ...]
