"""A scanner that stores pictures in DICOM's dialect, and a body scanner that stores its reports in DICOS's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from io import BytesIO
from struct import pack
from typing import Any

import numpy as np

from drivers.conformance.case import Case, Silence
from drivers.contract import Observation, Reading, Scan
from drivers.dicos.codec import file_meta
from drivers.dicos.dialect import DICOS_V03
from drivers.dicos.pdu import DICOM_DIALECT
from drivers.dicos.uids import DX_FOR_PROCESSING, TDR
from simulators.bodyscanner.model import PLACES, BodyScanner
from simulators.bodyscanner.wire import report
from simulators.dicomwire import Scanner, associate_rq
from simulators.dicosfiles import made

ANSWER_S = 3.0
AGAIN_S = 0.05
ZONES = {words: zone for words, (_, zone) in PLACES.items()}


def picture(number: int) -> bytes:
    """Return a small picture that says its number in each value and in its identifier."""
    values = np.full((8, 12), number % 60_000, np.uint16)
    file = made(values, SOPInstanceUID=f"1.2.3.{number}", StudyInstanceUID=f"1.2.4.{number}")
    return file[file_meta(file)[1] :]


def half(number: int) -> bytes:
    """One energy of a scan, low and high in turn, that says its number."""
    values = np.full((8, 12), number % 60_000, np.uint16)
    kind = "HIGH ENERGY" if number % 2 else "LOW ENERGY"
    told = {"SOPInstanceUID": f"1.2.3.{number}", "StudyInstanceUID": f"1.2.4.{number // 2}"}
    file = made(values, ImageType=["ORIGINAL", kind], **told)
    return file[file_meta(file)[1] :]


class _Passages:
    """Reports on passages, each the same however often it is asked for."""

    def __init__(self) -> None:
        self._people = BodyScanner(seed=5, alarm_rate=0.5)
        self._sent: dict[int, bytes] = {}

    def __call__(self, number: int) -> bytes:
        if number not in self._sent:
            buffer = BytesIO()
            report(self._people.next()).save_as(buffer, enforce_file_format=True)
            data = buffer.getvalue()
            self._sent = {number: data[file_meta(data)[1] :]}
        return self._sent[number]


async def _store(port: int, sop_class: str, dialect: str, make: Callable[[int], bytes]) -> None:
    """Store one object after the other for ever; what is refused or unanswered is stored again, as scanners do."""
    number = 1
    while True:
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, AssertionError, ValueError):
            async with Scanner.connected(port) as scanner:
                scanner.writer.write(associate_rq(sop_class, application=dialect))
                kind, _ = await scanner.pdu(ANSWER_S)
                assert kind == 2
                while True:
                    async with asyncio.timeout(ANSWER_S):
                        status = await scanner.store(sop_class, make(number))
                    number += status == 0
                    await asyncio.sleep(0.01)
        await asyncio.sleep(AGAIN_S)


@asynccontextmanager
async def dial(
    port: int, sop_class: str, dialect: str, maker: Callable[[], Callable[[int], bytes]]
) -> AsyncIterator[None]:
    task = asyncio.create_task(_store(port, sop_class, dialect, maker()))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def settings(where: str) -> dict[str, Any]:
    return {"listen": where.removeprefix("tcp://"), "answer_s": 2, "idle_s": 3}


def settings_of_body(where: str) -> dict[str, Any]:
    return {**settings(where), "zones": ZONES}


def settings_of_pairs(where: str) -> dict[str, Any]:
    return {**settings(where), "dual_energy": True, "join_s": 1}


def is_pair(observation: Observation) -> bool:
    """Both energies of one scan, each with its own number in every value."""
    return is_part(observation) and isinstance(observation, Scan) and len(observation.pictures) == 2


def is_part(observation: Observation) -> bool:
    """As much of one scan as came, which says so where it is not all."""
    if not isinstance(observation, Scan) or observation.problem or not observation.scan_id:
        return False
    first = int(observation.scan_id.rpartition(".")[2]) * 2
    values = [int.from_bytes(bytes(picture.data[:2]), "little") for picture in observation.pictures]
    alike = all(bytes(p.data) == bytes(p.data[:2]) * 96 for p in observation.pictures)
    whole = values == [first % 60_000, (first + 1) % 60_000]
    part = len(values) == 1 and first % 60_000 <= values[0] <= (first + 1) % 60_000
    return alike and (whole or (part and observation.incomplete is not None))


def is_whole(observation: Observation) -> bool:
    """Say whether it is a picture whose every value is the number in its identifier."""
    if not isinstance(observation, Scan) or observation.problem or len(observation.pictures) != 1:
        return False
    number = int(observation.key.partition(":")[0].rpartition(".")[2])
    return bytes(observation.pictures[0].data) == pack("<H", number % 60_000) * 96


def is_passage(observation: Observation) -> bool:
    """Zones that there are for an alarm, none for anything else, and nothing of the person."""
    if not isinstance(observation, Reading) or observation.raw or observation.item.id:
        return False
    zones = {finding.zone for finding in observation.findings}
    alarm = observation.values["decision"] == "alarm"
    return alarm == bool(zones) and zones <= {f"dhs17:{zone}" for zone in ZONES.values()}


CASES = (
    Case(
        driver="dicos",
        settings=settings,
        dial=partial(dial, sop_class=DX_FOR_PROCESSING, dialect=DICOM_DIALECT, maker=lambda: picture),
        good=is_whole,
        silence=Silence.QUIET,
    ),
    Case(
        driver="dicos",
        name="pairs",
        settings=settings_of_pairs,
        dial=partial(dial, sop_class=DX_FOR_PROCESSING, dialect=DICOM_DIALECT, maker=lambda: half),
        good=is_pair,
        possible=is_part,
        silence=Silence.QUIET,
    ),
    Case(
        driver="dicos",
        name="body",
        settings=settings_of_body,
        dial=partial(dial, sop_class=TDR, dialect=DICOS_V03, maker=_Passages),
        good=is_passage,
        silence=Silence.QUIET,
    ),
)
