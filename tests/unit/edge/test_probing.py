"""A probe outlives its driver: one that hangs, crashes or raises is told, in time."""

import pytest

from drivers.contract import DriverInfo, ProbeReport, Settings
from edge import probing

pytestmark = pytest.mark.slow


class Given(Settings):
    what: str


class Driver:
    def __init__(self, settings):
        self.settings = settings

    async def probe(self, deadline_s):
        match self.settings.what:
            case "hang":
                while True:
                    pass
            case "crash":
                import os

                os._exit(3)
            case "raise":
                raise RuntimeError("boom")
        return ProbeReport(True, ("a",), {"who": "me"}, "7")


INFO = DriverInfo("given", "", f"{__name__}:Given", f"{__name__}:Driver", False, "")


@pytest.fixture
def ask(monkeypatch):
    monkeypatch.setattr(probing, "_child", _child)
    monkeypatch.setattr(probing, "GRACE_S", 60.0)
    return lambda what, deadline_s=1.0: probing.probe("given", Given(what=what), deadline_s)


def _child(far, driver, settings, deadline_s):
    import asyncio
    import json
    from dataclasses import asdict

    far.send_bytes(json.dumps(asdict(asyncio.run(Driver(settings).probe(deadline_s)))).encode())


def test_an_answer_comes_whole(ask):
    probed = ask("answer")
    assert probed.report == ProbeReport(True, ("a",), {"who": "me"}, "7")
    assert (probed.layer, probed.mend) == ("", None)


@pytest.mark.parametrize("what", ["crash", "raise"])
def test_a_crash_is_told(ask, what):
    probed = ask(what)
    assert (probed.report.ok, probed.report.code, probed.layer) == (False, "crashed", "driver")


def test_a_hang_is_ended(ask, monkeypatch):
    monkeypatch.setattr(probing, "GRACE_S", 0.2)
    assert ask("hang", 0.1).report.code == "hung"
