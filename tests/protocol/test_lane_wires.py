"""One bag over four devices' real wires, on a belt that stops: which bag it was comes through to the console's message.

The bag's number is read by a code reader at the entry. The scanner reads none; it and the dog's handler get it by
belt time, which stands while the belt's contact says so. Devices are simulated; wires, broker and model are real.
"""

import asyncio
import contextlib
import time

import numpy
import pytest

from drivers.ports import free_port
from simulators.line import Line
from simulators.modbus.model import Image
from simulators.modbus.wire import Faults, Server
from simulators.tagreader.llrp import Reader
from simulators.tagreader.model import Gate
from simulators.xray.bag import make_scan
from simulators.xray.wire import Identity, Scanner, datasets
from tests.core import until
from tests.mqtt import Listener
from tests.protocol.test_core_run import Box

pytestmark = [pytest.mark.protocol, pytest.mark.timeout(300)]

BELT_MM_S, XRAY_MM, DOG_MM = 500, 1000, 2000
TAG, NEXT = "0220123456", "0220123457"
#: A bag whose threat the model finds.
BAG = make_scan(1_000_006, "pistol")
LANE = """
[lane]
belt_mm_s = 500
running = "io-1/belt"
gap_mm = 2500
stop_mm = 150
[lane.places]
codes-1 = 0
xray-1 = { at_mm = 1000, within_ms = 2500 }
k9-1 = { at_mm = 2000, within_ms = 2500 }
"""
TEAMS = """
[[team]]
name = "K9 1"
dog = "Rex"
handler = "4711"
epcs = ["3074257BF7194E4000001A85"]
certification = { valid_until = 2020-01-01 }
[[button]]
device = "k9-1"
label = "alert"
place = "belt 2"
"""


class Contact:
    """A module whose one contact a test closes and opens."""

    coils, kept = 0, range(0)

    def __init__(self):
        self.on = True

    def at(self, seconds):
        return Image(discrete={0: int(self.on)})


class Belt:
    """Where a bag is that was at the entry when this was made."""

    def __init__(self, contact):
        self.contact, self.began, self.stood = contact, time.monotonic(), 0.0

    async def to(self, place_mm):
        await asyncio.sleep(max(0.0, self.began + self.stood + place_mm / BELT_MM_S - time.monotonic()))

    @contextlib.asynccontextmanager
    async def standing(self, at_least_s):
        """Stop it for what is done meanwhile, however long that takes, and for so long."""
        stopped = time.monotonic()
        self.contact.on = False
        yield
        await asyncio.sleep(max(0.0, stopped + at_least_s - time.monotonic()))
        self.contact.on = True
        self.stood += time.monotonic() - stopped


@pytest.fixture
async def devices():
    contact = Contact()
    io, codes = Server(contact, 1, Faults(), time.monotonic), Line()
    reader = Reader(Gate(bag_s=1, view_s=0, missed=0))
    ports = {"io-1": await io.listen("127.0.0.1", 0), "codes-1": await codes.listen(), "xray-1": free_port()}
    ports["k9-1"] = await reader.listen("127.0.0.1", 0)
    yield contact, codes, reader, ports
    for device in (io, codes, reader):
        await device.close()


@pytest.fixture
def box(tmp_path, broker, devices):
    ports = devices[-1]
    me = Box(tmp_path, broker.url)
    files = {
        "io-1": f'driver = "modbus"\n[settings]\nurl = "tcp://127.0.0.1:{ports["io-1"]}"\npoll_ms = 20\n'
        '[[settings.points]]\nname = "belt"\ntable = "discrete"\naddress = 0\n',
        "codes-1": f'driver = "codereader"\n[settings]\nurl = "tcp://127.0.0.1:{ports["codes-1"]}"\n',
        "xray-1": f'driver = "dicos"\nmodel = "baggage"\n[settings]\nlisten = "127.0.0.1:{ports["xray-1"]}"\n',
        "k9-1": f'driver = "llrp"\n[settings]\nurl = "tcp://127.0.0.1:{ports["k9-1"]}"\n'
        '[[settings.gpi]]\nport = 1\nlabel = "alert"\nseverity = "medium"\n',
    }
    for name, text in files.items():
        (me.config / "devices" / f"{name}.toml").write_text(text)
    (me.config / "edge.toml").write_text((me.config / "edge.toml").read_text() + LANE)
    (me.config / "teams.toml").write_text(TEAMS)
    yield me
    if me.process and me.process.poll() is None:
        me.process.kill()
        me.process.wait()


def picture():
    """Return the bag's scan as a scanner sends it that reads no tags."""
    [instance] = datasets(BAG, Identity.make(numpy.random.default_rng(7), 1))
    instance.PatientID, instance.TypeOfPatientID = "000001", "TEXT"
    return instance


async def test_scanner_and_dog_are_tied_to_the_bag_that_was_read_at_the_entry(box, broker, devices):
    contact, codes, reader, ports = devices
    instance = picture()
    async with Listener(broker.port, receipts=True) as listener:
        await box.start()
        for name in ports:
            await listener.wait(lambda name=name: [m for m in listener.of(f"device/{name}") if m.json["state"] == "up"])
        await listener.wait(lambda: [m for m in listener.of("reading/k9-1") if m.json.get("teams") == ["K9 1"]])
        await until(lambda: codes.connected)  # the driver's end of the wire is; this is the one here
        codes.send(f"{TAG}\r".encode())
        belt = Belt(contact)
        await belt.to(XRAY_MM)
        async with belt.standing(at_least_s=4):  # two metres of belt, were it not seen to stand
            # And it is, by now. What the contact said before the appliance was connected nobody has heard.
            await listener.wait(lambda: [m.json["points"]["belt"] for m in listener.of("reading/io-1")][-1:] == [False])
            scanner = Scanner("127.0.0.1", ports["xray-1"])
            assert (await asyncio.to_thread(scanner.store, instance)).ok
            await asyncio.to_thread(scanner.close)
        await belt.to(DOG_MM + 100)
        reader.press(True)
        await belt.to(2600)
        codes.send(f"{NEXT}\r".encode())
        await listener.wait(lambda: {"xray-1", "k9-1"} <= {hit["device"] for hit in listener.hits()})
        with contextlib.suppress(TimeoutError):  # what is missing then is said below
            await listener.wait(
                lambda: any(hit["device"] == "xray-1" and hit["corroboration"] for hit in listener.hits())
            )
        dog = next(hit for hit in listener.hits() if hit["device"] == "k9-1")
        with contextlib.suppress(TimeoutError):
            picture_of_it = await listener.first(f"thumb/{dog['hit_id']}")
    last = {hit["device"]: hit for hit in listener.hits()}
    xray, dog = last["xray-1"], last["k9-1"]
    for hit in (xray, dog):
        assert (hit["item"].get("bag_tag"), hit["item"]["match"]["by"]) == (TAG, "belt"), hit["item"]
    assert xray["corroboration"][0]["hit_id"] == dog["hit_id"] and xray["rev"] == 1
    assert dog["corroboration"][0]["hit_id"] == xray["hit_id"]
    assert (dog["canine"]["dog"], dog["canine"]["certification_lapsed"]) == ("Rex", True)
    assert [each["scan_id"] for each in dog["pictures"]] == [xray["item"]["scan_id"]]
    assert picture_of_it.payload.startswith(b"\xff\xd8")  # the scanner's, of the dog's bag
    assert await box.end() == 0
