"""The simulated tag reader: the same seed, the same bags; and a command that says what it is."""

from __future__ import annotations

import asyncio
import json

import pytest

from simulators.cli import main
from simulators.tagreader.llrp import Reader
from simulators.tagreader.model import TEAM, Gate


def test_bags_pass_one_after_another_and_are_strongest_in_the_middle():
    gate = Gate(seed=3, missed=0, team=False)
    first, gap, second = gate.at(1.0), gate.at(3.0), gate.at(5.0)
    assert [one.epc for one in first] == [gate.bag(0)]
    assert gap == []
    assert [one.epc for one in second] == [gate.bag(1)]
    assert first[0].rssi_dbm > gate.at(0.1)[0].rssi_dbm
    assert gate.bag(0) != Gate(seed=4).bag(0)


def test_missed_reads_are_a_share_and_the_same_for_the_same_seed():
    gate = Gate(missed=0.2)
    moments = [number * 0.05 for number in range(2000)]
    heard = [sum(one.epc == TEAM[0] for one in gate.at(moment)) for moment in moments]
    assert 0.75 < sum(heard) / len(heard) < 0.85
    assert [gate.at(moment) for moment in moments] == [Gate(missed=0.2).at(moment) for moment in moments]


def test_the_button_is_pressed_for_a_second_and_not_at_the_start():
    gate = Gate(button_s=5)
    assert [gate.pressed(moment) for moment in (0.5, 3, 5, 5.9, 6)] == [False, False, True, True, False]
    assert not Gate().pressed(5)


async def test_a_reader_keeps_its_rospecs_over_connections_and_has_one_client():
    reader = Reader()
    port = await reader.listen("127.0.0.1", 0)
    one_in, one_out = await asyncio.open_connection("127.0.0.1", port)
    assert (await one_in.readexactly(32))[-2:] == b"\x00\x00"
    two_in, two_out = await asyncio.open_connection("127.0.0.1", port)
    assert (await two_in.readexactly(32))[-2:] == b"\x00\x02"
    one_out.write(bytes.fromhex("04140000001400000005" + "00b1000a000000070000"))
    assert (await one_in.readexactly(18))[1] == 30
    assert reader.rospecs == {7: "disabled"}
    for writer in (one_out, two_out):
        writer.close()
        await writer.wait_closed()
    await reader.close()


@pytest.mark.parametrize("protocol", ["llrp", "m100", "reader18"])
def test_the_command_says_where_it_listens_and_that_it_is_simulated(capfd, protocol):
    options = ["tagreader", "--listen", "127.0.0.1:0", "--protocol", protocol, "--seconds", "0.01", "--json"]
    with pytest.raises(SystemExit) as ended:
        main(options)
    assert ended.value.code == 0
    said = json.loads(capfd.readouterr().out)
    assert said["listening"].startswith("tcp://127.0.0.1:")
    assert (said["protocol"], said["simulated"]) == (protocol, True)


@pytest.mark.parametrize("options", [["--listen", "5084"], ["--pty", "/tmp/x"], ["--protocol", "hf"]])
def test_wrong_use_is_refused(options, capfd):
    with pytest.raises(SystemExit) as ended:
        main(["tagreader", *options])
    assert ended.value.code == 2
