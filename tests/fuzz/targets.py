"""Everything that strangers' bytes reach: functions of bytes that may raise nothing but what they promise."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path

from pydantic import ValidationError

from drivers import wire
from drivers.clock import Stamp
from drivers.contract import Scan
from drivers.errors import ConfigError, ProtocolError
from edge.down import Command, Disposition, Receipt, Targets
from edge.signing import SealError, canonical

AT = Stamp(1_700_000_000_000_000_000, 1)


def child_wire(data: bytes) -> None:
    """The wire from a device's process."""
    for _ in wire.Decoder(1 << 20).feed(data):
        pass


def receipt(data: bytes) -> None:
    """What the console sends on `down/receipt`."""
    Receipt.model_validate_json(data)


def command(data: bytes) -> None:
    """What the console sends on `down/cmd/...`: the envelope, and what a signature would be over."""
    for read in (canonical, Command.model_validate_json):
        try:
            read(data)
        except (ValidationError, SealError):
            continue


def disposition(data: bytes) -> None:
    """What the console sends on `down/disposition`."""
    Disposition.model_validate_json(data)


def targets(data: bytes) -> None:
    """What the console sends on `down/targets`."""
    Targets.model_validate_json(data)


def recording(data: bytes) -> None:
    """A recording of a device's wire, as a file that somebody sends."""
    from drivers.recording.tape import parsed

    parsed(iter(data.splitlines(keepends=True)), Path("x"))


def association(data: bytes) -> None:
    """What a scanner says, looked through before any of it is kept."""
    from drivers.dicos.keepable import reason_against

    reason_against(data, data[::-1])
    reason_against(data, data)


def export_file(data: bytes) -> None:
    """A file in an export folder."""
    from drivers.folder.codec import observe

    found = observe(data, "x", AT)
    if isinstance(found, Scan):
        _whole(found.pictures)


def dicom_file(data: bytes) -> None:
    """A DICOM file."""
    from drivers.dicos.codec import read_file

    _whole(read_file(data, "x", AT).pictures)


def dicos_report(data: bytes) -> None:
    """A scanner's own report, and the validator's view of it as a file."""
    from drivers.dicos import codec, reports, validator
    from drivers.dicos.settings import DicosSettings
    from drivers.dicos.uids import TDR

    validator.validate(data)
    dataset = data[codec.file_meta(data)[1] :]
    found, file, _ = codec.read_report(dataset, TDR, "1.2.3", "1.2.840.10008.1.2.1")
    reports.reading(found, file, AT, DicosSettings())


def dicos_wire(data: bytes) -> None:
    """What comes over a DICOS association: a PDU at a time, as the gate takes them."""
    from drivers.dicos.dialect import DICOS_V03, Dialect
    from drivers.dicos.pdu import HEAD_BYTES, P_DATA, Tally

    spoken, tally = Dialect(DICOS_V03), Tally(1 << 20)
    while len(data) >= HEAD_BYTES:
        kind, length = tally.head(data[:HEAD_BYTES])
        pdu = spoken.received(bytearray(data[: HEAD_BYTES + length]))
        if kind == P_DATA:
            tally.data(memoryview(pdu)[HEAD_BYTES:])
        data = data[HEAD_BYTES + length :]


def llrp(data: bytes) -> None:
    """A tag reader's messages."""
    from drivers.llrp import codec

    for message in codec.Decoder().feed(data):
        for parse in (codec.parse_status, codec.parse_report, codec.parse_event, codec.parse_capabilities):
            try:
                parse(message.body)
            except ProtocolError:
                continue


def m100(data: bytes) -> None:
    """A serial tag module of the M100 family."""
    from drivers.uhf_serial.m100 import M100Framer

    list(M100Framer().feed(data))


def modbus_rtu(data: bytes) -> None:
    """What comes on a serial line as the answer to a read of a portal, and any registers as the portal's values."""
    from drivers.modbus import rtu
    from drivers.modbus.codec import decode
    from drivers.modbus.points import Table
    from drivers.modbus.settings import ModbusSettings

    (block,) = ModbusSettings(url="tcp://127.0.0.1", profile="aspect-rpm").plans()[0].blocks
    found = rtu.read(1, Table.HOLDING, block.start, block.count).answer(data)
    if found and isinstance(found[0], bytes):
        decode(block, rtu.values(Table.HOLDING, block.count, found[0]))
    words = [int.from_bytes(data[i : i + 2], "big") for i in range(0, 2 * block.count, 2)]
    for read in decode(block, words).values():
        assert not isinstance(read.shown, float) or math.isfinite(read.shown)


def reader18(data: bytes) -> None:
    """A serial tag module of the UHFReader18 family."""
    from drivers.uhf_serial.reader18 import Reader18Framer

    list(Reader18Framer(0).feed(data))


def rpm_lines(data: bytes) -> None:
    """A radiation portal's lines."""
    from drivers.rpm_ascii.codec import Lines
    from drivers.rpm_ascii.portal import Portal

    portal = Portal()
    for line in Lines().feed(data):
        portal.see(line, AT)


def codes(data: bytes) -> None:
    """What a code reader sends on its line: tags, boarding passes, parcels, documents."""
    from drivers.codereader.codec import Interpreter
    from drivers.codereader.splitter import Splitter

    interpreter = Interpreter()
    for code in Splitter().feed(data):
        interpreter.take(code, 0, date(2026, 11, 21))


def keys(data: bytes) -> None:
    """What a code reader types as a keyboard."""
    from drivers.codereader.keys import KeyDecoder, Layout

    list(KeyDecoder(Layout.FR).feed(data))


def scale(data: bytes) -> None:
    """What a scale sends, in each protocol."""
    from drivers.scale.nci import NciFramer
    from drivers.scale.sics import SicsFramer
    from drivers.scale.toledo import ToledoFramer

    for framer in (SicsFramer(), NciFramer(), ToledoFramer(checksum=True), ToledoFramer(checksum=False)):
        list(framer.feed(data))
        assert len(framer.buffer) <= 128, "a buffer that grows"


def nmea(data: bytes) -> None:
    """What a collar's receiver sends."""
    from drivers.nmea.codec import Receiver, Sentences

    receiver = Receiver()
    for heard in Sentences().feed(data):
        place = receiver.take(heard)
        assert place is None or (abs(place.latitude) <= 90 and abs(place.longitude) <= 180), "no place on earth"


def line_frames(data: bytes) -> None:
    """A line detector's frames, and the bags cut out of them."""
    from drivers.linescan.codec import Decoder
    from drivers.linescan.cutter import Cutter, Rules
    from drivers.linescan.lines import Assembler, Line

    assembler, cutter = Assembler(), Cutter(Rules())
    for frame in Decoder().feed(data):
        for line in assembler.feed(frame):
            if isinstance(line, Line):
                cutter.see(line, bool(line.values.any()))


def line_container(data: bytes) -> None:
    """A line scan's evidence."""
    from drivers.linescan.container import read

    read(data)


def inference_answer(data: bytes) -> None:
    """What an inference server answers over HTTP: two bytes of the JSON's length, which come in a header, then it."""
    from inference.remote import codec
    from inference.remote.belief import Described, check_answer

    for read in (codec.server_said, codec.model_said):
        with contextlib.suppress(ProtocolError):
            read(data[2:])
    found = codec.answer(data[2:], int.from_bytes(data[:2], "big") or None)
    check_answer(found, {"logits": Described("float32", (1, 2, None))})
    values = found.outputs["logits"]
    assert math.isfinite(float(values.sum(dtype="float64"))) and values.shape[:2] == (1, 2)


def _whole(pictures: Iterable[object]) -> None:
    for picture in pictures:
        size = picture.rows * picture.columns * picture.channels * picture.bytes_per_value  # type: ignore[attr-defined]
        assert len(picture.data) == size, "a picture of another size than it says"  # type: ignore[attr-defined]


#: Target: the function, and what it may raise.
TARGETS: dict[str, tuple[Callable[[bytes], None], tuple[type[Exception], ...]]] = {
    "child-wire": (child_wire, (ProtocolError,)),
    "receipt": (receipt, (ValidationError,)),
    "command": (command, ()),
    "disposition": (disposition, (ValidationError,)),
    "targets": (targets, (ValidationError,)),
    "export-file": (export_file, (ProtocolError,)),
    "dicos-report": (dicos_report, (ProtocolError,)),
    "dicos-wire": (dicos_wire, (ProtocolError,)),
    "association": (association, ()),
    "recording": (recording, (ConfigError,)),
    "dicom-file": (dicom_file, (ProtocolError,)),
    "llrp": (llrp, (ProtocolError,)),
    "m100": (m100, ()),
    "modbus-rtu": (modbus_rtu, ()),
    "reader18": (reader18, ()),
    "codes": (codes, ()),
    "scale": (scale, ()),
    "nmea": (nmea, ()),
    "keys": (keys, (ProtocolError,)),
    "rpm-lines": (rpm_lines, ()),
    "line-frames": (line_frames, ()),
    "line-container": (line_container, (ProtocolError,)),
    "inference-answer": (inference_answer, (ProtocolError,)),
}
