"""Commands of bytes: shown at once, said again, left at rest; what a board does not answer is told."""

from __future__ import annotations

import re
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from drivers.contract import DeviceState, Output
from drivers.errors import LinkTimeout, ProtocolError
from drivers.lamp import DRIVER
from drivers.lamp.codec import Form, answered, encode
from drivers.lamp.driver import LampDriver
from drivers.lamp.settings import LampSettings
from simulators.lamp.board import Board
from simulators.line import Line
from tests.fakeport import FakePort, running

README = Path(__file__).parents[4] / "drivers" / "lamp" / "README.md"
LAMP = {"name": "lamp", "form": "text", "on": "SET 0 1\r\n", "off": "SET 0 0\r\n", "answer": "OK\r\n"}
BUZZER = {"name": "buzzer", "form": "hex", "on": b"SET 1 1\r\n".hex(" "), "off": b"SET 1 0\r\n".hex(" ")}


@asynccontextmanager
async def board() -> AsyncIterator[tuple[Board, Line, str]]:
    one = Board()
    line = Line(took=one.took)
    try:
        yield one, line, f"tcp://127.0.0.1:{await line.listen()}"
    finally:
        await line.close()


@pytest.fixture
def port(tmp_path: Path) -> FakePort:
    return FakePort(state_dir=tmp_path)


def driver(url: str, *switches: dict[str, Any], **more: Any) -> LampDriver:
    given_ = {"url": url, "switches": switches or (LAMP, BUZZER), "timeout_ms": 20_000, **more}
    return LampDriver(LampSettings.model_validate(given_))


async def test_an_order_is_shown_at_once_and_rest_is_left_behind(port: FakePort) -> None:
    async with board() as (shown, _, url):
        under_test = driver(url, repeat_s=3600)
        async with running(under_test, port):
            await port.until(lambda: shown.relays == {0: False, 1: False})
            under_test.order({"lamp": Output(True), "buzzer": Output(False, rest=True), "other": Output(True)})
            await port.until(lambda: shown.relays == {0: True, 1: False})
        await port.until(lambda: shown.relays == {0: False, 1: True})
    assert not port.errors


async def test_a_board_that_was_switched_off_shows_it_again(port: FakePort) -> None:
    async with board() as (shown, _, url):
        under_test = driver(url, repeat_s=0.05)
        under_test.order({"lamp": Output(True)})
        async with running(under_test, port):
            await port.until(lambda: shown.relays.get(0))
            shown.relays.clear()
            await port.until(lambda: shown.relays == {0: True, 1: False})
            await port.until(lambda: port.readings)
        assert port.readings[0].values == {"outputs": {"lamp": True, "buzzer": False}}


async def test_what_a_board_does_not_answer_is_told(port: FakePort) -> None:
    async with board() as (_, line, url):
        line.mute = True
        with pytest.raises(LinkTimeout, match="lamp: no answer within 50 ms"):
            await driver(url, timeout_ms=50, repeat_s=0.05).run(port)
        line.mute, line.spoil = False, lambda data: b"#" * len(data)
        with pytest.raises(ProtocolError, match="bytes came, but no answer"):
            await driver(url, timeout_ms=500, max_timeouts=1, repeat_s=0.05).run(port)
        line.spoil = lambda data: data
        async with running(driver(url), port):
            await port.until(lambda: port.last and port.last.state is DeviceState.UP)


@given(st.binary(min_size=1, max_size=40), st.binary(max_size=20), st.binary(max_size=20))
def test_bytes_are_what_they_are_written_as(command: bytes, before: bytes, after: bytes) -> None:
    assert encode(command.hex(" "), Form.HEX) == encode(command.hex(), Form.HEX) == command
    assert answered(before + command + after, command)


@pytest.mark.parametrize(
    ("switches", "says"),
    [
        ([{**LAMP, "form": "hex"}], "bytes in hexadecimal"),
        ([LAMP, LAMP], "same name"),
        ([], "nothing to switch"),
    ],
)
def test_settings_that_make_no_sense(switches: list[dict[str, Any]], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        LampSettings.model_validate({"url": "tcp://h:1", "switches": switches})


def test_the_examples_are_valid() -> None:
    texts = [DRIVER.example, *re.findall(r"```toml\n(.*?)```", README.read_text(), re.DOTALL)]
    made = [LampSettings.model_validate(d["settings"]) for t in texts if "settings" in (d := tomllib.loads(t))]
    assert [one.outputs() for one in made] == [{"lamp", "buzzer"}] * 2
