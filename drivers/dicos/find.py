"""Whether a DICOM machine is at an address, and who calls: a scanner is not polled, it stores by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification

from drivers.dicos import scu
from drivers.dicos.pdu import DICOM_DIALECT
from drivers.dicos.peer import Peer
from drivers.dicos.scp import SUCCESS, prepare_pynetdicom
from drivers.dicos.settings import DicosSettings
from drivers.errors import LinkBusy, LinkDenied, LinkLost
from drivers.finding import Attempt, Found, Kind, Miss, Place

PORTS = (104, 11112)
ANY_TITLE = "ANY-SCP"


def attempts(place: Place) -> Iterator[Attempt]:
    """List what to try; see `drivers.finding`."""
    if place.kind is Kind.HOST:
        for port in (place.port,) if place.port else PORTS:
            yield _attempt(Peer(DICOM_DIALECT, False, ANY_TITLE, place.where, port))


def _attempt(peer: Peer) -> Attempt:
    return Attempt(f"dicos, C-ECHO to port {peer.port}", 7.0, lambda _limit_s: _echo(peer))


async def _echo(peer: Peer) -> Found | Miss:
    settings = {"listen": "0.0.0.0:11112", "ae_title": "EDGE"}
    try:
        await asyncio.to_thread(scu.echo, peer, "EDGE")
    except scu.Rejected as error:
        return Found("dicos", settings, f"a DICOM machine that wants its own name: {error}")
    except LinkLost as error:
        return Miss(error.code, str(error))
    return Found("dicos", settings, f"a DICOM machine answers C-ECHO on port {peer.port}")


@dataclass(frozen=True, slots=True)
class Call:
    """Who called: its AE title and address, what it called us, and whether it only asked whether we are there."""

    calling: str
    called: str
    address: str
    echoed: bool


async def wait_for_call(settings: DicosSettings, deadline_s: float) -> Call | None:
    """Listen as the device will, and return who calls first, None where nobody does in time.

    C-ECHO is answered; nothing is stored: a scanner that stores finds no such service yet, and keeps its pictures.
    Raises LinkBusy, LinkDenied or LinkLost where the port cannot be listened on.
    """
    prepare_pynetdicom()
    loop = asyncio.get_running_loop()
    heard: asyncio.Future[Call] = loop.create_future()
    known: dict[int, Call] = {}

    def tell(call: Call) -> None:
        if not heard.done():
            heard.set_result(call)

    def requested(event: Any) -> None:
        asked = event.assoc.requestor
        titles = (str(asked.primitive.calling_ae_title).strip(), str(asked.primitive.called_ae_title).strip())
        known[id(event.assoc)] = Call(*titles, str(asked.address), False)

    def echoed(event: Any) -> int:
        call = known[id(event.assoc)]
        loop.call_soon_threadsafe(tell, Call(call.calling, call.called, call.address, True))
        return SUCCESS

    def ended(event: Any) -> None:
        if call := known.pop(id(event.assoc), None):
            loop.call_soon_threadsafe(tell, call)

    entity = AE(ae_title=settings.ae_title)
    entity.add_supported_context(Verification)
    handlers = [(evt.EVT_REQUESTED, requested), (evt.EVT_C_ECHO, echoed)]
    handlers += [(event, ended) for event in (evt.EVT_RELEASED, evt.EVT_ABORTED, evt.EVT_REJECTED)]
    try:
        server = entity.start_server((settings.host, settings.port), block=False, evt_handlers=handlers)
    except PermissionError as error:
        raise LinkDenied(f"{settings.listen}: {error.strerror}: ports below 1024 need a right of their own") from None
    except OSError as error:
        busy = LinkBusy if "in use" in str(error.strerror) else LinkLost
        raise busy(f"{settings.listen}: {error.strerror}") from None
    try:
        async with asyncio.timeout(deadline_s):
            return await heard
    except TimeoutError:
        return None
    finally:
        await asyncio.to_thread(server.shutdown)
