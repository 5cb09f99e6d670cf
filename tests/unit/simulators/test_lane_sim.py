"""Several simulated devices in one process: each on its port, and what is not one is said."""

import asyncio

import pytest
import typer

from drivers.ports import free_port
from simulators.lane.cli import KINDS, _parsed


@pytest.mark.parametrize("kind", KINDS)
async def test_each_kind_listens_and_stops(kind):
    free = free_port()  # nobody else's, once the device has gone
    name, host, port, device = _parsed(f"{kind} 127.0.0.1:{free}", 7)
    assert (name, host, port) == (kind, "127.0.0.1", free)
    bound = await device.listen(host, port)
    assert bound == free
    _, writer = await asyncio.open_connection("127.0.0.1", bound)
    writer.close()
    await writer.wait_closed()
    await device.close()
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", bound)


@pytest.mark.parametrize(
    "text", ["", "toaster 127.0.0.1:0", "rpm", "rpm 127.0.0.1", "rpm 127.0.0.1:x", "rpm 127.0.0.1:1 a", "portal :0 x=1"]
)
def test_what_is_no_device_is_said(text):
    with pytest.raises(typer.BadParameter):
        _parsed(text, 7)
