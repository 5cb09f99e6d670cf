"""A server, and a port for the driver on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakeport import FakePort
from tests.unit.drivers.modbus.served import Unit, serving


@pytest.fixture
async def unit() -> AsyncIterator[Unit]:
    async with serving(Unit(dict.fromkeys(range(10), 0))) as one:
        yield one


@pytest.fixture
def port(tmp_path: Path) -> FakePort:
    return FakePort(state_dir=tmp_path)
