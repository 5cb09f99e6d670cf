"""Faults that a technician makes, by real wires: each is told by the layer that it is at, and with what mends it."""

import asyncio
import time

import pytest
from pynetdicom import AE
from pynetdicom.sop_class import Verification

from drivers.dicos.scp import prepare_pynetdicom
from drivers.ports import free_port
from drivers.registry import available, make, settings_class
from edge.probing import judged
from simulators.certificates import Authority
from simulators.collar.cli import Collar
from simulators.collar.model import Walk
from simulators.modbus.model import Panel
from simulators.modbus.wire import Faults, Server, server_tls
from simulators.tagreader.model import Gate
from simulators.tagreader.module import Module, m100
from tests.background import serving
from tests.core import DEADLINE_S

pytestmark = pytest.mark.protocol

#: Of the loop, that asyncio needs to let go of a connection whose handshake failed.
TURNS = 10
#: Of an answer that is to come, on whatever machine.
PATIENT = {"timeout_ms": 60_000}
POINTS = [{"name": "alarm", "table": "holding", "address": 4102}]


def tried(driver, deadline_s=DEADLINE_S, **settings):
    info = available()[driver]
    valid = settings_class(info).model_validate(settings)

    async def once():
        report = await make(info, valid).probe(deadline_s)
        for _ in range(TURNS):
            await asyncio.sleep(0)
        return report

    return judged(asyncio.run(once()), valid, 0.0)


def panel(tls=None):
    server = Server(Panel(), 7, Faults(), time.monotonic)
    listen = server.listen
    server.listen = lambda host, port: listen(host, port, tls)
    return serving(lambda: server)


def test_no_such_port(tmp_path):
    probed = tried("uhf-serial", url=f"serial://{tmp_path}/ttyUSB9")
    assert probed.layer == "no such port, or gone"
    assert "plugged in are:" in probed.report.steps[-1] and "by-id" in probed.mend


def test_a_wrong_speed_where_the_device_is_asked_and_where_it_talks(tmp_path):
    with serving(lambda: Module(m100, Gate(seed=1), tmp_path / "tags", 57_600)):
        asked = tried("uhf-serial", url=f"serial://{tmp_path}/tags?baud=115200")
        right = tried("uhf-serial", url=f"serial://{tmp_path}/tags?baud=57600", **PATIENT)
    assert asked.layer in ("no answer", "answer not understood") and "baud" in asked.mend
    assert right.report.ok
    with serving(lambda: Collar(Walk(), 0.1, tmp_path / "collar", 9600)):
        heard = tried("nmea", 10.0, url=f"serial://{tmp_path}/collar?baud=4800")
        right = tried("nmea", url=f"serial://{tmp_path}/collar?baud=9600")
    assert (heard.layer, "wrong baud rate" in heard.mend) == ("answer not understood", True)
    assert right.report.ok


def test_a_wrong_unit_and_a_wrong_address():
    with panel() as port:
        url = f"tcp://127.0.0.1:{port}"
        unit = tried("modbus", url=url, unit=3, points=POINTS, **PATIENT)
        address = tried("modbus", url=url, unit=7, points=[POINTS[0] | {"address": 0}], **PATIENT)
        right = tried("modbus", url=url, unit=7, points=POINTS, **PATIENT)
    assert (unit.layer, "is unit 3 right?" in unit.mend) == ("device refuses", True)
    assert (address.layer, "compare table, address" in address.mend) == ("device refuses", True)
    assert right.report.ok


@pytest.mark.parametrize(
    ("theirs", "ours", "layer", "mend"),
    [
        ({}, {}, "", None),
        ({"address": "127.0.0.9"}, {}, "certificates", "of another address"),
        ({"days": -1}, {}, "certificates", "has expired"),
        ({}, {"ca_file": "other"}, "certificates", "another authority"),
        ({}, {"key_file": "other"}, "certificates", "swapped"),
        ({}, {"cert_file": None, "key_file": None}, "connection", "certificate of ours"),
    ],
)
def test_certificates(tmp_path, theirs, ours, layer, mend):
    authority, other = Authority(tmp_path, "ca"), Authority(tmp_path, "other")
    cert, key = authority.issue("device", **theirs)
    our_cert, our_key = authority.issue("edge")
    files = {"ca_file": authority.file, "cert_file": our_cert, "key_file": our_key}
    stand_in = {"ca_file": other.file, "key_file": other.issue("stranger")[1]}
    files |= {name: stand_in[name] if swap else None for name, swap in ours.items()}
    with panel(server_tls(cert, key, authority.file)) as port:
        given = {name: str(path) for name, path in files.items() if path}
        probed = tried("modbus", url=f"tls://127.0.0.1:{port}", unit=7, points=POINTS, **PATIENT, **given)
    assert probed.layer == layer, probed
    assert mend is None or mend in probed.mend


def test_tls_to_a_port_that_speaks_none(tmp_path):
    with panel() as port:
        ca = str(Authority(tmp_path, "ca").file)
        probed = tried("modbus", url=f"tls://127.0.0.1:{port}", unit=7, points=POINTS, ca_file=ca)
    assert "speak TLS" in probed.mend or "speaks no TLS" in probed.mend


def test_a_wrong_ae_title():
    prepare_pynetdicom()
    entity = AE(ae_title="VIEWER")
    entity.require_called_aet = True
    entity.add_supported_context(Verification)
    server = entity.start_server(("127.0.0.1", 0), block=False)
    try:
        port = server.socket.getsockname()[1]
        listen = f"127.0.0.1:{free_port()}"
        wrong = tried("dicos", 20.0, listen=listen, tdr_to=f"dicom://VEIWER@127.0.0.1:{port}")
        right = tried("dicos", 20.0, listen=listen, tdr_to=f"dicom://VIEWER@127.0.0.1:{port}")
    finally:
        server.shutdown()
    assert (wrong.layer, "'VEIWER' is not what it is called there" in wrong.mend) == ("device refuses", True)
    assert right.report.ok
