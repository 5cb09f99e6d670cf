"""What is believed, what may take over, what a trial finds, and that the box is as it was wherever one does not do."""

import json
import subprocess
from pathlib import Path

import pytest

from edge.update import package
from edge.update.apply import Request, Update
from edge.update.box import Versions
from edge.update.disk import Disk
from edge.update.hands import ServantHands

pytestmark = pytest.mark.slow


class FakeService:
    """The appliance as systemd would keep it: `dies` are versions whose process does not stay the same."""

    def __init__(self, places, *, there=True, dies=(), refuses=()):
        self.places = places
        self.present = there
        self.dies = dies
        self.refuses = refuses
        self.pid = 100
        self.up = there
        self.calls = []

    def there(self):
        return self.present

    def stop(self):
        self.calls.append("stop")
        self.up = False

    def restart(self):
        version = self.places.version(self.places.current)
        self.calls.append(f"restart {version}")
        if version in self.refuses:
            raise OSError("systemctl restart: the control process exited")
        self.pid += 1
        self.up = True

    def running(self):
        if self.places.version(self.places.current) in self.dies:
            self.pid += 1
        return self.pid if self.up else 0


class Clock:
    def __init__(self):
        self.now = 0.0

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def made(box):
    """Return what makes an update on the box."""

    def make(service=None, **request):
        clock = Clock()
        places = box.places
        box.service = service or FakeService(places)
        update = Update(
            places,
            Disk(),
            ServantHands(None),
            Versions(places, Path("/nowhere")),
            box.service,
            clock.sleep,
            lambda: clock.now,
        )
        return update.apply(Request(by="root", trial_s=30.0, **request))

    return make


def incoming(box, version, **how):
    path = box.package(version, **how)
    package.sign(path, box.pem)
    package.take(path, box.places.package)


def unchanged(box):
    places = box.places
    assert places.version(places.current) == "1.0"
    assert places.there() == ["1.0"]
    assert not places.state.exists()
    return True


def test_a_good_version_is_in_force_and_the_one_before_is_kept(box, made):
    incoming(box, "2.0")
    said = made()
    assert (said.outcome, said.old, said.new) == ("done", "1.0", "2.0")
    assert box.places.version(box.places.current) == "2.0"
    assert box.places.version(box.places.previous) == "1.0"
    assert box.service.calls == ["restart 2.0"]
    [note] = box.notes()
    assert (note["kind"], note["outcome"], note["about"]["to"]) == ("update", "done", "2.0")


def test_it_goes_back_to_the_version_that_is_kept_when_asked_to(box, made):
    incoming(box, "2.0")
    made()
    said = made(back=True, older=True)
    assert (said.outcome, said.new) == ("done", "1.0")
    assert box.places.version(box.places.previous) == "2.0"


def test_what_worked_and_does_not_puts_the_old_version_back(box, made):
    incoming(box, "2.0", doctor=(("disk", "ok"), ("disk", "fail")))
    said = made()
    assert (said.outcome, said.detail) == ("rolled-back", "2.0 did not do: disk: disk is fail")
    assert unchanged(box)
    assert box.service.calls == ["restart 2.0", "stop", "restart 1.0"]
    [note] = box.notes()
    assert note["outcome"] == "rolled-back"
    assert json.loads(box.places.last.read_bytes())["outcome"] == "rolled-back"


def test_whether_devices_answer_is_not_said_by_the_doctor_of_the_moment(box, made):
    (box.places.versions / "1.0" / "doctor.json").write_text('{"grade": "ok", "check": "answers", "text": "up"}\n')
    incoming(box, "2.0", doctor=(("answers", "fail"),))
    assert made().outcome == "done"


def test_what_failed_before_is_not_the_new_versions_doing(box, made):
    (box.places.versions / "1.0" / "doctor.json").write_text('{"grade": "fail", "check": "broker", "text": "away"}\n')
    incoming(box, "2.0", doctor=(("broker", "fail"), ("new-check", "fail")))
    assert made().outcome == "done"


@pytest.mark.parametrize("fault", ["dies", "refuses"])
def test_a_version_that_does_not_stay_up_goes_back(box, made, fault):
    incoming(box, "2.0")
    said = made(FakeService(box.places, **{fault: ("2.0",)}))
    assert said.outcome == "rolled-back"
    assert unchanged(box)
    assert box.service.calls[-1] == "restart 1.0"


class Devices(FakeService):
    """An appliance that writes how its devices are as soon as it has started: `after` the new version's."""

    def __init__(self, places, after):
        super().__init__(places)
        self.after = after

    def restart(self):
        super().restart()
        for version in self.places.there():
            facts = self.places.versions / version / "facts.json"
            said = json.loads(facts.read_text()) | {"standing": self.after}
            facts.write_text(json.dumps(said))


@pytest.mark.parametrize(
    ("after", "why"),
    [
        ({"at": "10:01", "uptime_s": 10.0, "working": ["xray-1", "scale-1"]}, ""),
        ({"at": "10:01", "uptime_s": 10.0, "working": ["scale-1"]}, "xray-1 worked before"),
        ({"at": "10:00", "uptime_s": 10.0, "working": ["xray-1"]}, "has not said yet"),
        ({"at": "10:01", "uptime_s": 7000.0, "working": ["xray-1"]}, "has not said yet"),
        (None, "has not said yet"),
    ],
)
def test_a_device_that_worked_must_work(box, made, after, why):
    facts = box.places.versions / "1.0" / "facts.json"
    before = {"at": "10:00", "uptime_s": 6990.0, "working": ["xray-1"]}
    facts.write_text(json.dumps(json.loads(facts.read_text()) | {"standing": before}))
    incoming(box, "2.0")
    said = made(Devices(box.places, after))
    assert said.outcome == ("rolled-back" if why else "done")
    assert why in said.detail


def test_an_appliance_that_did_not_run_is_not_started(box, made):
    incoming(box, "2.0")
    service = FakeService(box.places)
    service.up = False
    assert made(service).outcome == "done"
    assert service.calls == []


@pytest.mark.parametrize(
    ("version", "how", "why"),
    [
        ("2.0", {"knows": 2, "found": 3}, "the ledger is of schema 3, and 2.0 knows up to 2"),
        ("2.0", {"knows": 3}, "2.0 brings ledger schema 3 without its way back"),
        ("0.9", {}, "0.9 is older than 1.0"),
        ("1.0", {}, "1.0 is in force already"),
    ],
)
def test_refused_before_anything_has_changed(box, made, version, how, why):
    incoming(box, version, **how)
    said = made()
    assert said.outcome == "refused"
    assert why in said.detail
    assert unchanged(box)
    assert box.service.calls == []
    [note] = box.notes()
    assert note["outcome"] == "refused"


@pytest.mark.parametrize("fault", ["no room", "no version in it"])
def test_refused_while_it_is_unpacked_and_the_versions_there_stay(box, made, monkeypatch, fault):
    incoming(box, "2.0")
    if fault == "no room":
        monkeypatch.setattr(package, "SPARE_BYTES", 1 << 60)
    else:
        monkeypatch.setattr(package, "facts", lambda path: package.Facts("2.1", "all", 1))
    said = made()
    assert said.outcome == "refused"
    assert unchanged(box)
    assert box.service.calls == []


def test_a_later_version_may_say_more_than_this_one_knows(box, made):
    path = box.package("2.0")
    facts = box.root / "tree-2.0/opt/jaitf-edge/versions/2.0/facts.json"
    standing = {"at": "10:00", "uptime_s": 1.0, "working": [], "mood": "good"}
    facts.write_text(json.dumps(json.loads(facts.read_text()) | {"colour": "blue", "standing": standing}))
    subprocess.run(["dpkg-deb", "-Znone", "--build", box.root / "tree-2.0", path], check=True, capture_output=True)
    package.sign(path, box.pem)
    package.take(path, box.places.package)
    assert made().outcome == "done"


def test_an_older_version_that_reads_the_ledger_may_be_asked_for(box, made):
    incoming(box, "0.9")
    assert made(older=True).outcome == "done"
    assert box.places.version(box.places.current) == "0.9"


def test_a_version_that_does_not_run_here_is_refused(box, made):
    incoming(box, "2.0")
    path = box.package("2.1")
    script = box.root / "tree-2.1/opt/jaitf-edge/versions/2.1/bin/jaitf-edge"
    script.write_text("#!/bin/sh\necho 'GLIBC_2.99 not found' >&2; exit 1\n")
    subprocess.run(["dpkg-deb", "-Znone", "--build", box.root / "tree-2.1", path], check=True, capture_output=True)
    package.sign(path, box.pem)
    package.take(path, box.places.package)
    said = made()
    assert said.outcome == "refused"
    assert "2.1 does not run here: GLIBC_2.99 not found" in said.detail
    assert unchanged(box)


def test_the_way_back_of_the_ledger_is_noted_before_the_link_moves(box, made):
    incoming(box, "2.0", knows=3, back={"3": "DROP TABLE later"})
    noted = []

    class Watching(FakeService):
        def restart(self):
            noted.append(json.loads(box.places.state.read_bytes()))
            super().restart()

    assert made(Watching(box.places)).outcome == "done"
    assert (noted[0]["phase"], noted[0]["floor"], noted[0]["back"]) == ("trial", 2, {"3": "DROP TABLE later"})
