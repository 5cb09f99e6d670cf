"""The retained target list over a real mosquitto: in force on connect, bad ones refused with a report on up/audit."""

import hashlib
import json
import time

import pytest

from drivers.clock import SystemClock, rfc3339
from drivers.contract import Identity, IdKind
from edge.targets import Targets
from tests.consoleside import Sender
from tests.core import until
from tests.mqtt import Listener
from tests.post import Post

pytestmark = pytest.mark.protocol
BAG = [Identity(IdKind.BAG_TAG, "0220123456")]


def told(version, expires_in_s=3600, **changes):
    now = time.time_ns()
    hashed = hashlib.sha256(b"salt" + b"0220123456").hexdigest()
    return {
        "version": version,
        "issued_at": rfc3339(now - 7200 * 10**9),
        "expires_at": rfc3339(now + expires_in_s * 10**9),
        "salt": "salt",
        "entries": [{"target_id": f"T-{version}", "kind": "bag_tag", "hash": hashed, "risk": "high"}],
        **changes,
    }


@pytest.mark.parametrize("version", [5, 4], ids=["mqtt 5", "mqtt 3.1.1"])
async def test_a_list_that_waits_at_the_broker_and_what_comes_after_it(tmp_path, broker, version):
    me = Post(tmp_path / "data", broker.url)
    me.courier._version = version
    targets = Targets(tmp_path / "data", SystemClock(), lambda *said: me.courier.audit("targets", *said))
    me.courier.on_down = lambda rest, message: targets.take(message) if rest == "targets" else None
    with Sender(broker.port) as console:
        console.send("targets", told(5), retain=True)
        async with Listener(broker.port) as listener, me:
            await until(lambda: targets.match(BAG))

            def reports():
                return [
                    (m.json["outcome"], m.json["detail"].split(":")[0].split(" ")[0])
                    for m in listener.of("audit")
                    if m.json["what"] == "targets"
                ]

            for bad in (told(4), told(6, -60), told(6, entries="all"), b"x" * 1_100_000, b"{"):
                console.send("targets", json.dumps(bad).encode() if isinstance(bad, dict) else bad, retain=True)
            await listener.wait(lambda: len(reports()) == 6)
            refused = ["replayed", "expired", "malformed", "too-large", "malformed"]
            assert reports() == [("accepted", "version"), *(("refused", why) for why in refused)]
            assert targets.match(BAG).target_id == "T-5"
            console.send("targets", told(6), retain=True)
            await until(lambda: targets.match(BAG).target_id == "T-6")
