"""A folder that is exported to, a port, and a driver that waits for nothing long."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.folder import intake, watch
from tests.fakeport import FakePort


@pytest.fixture
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "GATHER_MS", 40)
    monkeypatch.setattr(watch, "STEP_MS", 20)
    monkeypatch.setattr(watch, "END_MS", 100)
    monkeypatch.setattr(intake, "CUT_SHORT_S", 0.3)
    monkeypatch.setattr(intake, "CHECK_S", 0.1)
    monkeypatch.setattr(intake, "IN_USE_S", 0.05)
    monkeypatch.setattr(intake, "REFUSED_S", 0.05)


@pytest.fixture
def export(tmp_path: Path) -> Path:
    folder = tmp_path / "export"
    folder.mkdir()
    return folder


@pytest.fixture
def port(tmp_path: Path) -> FakePort:
    return FakePort(state_dir=tmp_path / "state")
