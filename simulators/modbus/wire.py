"""The simulated device's wire: a Modbus server by pymodbus (TCP, TLS, RTU), which can also be made to misbehave."""

from __future__ import annotations

import asyncio
import os
import ssl
import tty
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pymodbus.constants import ExcCodes
from pymodbus.framer import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer, ModbusTlsServer
from pymodbus.simulator import DataType, SimData, SimDevice

from simulators.modbus.model import Model

_READ_DISCRETE, _READ_HOLDING, _READ_INPUT = 2, 3, 4


@dataclass(frozen=True, slots=True)
class Faults:
    """Every so many requests (0: never) the device is busy, answers late, or cuts the connection."""

    busy_every: int = 0
    hang_every: int = 0
    hang_s: float = 5.0
    drop_every: int = 0


class Server:
    """Serves one simulated device until closed. `coils` is what has been written to its coils."""

    def __init__(self, model: Model, unit: int, faults: Faults, now: Callable[[], float]) -> None:
        self._model = model
        self._unit = unit
        self._faults = faults
        self._now = now
        self._start = now()
        self._server: ModbusTcpServer | ModbusSerialServer | None = None
        self._cable: _Cable | None = None
        self.requests = 0
        self.coils: dict[int, bool] = {}

    async def listen(self, host: str, port: int, tls: ssl.SSLContext | None = None, *, rtu: bool = False) -> int:
        """Begin to serve and return the port, which the system chooses where 0 is given. Raises OSError.

        `rtu`: RTU frames over the connection, as behind a terminal server.
        """
        if tls:
            server = ModbusTlsServer(self._device(), address=(host, port), sslctx=tls)
        else:
            framer = FramerType.RTU if rtu else FramerType.SOCKET
            server = ModbusTcpServer(self._device(), framer=framer, address=(host, port))
        if not await server.listen():
            raise OSError(f"cannot listen on {host}:{port}: the address is in use, or not this machine's")
        self._server = server
        bound: int = server.transport.sockets[0].getsockname()[1]
        return bound

    async def listen_on(self, path: Path) -> None:
        """Serve RTU on a pseudo-terminal that is linked at `path`. Raises OSError."""
        self._cable = _Cable(path)
        server = ModbusSerialServer(
            self._device(),
            framer=FramerType.RTU,
            port=self._cable.far,
            baudrate=115_200,
            ignore_missing_devices=True,  # a word for another unit of the line
        )
        if not await server.listen():
            raise OSError(f"cannot serve on {path}")
        self._server = server

    async def close(self) -> None:
        """Stop serving and end every connection; safe to call twice."""
        server, self._server = self._server, None
        if server:
            await server.shutdown()
        if self._cable:
            self._cable.close()
            self._cable = None

    def _device(self) -> SimDevice:
        image = self._model.at(0)
        bits, words = DataType.BITS, DataType.REGISTERS
        kept = [SimData(run.start, values=[0] * len(run), datatype=words) for run in [self._model.kept] if run]
        return SimDevice(
            id=self._unit,
            simdata=(
                [SimData(0, values=[False] * (self._model.coils or 1), datatype=bits)],
                [SimData(0, values=[False] * (len(image.discrete) or 1), datatype=bits, readonly=True)],
                [*_ranges(image.holding), *kept],
                list(_ranges(image.input)),
            ),
            action=self._act,
        )

    async def _act(
        self,
        function: int,
        start: int,
        address: int,
        _count: int,
        current: list[int],
        written: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Bring the registers up to date before a request is answered; misbehave where it is time to."""
        self.requests += 1
        if self._due(self._faults.drop_every):
            asyncio.get_running_loop().call_soon(self._drop)
        if self._due(self._faults.busy_every):
            return ExcCodes.DEVICE_BUSY
        if self._due(self._faults.hang_every):
            await asyncio.sleep(self._faults.hang_s)
        image = self._model.at(self._now() - self._start)
        if function in (_READ_HOLDING, _READ_INPUT):
            _show(image.holding if function == _READ_HOLDING else image.input, start, current)
        elif function == _READ_DISCRETE:
            current[0] = sum(bit << i for i, bit in image.discrete.items())
        elif written and function in (5, 15):
            self.coils |= {address + i: bool(bit) for i, bit in enumerate(written)}
        return None

    def _due(self, every: int) -> bool:
        return every > 0 and self.requests % every == 0

    def _drop(self) -> None:
        if self._server:
            for connection in list(self._server.active_connections.values()):
                connection.close()


def _show(values: Mapping[int, int], start: int, current: list[int]) -> None:
    for address, value in values.items():
        if 0 <= address - start < len(current):
            current[address - start] = value


def _ranges(values: Mapping[int, int]) -> Iterator[SimData]:
    """Return the runs of neighbouring addresses; a table that the device does not have holds one register."""
    run: list[int] = []
    for address in sorted(values) or [0]:
        if run and address != run[-1] + 1:
            yield _registers(run)
            run = []
        run.append(address)
    yield _registers(run)


def _registers(addresses: Iterable[int]) -> SimData:
    run = list(addresses)
    return SimData(run[0], values=[0] * len(run), datatype=DataType.REGISTERS, readonly=True)


class _Cable:
    """Two pseudo-terminals with their masters joined: `far` is the server's end, `path` is linked to the other."""

    def __init__(self, path: Path) -> None:
        self._loop = asyncio.get_running_loop()
        self._path = path
        ends = [os.openpty() for _ in range(2)]
        self._files = [file for end in ends for file in end]
        # The slaves stay open here too: else the line hangs up whenever one side closes it.
        for master, slave in ends:
            tty.setraw(slave)
            os.set_blocking(master, False)
        (one, self.far_slave), (other, near) = ends
        self._masters = one, other
        self._loop.add_reader(one, self._carry, one, other)
        self._loop.add_reader(other, self._carry, other, one)
        path.unlink(missing_ok=True)
        path.symlink_to(os.ttyname(near))

    @property
    def far(self) -> str:
        """The path of the server's end."""
        return os.ttyname(self.far_slave)

    def _carry(self, source: int, sink: int) -> None:
        with suppress(OSError):  # nobody reads: a wire's bytes would be lost too
            os.write(sink, os.read(source, 4096))

    def close(self) -> None:
        for master in self._masters:
            self._loop.remove_reader(master)
        # Before its number is free, and some other process's terminal has it.
        self._path.unlink(missing_ok=True)
        for file in self._files:
            os.close(file)


def server_tls(cert_file: Path, key_file: Path, ca_file: Path | None = None) -> ssl.SSLContext:
    """Return a server's context; with `ca_file` clients must bring a certificate that it vouches for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert_file, key_file)
    if ca_file:
        context.load_verify_locations(ca_file)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
