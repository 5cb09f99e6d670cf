"""The console against a real mosquitto: nothing lost, nothing twice, and no receipt before the hit is on the disk."""

from __future__ import annotations

import base64
import hashlib
import json
import signal
import socket
import sqlite3
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.peers import Broker
from tests.unit.simulators.console.appliance import Appliance, encoded, hit
from tests.unit.simulators.console.process import Console

pytestmark = pytest.mark.protocol

Start = Callable[..., Console]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    running: list[Console] = []

    def make(broker: Broker, *more: str, **options: Any) -> Console:
        running.append(Console(broker.url, tmp_path / "console.db", *more, **options))
        return running[-1]

    yield make
    for each in running:
        each.close()


@pytest.fixture
def appliance(broker: Broker) -> Iterator[Appliance]:
    connected = Appliance(broker.port)
    yield connected
    connected.close()


def state(console: Console) -> dict[str, Any]:
    with urllib.request.urlopen(f"{console.url}/api/state", timeout=60) as answer:
        return dict(json.load(answer))


class News:
    """The page's stream of news, read until something holds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._answer = urllib.request.urlopen(f"{console.url}/events", timeout=60)

    def until(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        while not holds(now := state(self._console)):
            while not self._answer.readline().startswith(b"data:"):
                pass
        return now

    def close(self) -> None:
        self._answer.close()


def stored(tmp_path: Path) -> list[tuple[Any, ...]]:
    db = sqlite3.connect(f"file:{tmp_path / 'console.db'}?mode=ro", uri=True)
    try:
        return db.execute("SELECT hit_id, rev, payload FROM hit").fetchall()
    finally:
        db.close()


def test_a_receipt_comes_after_the_commit_and_names_the_bytes(
    broker: Broker, appliance: Appliance, start: Start, tmp_path: Path
) -> None:
    start(broker).ready()
    early: list[str] = []
    seen = threading.Semaphore(0)
    db = sqlite3.connect(f"file:{tmp_path / 'console.db'}?mode=ro", uri=True, check_same_thread=False)

    def on_receipt(client: paho.Client, userdata: object, message: paho.MQTTMessage) -> None:
        body = json.loads(message.payload)
        row = db.execute("SELECT sha256 FROM hit WHERE hit_id=? AND rev=?", (body["hit_id"], body["rev"])).fetchone()
        if row is None or row[0].hex() != body["sha256"]:
            early.append(body["hit_id"])
        seen.release()

    appliance.hear_with(on_receipt)
    for number in range(1, 301):
        appliance.publish("hit/xray-1", hit(number))
    for _ in range(300):
        assert seen.acquire(timeout=60)
    db.close()
    assert early == []


def test_a_hit_that_is_sent_again_is_kept_once_and_receipted_each_time(
    broker: Broker, appliance: Appliance, start: Start, tmp_path: Path
) -> None:
    start(broker).ready()
    payload = encoded(hit(1))
    for times in (1, 2, 3):
        appliance.publish("hit/xray-1", payload)
        appliance.wait_until(lambda times=times: len(appliance.receipts) == times)
    assert len(set(appliance.receipts)) == 1
    assert [row[2] for row in stored(tmp_path)] == [payload]


def test_killed_and_started_again_it_has_lost_nothing(
    broker: Broker, appliance: Appliance, start: Start, tmp_path: Path
) -> None:
    """The appliance sends each message once: what the console misses must come from the broker's queue for it."""
    console = start(broker).ready()
    verdicts = [{"scan_id": str(n), "decision": "clear", "at": "2026-11-21T09:30:12.481Z"} for n in range(400)]
    sent = []
    for number in range(1, 2001):
        sent.append(appliance.publish("hit/xray-1", hit(number)))
        if number == 1000:
            appliance.wait_until(lambda: len(appliance.receipts) > 50)
            console.stop(signal.SIGKILL)
        if number % 5 == 0:
            sent.append(appliance.publish("verdict/xray-1", verdicts[number // 5 - 1]))
    appliance.settle(sent)
    again = start(broker).ready()
    news = News(again)
    counts = news.until(lambda now: now["hits"]["all"] >= 2000 and now["verdicts"][1]["all"] >= 400)
    news.close()
    assert (counts["hits"]["all"], counts["verdicts"][1]["all"]) == (2000, 400)
    assert (counts["missing"], counts["conflicts"]["all"]) == (0, 0)
    # Receipts that were due when it was killed: the appliance sends again what it has none for, and gets them.
    for hit_id, rev, payload in stored(tmp_path):
        if (hit_id, rev) not in {each[:2] for each in appliance.receipts}:
            appliance.publish("hit/xray-1", payload)
    appliance.wait_for_receipts(2000)
    assert len(stored(tmp_path)) == 2000
    assert again.stop() == 0


@pytest.mark.timeout(400)
def test_twenty_thousand_hits_at_once(broker: Broker, appliance: Appliance, start: Start, tmp_path: Path) -> None:
    console = start(broker).ready()
    console.stop()
    appliance.settle([appliance.publish("hit/xray-1", hit(number)) for number in range(1, 20_001)])
    start(broker).ready()
    assert len(appliance.wait_for_receipts(20_000, 300)) == 20_000
    assert len({row[:2] for row in stored(tmp_path)}) == 20_000


def test_the_broker_dies_and_the_appliance_sends_again(
    broker: Broker, appliance: Appliance, start: Start, tmp_path: Path
) -> None:
    console = start(broker).ready()
    appliance.publish("hit/xray-1", hit(1))
    appliance.wait_for_receipts(1)
    broker.kill()
    console.wait_for(event="broker", state="offline")
    broker.start()
    console.wait_for(event="broker", state="online")
    appliance.wait_until(appliance.is_connected)
    for number in (1, 2):
        appliance.publish("hit/xray-1", hit(number))
    appliance.wait_for_receipts(2)
    assert len(stored(tmp_path)) == 2


def test_no_broker_at_start(start_broker: Callable[..., Broker], start: Start) -> None:
    broker = start_broker(config="max_queued_messages 0")
    broker.stop()
    console = start(broker)
    console.url = console.wait_for(event="listening")["url"]
    console.wait_for(event="broker", state="offline")
    assert state(console)["broker"]["state"] == "offline"
    broker.start()
    console.wait_for(event="broker", state="online")


def test_while_the_disk_is_full_there_are_no_receipts_and_later_nothing_is_missing(
    broker: Broker, appliance: Appliance, start: Start, tmp_path: Path
) -> None:
    console = start(broker).ready()
    db = sqlite3.connect(tmp_path / "console.db", timeout=10, isolation_level=None)
    db.execute("CREATE TRIGGER full BEFORE INSERT ON hit BEGIN SELECT RAISE(ABORT, 'no room'); END")
    appliance.settle([appliance.publish("hit/xray-1", hit(number)) for number in range(1, 51)])
    assert "no room" in console.wait_for(event="broker", state="store")["detail"]
    assert appliance.receipts == []
    db.execute("DROP TRIGGER full")
    db.close()
    appliance.wait_for_receipts(50)
    assert len(stored(tmp_path)) == 50


def test_a_will_is_shown_and_a_late_one_is_not(broker: Broker, start: Start) -> None:
    console = start(broker).ready()
    news = News(console)

    def connect(session: str, at: str) -> paho.Client:
        client = paho.Client(CallbackAPIVersion.VERSION2, f"edge-{session}", protocol=paho.MQTTv5)
        word = {"session": session, "at": f"2026-11-21T09:30:{at}.000Z"}
        client.will_set("jaitf/v1/lfw/edge-01/up/state", encoded({"state": "offline"} | word), 1, True)
        client.connect("127.0.0.1", broker.port)
        client.loop_start()
        client.publish("jaitf/v1/lfw/edge-01/up/state", encoded({"state": "online"} | word), 1, True).wait_for_publish(
            10
        )
        return client

    def is_now(word: str) -> Callable[[dict[str, Any]], bool]:
        return lambda now: [each["state"] for each in now["appliances"]] == [word]

    def drop(client: paho.Client) -> None:
        sock = client.socket()
        assert sock is not None
        client.loop_stop()
        sock.shutdown(socket.SHUT_RDWR)
        sock.close()

    first = connect("a", "01")
    news.until(is_now("online"))
    second = connect("b", "05")
    drop(first)
    marker = Appliance(broker.port)
    marker.publish("device/xray-1", {"state": "up"})
    news.until(lambda now: bool(now["appliances"] and now["appliances"][0]["devices"]))
    assert is_now("online")(state(console))
    marker.close()
    drop(second)
    news.until(is_now("offline"))
    news.close()


def test_what_is_not_ours_is_counted_and_shown(broker: Broker, appliance: Appliance, start: Start) -> None:
    console = start(broker).ready()
    bad: list[tuple[str, bytes]] = [
        ("hit/xray-1", b"\x00\xff"),
        ("hit/xray-1", b"x" * 300_000),
        ("hit/xray-1", encoded(hit(1, site="cdg"))),
        ("thumb/none", b""),
        ("nonsense", b"{}"),
        ("state", b"[]"),
    ]
    appliance.settle([appliance.publish(rest, body) for rest, body in bad])
    appliance.publish("hit/xray-1", hit(2))
    appliance.wait_for_receipts(1)
    now = state(console)
    assert now["bad"]["all"] == len(bad)
    assert {each["reason"] for each in now["bad_list"]} >= {"no topic of the contract", "a picture of no hit"}
    assert now["hits"]["all"] == 1


def test_another_root(broker: Broker, start: Start) -> None:
    start(broker, "--root", "customs/jaitf").ready()
    elsewhere = Appliance(broker.port, edge="edge-09", root="customs/jaitf")
    elsewhere.publish("hit/xray-1", hit(1, edge="edge-09"))
    elsewhere.wait_for_receipts(1)
    elsewhere.close()


def test_password_and_refusal(start_broker: Callable[..., Broker], start: Start, tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    # The hash of "let me in" as mosquitto writes it: PBKDF2 with SHA-512, 101 rounds.
    salt = b"0123456789ab"
    digest = hashlib.pbkdf2_hmac("sha512", b"let me in", salt, 101)
    both = (base64.b64encode(each).decode() for each in (salt, digest))
    passwords.write_text("console:$7$101$" + "$".join(both) + "\n")
    passwords.chmod(0o600)
    broker = start_broker(config=f"allow_anonymous false\npassword_file {passwords}")
    refused = start(broker)
    refused.wait_for(event="listening")
    assert "refused" in refused.wait_for(event="broker", state="offline")["detail"]
    refused.stop()
    secret = tmp_path / "secret"
    secret.write_text("let me in\n")
    start(broker, "--username", "console", "--password-file", str(secret)).ready()


def test_ended_by_signal_with_a_page_open_it_exits_with_0(broker: Broker, start: Start) -> None:
    for each in (signal.SIGTERM, signal.SIGINT):
        console = start(broker).ready()
        news = News(console)
        news.until(lambda now: now["broker"]["state"] == "online")
        assert console.stop(each) == 0
        news.close()
        assert console.errors() == ""


def test_a_port_in_use_is_told_with_its_holder(broker: Broker, start: Start) -> None:
    first = start(broker).ready()
    port = first.url.rpartition(":")[2]
    second = Console(broker.url, Path(f"{first.data}-2"), listen=f"127.0.0.1:{port}")
    assert second.process.wait(60) == 1
    message = second.errors()
    assert f"127.0.0.1:{port}: address already in use by" in message
    assert f"pid {first.process.pid}" in message
    second.close()


def test_a_second_console_on_the_same_data_is_refused(broker: Broker, start: Start) -> None:
    first = start(broker).ready()
    second = start(broker)
    assert second.process.wait(60) == 1
    assert f"another console has it open (pid {first.process.pid})" in second.errors()
