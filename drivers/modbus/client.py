"""The one module that touches pymodbus: one connection, requests with a deadline, and our own errors.

pymodbus renames its interface in minor versions, reconnects on its own terms, and says why a connection failed only in
its log; here is where that ends. Reconnecting is the caller's business: a request that is not answered in time ends the
connection, so that its late answer, or the second half of one, cannot be taken for the answer to the next.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException
from pymodbus.pdu import ExceptionResponse, ModbusPDU

from drivers.errors import DeviceRefused, LinkDenied, LinkError, LinkLost, LinkTimeout, LinkUntrusted, ProtocolError
from drivers.mends import tls_mend
from drivers.modbus.points import Table

T = TypeVar("T")

# What it would log is said by the exceptions below, once, and not on every retry.
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)

#: Exception codes (Modbus Application Protocol 1.1b3, section 7): what they mean, and the mend.
_EXCEPTIONS = {
    1: "illegal function: the device does not have this table",
    2: "illegal address: the device has no such registers; compare address and table with its manual",
    3: "illegal value: the device refuses to give so many registers at once",
    4: "device failure: the device reports a fault of its own",
    5: "acknowledge: the device needs longer; raise poll_ms",
    6: "busy: the device has no time; raise poll_ms",
    8: "memory parity error: the device reports a fault of its own",
    10: "gateway path unavailable: the gateway does not reach this unit; check unit",
    11: "gateway target does not respond: nothing answers behind the gateway; check unit, wiring and power",
}
#: Those by which a gateway says that the unit is not there; some stacks say 4 to a unit that they do not have.
NO_SUCH_UNIT = (4, 10, 11)


class ExceptionReply(DeviceRefused):
    """The device answered with a Modbus exception; `number` is its code."""

    def __init__(self, what: str, number: int) -> None:
        super().__init__(f"{what}: exception {number}, {_EXCEPTIONS.get(number, 'unknown')}")
        self.number = number


class UnitLink(Protocol):
    """The way to one unit, over whatever wire; `doubts` rises whenever an answer may be another request's."""

    doubts: int

    async def connect(self) -> None:
        """Connect afresh; raises LinkError."""

    def close(self) -> None:
        """End it; safe to call at any time."""

    async def read(self, table: Table, start: int, count: int) -> list[int]:
        """Return `count` values of a table (bits as 0 and 1) from `start` on.

        Raises ExceptionReply where the device says no, LinkTimeout where it says nothing, ProtocolError where it says
        something else, LinkLost where the wire is gone.
        """

    async def write(self, table: Table, address: int, value: int) -> None:
        """Write one coil or holding register; raises as `read` does."""

    async def identity(self) -> dict[str, str]:
        """Return what the device says of itself (vendor, product, revision); empty where it does not have that."""


class ModbusLink:
    """One Modbus/TCP connection, with TLS where `tls` is given, to one unit; see `UnitLink`.

    Connects when first used, and again when used after `close`. What is not answered in time ends the connection.
    """

    def __init__(self, host: str, port: int, unit: int, timeout_s: float, tls: ssl.SSLContext | None = None) -> None:
        self.doubts = 0
        self._tls = tls
        self._host = host
        self._port = port
        self._unit = unit
        self._timeout_s = timeout_s
        self._client: AsyncModbusTcpClient | None = None
        self._failure: OSError | None = None
        self._wire: asyncio.Transport | None = None

    async def connect(self) -> None:
        """Connect afresh; raises LinkLost, LinkTimeout or LinkDenied."""
        self.close()
        client = self._make()
        create = client.ctx.call_create

        async def create_and_tell() -> Any:
            try:
                made = await create()
                self._wire = made[0]
                return made
            except OSError as error:
                self._failure = error
                raise

        client.ctx.call_create = create_and_tell
        self._failure = None
        self._client = client
        try:
            async with asyncio.timeout(self._timeout_s):
                connected = await _cancellable(client.connect())
        except TimeoutError:
            self.close()
            raise LinkTimeout(
                f"{self._where}: no connection within {self._timeout_s:g} s; power, cable, address?"
            ) from None
        if not connected:
            self.close()
            raise self._why_not()

    def _make(self) -> AsyncModbusTcpClient:
        # Our deadline comes first; pymodbus's own only backs it up.
        given: dict[str, Any] = {
            "port": self._port,
            "timeout": 2 * self._timeout_s,
            "retries": 0,
            "reconnect_delay": 0,
            "trace_connect": self._on_connection,
        }
        client = AsyncModbusTcpClient(self._host, **given)
        if self._tls:
            # pymodbus's own TLS client takes whatever came for a whole frame; the frames of plain TCP have a length.
            client.ctx.call_create = partial(
                asyncio.get_running_loop().create_connection,
                client.ctx.handle_new_connection,
                self._host,
                self._port,
                ssl=self._tls,
            )
        return client

    def close(self) -> None:
        """End the connection; safe to call at any time."""
        client, self._client = self._client, None
        wire, self._wire = self._wire, None
        if client:
            client.close()
        if self._tls and wire:
            wire.abort()  # a goodbye in TLS waits half a minute for the other's, and keeps a connection of the device's

    async def read(self, table: Table, start: int, count: int) -> list[int]:
        """See `UnitLink.read`."""
        if self._client is None:
            await self.connect()
        client = self._client
        assert client is not None
        what = f"{self._where}: reading {count} of {table} from {start}"
        requests: dict[Table, Callable[..., Awaitable[ModbusPDU]]] = {
            Table.HOLDING: client.read_holding_registers,
            Table.INPUT: client.read_input_registers,
            Table.COIL: client.read_coils,
            Table.DISCRETE: client.read_discrete_inputs,
        }
        reply = await self._ask(what, lambda: requests[table](start, count=count, device_id=self._unit))
        values: list[int] = [int(bit) for bit in reply.bits[:count]] if table.of_bits else list(reply.registers)
        if len(values) != count:
            self.close()
            raise ProtocolError(f"{what}: {len(values)} came")
        return values

    async def write(self, table: Table, address: int, value: int) -> None:
        """See `UnitLink.write`."""
        if self._client is None:
            await self.connect()
        client = self._client
        assert client is not None
        what = f"{self._where}: writing {value} to {table} {address}"
        if table.of_bits:
            await self._ask(what, lambda: client.write_coil(address, bool(value), device_id=self._unit))
        else:
            await self._ask(what, lambda: client.write_register(address, value, device_id=self._unit))

    async def identity(self) -> dict[str, str]:
        """See `UnitLink.identity`."""
        if self._client is None:
            await self.connect()
        client = self._client
        assert client is not None
        try:
            reply = await self._ask(
                f"{self._where}: asking for identity", lambda: client.read_device_information(device_id=self._unit)
            )
        except (ExceptionReply, LinkTimeout, ProtocolError):
            return {}
        names = {0: "vendor", 1: "product", 2: "revision"}
        information: dict[int, Any] = getattr(reply, "information", {})
        return {names[key]: _text(value) for key, value in information.items() if key in names}

    @property
    def _where(self) -> str:
        return f"{self._host}:{self._port} unit {self._unit}"

    async def _ask(self, what: str, request: Callable[[], Awaitable[ModbusPDU]]) -> ModbusPDU:
        try:
            async with asyncio.timeout(self._timeout_s):
                reply = await _cancellable(request())
        except TimeoutError:
            self.close()
            raise LinkTimeout(f"{what}: no answer within {self._timeout_s:g} s") from None
        except ConnectionException:
            self.close()
            raise LinkLost(f"{what}: the device closed the connection") from None
        except ModbusException as error:
            self.close()
            raise ProtocolError(f"{what}: {error}") from None
        if isinstance(reply, ExceptionResponse):
            raise ExceptionReply(what, reply.exception_code)
        return reply

    def _on_connection(self, connected: bool) -> None:
        """Wake the request under way when the connection ends; pymodbus would let it wait for its deadline."""
        client = self._client
        if not connected and client and not client.ctx.response_future.done():
            client.ctx.response_future.set_exception(ConnectionException("connection ended"))

    def _why_not(self) -> LinkError:
        error = self._failure
        if error is None:
            return LinkTimeout(f"{self._where}: no connection within {self._timeout_s:g} s; power, cable, address?")
        if isinstance(error, ssl.SSLError):
            said = getattr(error, "verify_message", "") or error.reason or str(error)
            return LinkUntrusted(f"{self._where}: no TLS: {said}", tls_mend(error))
        text = (
            f"{self._where}: {os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or error}"
        )
        if error.errno in (errno.EACCES, errno.EPERM):
            return LinkDenied(f"{text}; a firewall or sandbox of this machine forbids it")
        if error.errno == errno.ECONNREFUSED:
            return LinkLost(
                f"{text}; the machine is there, but no Modbus server on this port, or it has no connection left"
            )
        return LinkLost(f"{text}; power, cable, address?")


async def _cancellable(work: Awaitable[T]) -> T:
    """Await something of pymodbus; a cancellation that it swallows is raised after all.

    It waits with asyncio.wait_for, which before Python 3.12 forgets one that comes together with the answer.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    result = await work
    if task and task.cancelling() > before:
        raise asyncio.CancelledError
    return result


def _text(value: Any) -> str:
    return value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)


def tls_context(ca_file: Path, cert_file: Path | None, key_file: Path | None) -> ssl.SSLContext:
    """Return a context that trusts a device only where `ca_file` vouches for it and for the name it is called by.

    Modbus/TCP Security (MB-TCP-Security-v21, 5.3): TLS 1.2 at least, the client's certificate where one is asked for.
    Raises LinkUntrusted for files that are no certificates or keys, or do not belong together.
    """
    try:
        context = ssl.create_default_context(cafile=str(ca_file))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if cert_file and key_file:
            context.load_cert_chain(cert_file, key_file)
    except (OSError, ssl.SSLError) as error:
        named = ", ".join(str(file) for file in (ca_file, cert_file, key_file) if file)
        raise LinkUntrusted(f"{named}: not usable for TLS: {error}", tls_mend(error)) from None
    return context
