"""The simulated device's wire: a Modbus/TCP server by pymodbus, which can also be made to misbehave.

Holding and input registers 0 to 6 are the model's (read only), discrete inputs 0 to 7 are the contacts; holding
registers 100 to 131 and coils 0 to 15 keep what is written to them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from simulators.modbus.model import Device, registers

SCRATCH, SCRATCH_COUNT, COILS = 100, 32, 16
_READ_DISCRETE, _READ_HOLDING, _READ_INPUT = 2, 3, 4


@dataclass(frozen=True, slots=True)
class Faults:
    """Every so many requests (0: never) the device is busy, answers late, or cuts the connection."""

    busy_every: int = 0
    hang_every: int = 0
    hang_s: float = 5.0
    drop_every: int = 0


class Server:
    """Serves one simulated device until closed."""

    def __init__(self, device: Device, unit: int, faults: Faults, now: Callable[[], float]) -> None:
        self._device = device
        self._unit = unit
        self._faults = faults
        self._now = now
        self._start = now()
        self._server: ModbusTcpServer | None = None
        self.requests = 0

    async def listen(self, host: str, port: int) -> int:
        """Begin to serve and return the port, which the system chooses where 0 is given. Raises OSError."""
        count = len(registers(self._device.at(0)))
        device = SimDevice(
            id=self._unit,
            simdata=(
                [SimData(0, values=[False] * COILS, datatype=DataType.BITS)],
                [SimData(0, values=[False] * 8, datatype=DataType.BITS, readonly=True)],
                [
                    SimData(0, values=[0] * count, datatype=DataType.REGISTERS, readonly=True),
                    SimData(SCRATCH, values=[0] * SCRATCH_COUNT, datatype=DataType.REGISTERS),
                ],
                [SimData(0, values=[0] * count, datatype=DataType.REGISTERS, readonly=True)],
            ),
            action=self._act,
        )
        server = ModbusTcpServer(device, address=(host, port))
        if not await server.listen():
            raise OSError(f"cannot listen on {host}:{port}: the address is in use, or not this machine's")
        self._server = server
        bound: int = server.transport.sockets[0].getsockname()[1]
        return bound

    async def close(self) -> None:
        """Stop serving and end every connection; safe to call twice."""
        server, self._server = self._server, None
        if server:
            await server.shutdown()

    async def _act(
        self,
        function: int,
        start: int,
        _address: int,
        _count: int,
        current: list[int],
        _written: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Bring the registers up to date before a request is answered; misbehave where it is time to."""
        self.requests += 1
        if self._due(self._faults.drop_every):
            asyncio.get_running_loop().call_soon(self._drop)
        if self._due(self._faults.busy_every):
            return ExcCodes.DEVICE_BUSY
        if self._due(self._faults.hang_every):
            await asyncio.sleep(self._faults.hang_s)
        values = self._device.at(self._now() - self._start)
        if function in (_READ_HOLDING, _READ_INPUT):
            shown = registers(values)
            current[-start : len(shown) - start] = shown
        elif function == _READ_DISCRETE:
            current[0] = values.bits
        return None

    def _due(self, every: int) -> bool:
        return every > 0 and self.requests % every == 0

    def _drop(self) -> None:
        if self._server:
            for connection in list(self._server.active_connections.values()):
                connection.close()
