"""Drivers that exist only here, so that these tests do not hang on what the real ones are called."""

from typing import Literal

import pytest
from pydantic import Field, model_validator

from drivers import registry
from drivers.contract import DriverInfo, Settings

EDGE = """\
[appliance]
site = "lfw"
lane = "t1-l3"
id = "edge-01"
data_dir = "/var/lib/jaitf-edge"

[console]
url = "mqtt://127.0.0.1:1883"
"""


class ScannerSettings(Settings):
    listen: str = Field(default="0.0.0.0:104", pattern=r"^.+:\d{1,5}$", description="HOST:PORT to listen on")
    ae_title: str = Field(default="EDGE", max_length=16, description="our name")


class Point(Settings):
    name: str = Field(description="its label")
    table: Literal["holding", "input", "coil"] = "holding"
    address: int = Field(ge=0, le=65535, description="register")
    scale: float | str = 1.0


class MeterSettings(Settings):
    url: str = Field(description="tcp://HOST:PORT")
    unit: int = Field(default=1, ge=0, le=255)
    poll_ms: int = 20
    points: tuple[Point, ...] = ()

    @model_validator(mode="after")
    def some_points(self):
        if not self.points:
            raise ValueError("needs points")
        return self


@pytest.fixture(autouse=True)
def fake_drivers(monkeypatch):
    infos = {
        "scanner": DriverInfo("scanner", "a scanner", "", "", True, ""),
        "meter": DriverInfo("meter", "a meter", "", "", False, ""),
    }
    classes = {"scanner": ScannerSettings, "meter": MeterSettings}
    monkeypatch.setattr(registry, "available", lambda: infos)
    monkeypatch.setattr(registry, "settings_class", lambda info: classes[info.name])
    monkeypatch.setattr("inference.package.built_in", lambda: ["baggage"])


@pytest.fixture
def folder(tmp_path):
    """Write a configuration: `folder(edge, xray="...")`; text or bytes."""

    def write(edge=EDGE, /, **devices):
        files = {"edge.toml": edge, **{f"devices/{name}.toml": text for name, text in devices.items()}}
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            if text is not None:
                path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path

    return write
