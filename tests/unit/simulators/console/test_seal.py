"""Whose word a hit is: signatures of a real appliance's making, forged ones, pins; commands signed for one topic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edge.commands.authority import ConsoleKeys
from edge.signing import SigningKey, event_signature
from simulators.console import intake
from simulators.console.ask import command
from simulators.console.intake import Arrival
from simulators.console.seal import CommandKey, Pins, SealError, holds, signer_of
from simulators.console.store.file import Place, open_writer
from simulators.console.store.reader import Reader
from simulators.console.store.writer import Writer
from simulators.console.topics import Topics
from tests.unit.simulators.console.appliance import encoded, hit

TOPICS = Topics("jaitf")


@pytest.fixture
def keys(tmp_path: Path) -> list[SigningKey]:
    made = []
    for number in range(2):
        (tmp_path / f"box-{number}").mkdir()
        made.append(SigningKey.of(tmp_path / f"box-{number}"))
    return made


def signed(key: SigningKey, event: dict[str, Any]) -> bytes:
    value = event_signature(key, encoded(event)).decode()
    event["data"]["signature"] = {"alg": "EdDSA", "kid": key.fingerprint, "value": value}
    return encoded(event)


class Store:
    def __init__(self, folder: Path, pins: Pins) -> None:
        place = Place(folder / "console.db")
        self.writer = Writer(open_writer(place), pins=pins)
        self.reader = Reader(place)

    def hear(self, rest: str, body: bytes) -> int:
        """Return how many receipts it was worth."""
        arrival = Arrival(f"jaitf/v1/lfw/edge-01/up/{rest}", body, 1_800_000_000_000)
        return len(self.writer.commit([intake.read(TOPICS, arrival)]))

    def birth(self, key: SigningKey) -> None:
        said = {"kid": key.fingerprint, "pem": key.public_pem.decode(), "alg": "EdDSA"}
        self.hear("birth", encoded({"ledger_id": "l", "seq_start": 1, "key": said}))

    def trust(self) -> list[str]:
        return [row["trust"] for row in self.reader.shown(10)]

    def conflicts(self) -> list[str]:
        return [row["kind"] for row in self.reader.conflicts()]


@pytest.fixture
def store(tmp_path: Path) -> Any:
    made: list[Store] = []

    def open_with(pins: Pins = Pins({})) -> Store:  # noqa: B008 - it is frozen
        made.append(Store(tmp_path, pins))
        return made[-1]

    yield open_with
    for each in made:
        each.reader.close()
        each.writer.close()


def test_what_an_appliance_signs_holds_here_and_nothing_else_does(keys: list[SigningKey]) -> None:
    event = signed(keys[0], hit(1, bag="é\u2028"))
    assert signer_of(event) == keys[0].fingerprint
    assert holds(event, keys[0].public_pem.decode())
    assert not holds(event, keys[1].public_pem.decode())
    for place in range(0, len(event), 7):
        flipped = event[:place] + bytes([event[place] ^ 1]) + event[place + 1 :]
        assert not holds(flipped, keys[0].public_pem.decode()), place
    assert holds(json.dumps(json.loads(event), indent=1).encode(), keys[0].public_pem.decode()), (
        "spelling is no content"
    )


def test_the_first_key_is_believed_and_another_is_told(store: Any, keys: list[SigningKey]) -> None:
    here = store()
    assert here.hear("hit/xray-1", signed(keys[0], hit(1))) == 1, "before the birth nobody can know"
    assert here.trust() == ["unknown"]
    here.birth(keys[0])
    here.birth(keys[1])
    assert here.trust() == ["known"]
    assert here.hear("hit/xray-1", signed(keys[1], hit(2))) == 1
    assert here.hear("hit/xray-1", encoded(hit(3))) == 1
    assert here.trust() == ["unsigned", "unknown", "known"]


def test_a_forged_hit_is_refused_and_shown(store: Any, keys: list[SigningKey]) -> None:
    here = store()
    here.birth(keys[0])
    event = json.loads(signed(keys[0], hit(1)))
    event["data"]["severity"] = "low"
    assert here.hear("hit/xray-1", encoded(event)) == 0
    assert (here.trust(), here.conflicts()) == ([], ["forged"])


def test_where_a_key_is_pinned_no_other_counts(store: Any, keys: list[SigningKey]) -> None:
    here = store(Pins({("lfw", "edge-01"): keys[0].fingerprint}))
    here.birth(keys[1])
    here.birth(keys[0])
    assert here.hear("hit/xray-1", signed(keys[1], hit(1))) == 0
    assert here.hear("hit/xray-1", encoded(hit(2))) == 0
    assert here.hear("hit/xray-1", signed(keys[0], hit(3))) == 1
    assert here.trust() == ["pinned"]


def test_pins_are_lines_and_say_where_they_are_wrong(tmp_path: Path) -> None:
    path = tmp_path / "pins"
    path.write_text(f"# the airport\nlfw/edge-01 {'ab' * 32}\n\n")
    assert Pins.read(path).of == {("lfw", "edge-01"): "ab" * 32}
    path.write_text("\nlfw edge-01\n")
    with pytest.raises(SealError, match=r"pins:2: not SITE/EDGE"):
        Pins.read(path)


def test_a_command_is_signed_for_its_topic_alone(tmp_path: Path, keys: list[SigningKey]) -> None:
    key = CommandKey(tmp_path / "box-0" / "signing.pem")
    asked = command({"name": "ping", "officer": "7"}, "lfw", "edge-01", 1_800_000_000_000)
    topic = TOPICS.down("lfw", "edge-01", "cmd", "ping")
    body = key.signed(asked.body, topic)
    listed = tmp_path / "keys.pem"
    listed.write_bytes(keys[0].public_pem)
    authority, parsed = ConsoleKeys.read(listed), _parsed(body)
    assert authority.refusal(parsed, encoded(body), topic) == ""
    assert authority.refusal(parsed, encoded(body), topic.replace("edge-01", "edge-02"))


def _parsed(body: dict[str, Any]) -> Any:
    from edge.down import Command

    return Command.model_validate(body)


def test_a_key_that_others_may_read_is_refused(tmp_path: Path, keys: list[SigningKey]) -> None:
    (tmp_path / "box-0" / "signing.pem").chmod(0o644)
    with pytest.raises(SealError, match="chmod 600"):
        CommandKey(tmp_path / "box-0" / "signing.pem")
