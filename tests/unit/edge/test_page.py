"""The core's side of the page, with the page's real process."""

import asyncio
import dataclasses
import logging
import os
import signal
import socket
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import httpx
import psutil
import pytest

from drivers.clock import SystemClock
from drivers.ports import free_port
from edge.config.model import Web
from edge.logs import Recent
from edge.messages import Reply
from edge.page import MAX_ORDERS, PageSide, Sources
from edge.page import _Served as Served
from edge.web import wire
from tests.core import until

pytestmark = pytest.mark.slow


def side(folder, port=0, order=None, listen=None):
    web = Web(listen=f"127.0.0.1:{port}" if listen is None else listen)
    config = SimpleNamespace(web=web, page_off="", folder=folder, appliance=SimpleNamespace(data_dir=folder))
    state = {
        "devices": [{"name": "xray-1", "state": "up"}],
        "health": {"queued": {}, "outbox_bytes": 0, "oldest_unsent_hit_s": 0},
    }
    return PageSide(config, SystemClock(), Sources(lambda: state, dict, Recent(), order, lambda *_: None))


@asynccontextmanager
async def running(page):
    task = asyncio.create_task(page.run())
    try:
        yield page
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def up(page):
    await until(lambda: page.body.state == "up")
    return page.body.address


def page_process():
    return next(each for each in psutil.Process().children() if "jaitf-edge-page" in " ".join(each.cmdline()))


async def test_a_page_that_dies_is_served_again_and_ends_with_the_core(tmp_path: Path):
    async with running(side(tmp_path)) as page:
        url = await up(page)
        async with httpx.AsyncClient(timeout=60) as client:
            assert (await client.get(url)).status_code == 200
            first = page_process()
            assert first.memory_info().rss < 100 * 1024 * 1024
            modules = Path(f"/proc/{first.pid}/maps").read_text()
            assert "onnxruntime" not in modules and "cv2" not in modules
            os.kill(first.pid, signal.SIGKILL)
            await until(lambda: page.body.state == "down")
            assert "-9" in page.body.reason
            assert (await client.get(await up(page))).status_code == 200
            last = page_process()
    assert not last.is_running()


async def test_a_port_in_use_is_a_state_and_ends_with_its_holder(tmp_path: Path, caplog):
    port = free_port()
    with socket.create_server(("127.0.0.1", port)), caplog.at_level(logging.CRITICAL):
        async with running(side(tmp_path, port)) as page:
            await until(lambda: page.body.reason != "starting")
            assert page.body.state == "down" and f"held by process {os.getpid()}" in page.body.reason
            assert page.body.address == f"127.0.0.1:{port}"


async def test_without_an_address_there_is_no_page(tmp_path: Path):
    async with running(side(tmp_path, listen="")) as page:
        await until(lambda: page.body.state == "off")


async def test_an_order_comes_with_its_sender_and_its_answer_goes_back(tmp_path: Path):
    heard, name = [], "selftest"

    async def order(name, by, args):
        heard.append((name, by, args))
        return Reply(transaction="t", status="done", code="passed", detail="", at="2026-11-21T09:30:12.000Z")

    async with running(side(tmp_path, order=order)) as page:
        url = await up(page)
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:
            csrf = (await client.get("/api/visitor")).json()["csrf"]
            told = await client.post(f"/api/orders/{name}", json={}, headers={"X-CSRF-Token": csrf})
            assert told.json()["status"] == "done"
    assert heard == [(name, "web:local", {})]


async def test_an_order_under_way_is_done_though_the_page_dies(tmp_path: Path):
    begun, go_on, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def order(name, by, args):
        begun.set()
        await go_on.wait()
        done.set()
        return Reply(transaction="t", status="done", code="passed", detail="", at="2026-11-21T09:30:12.000Z")

    async with running(side(tmp_path, order=order)) as page:
        url = await up(page)
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:
            csrf = (await client.get("/api/visitor")).json()["csrf"]
            asked = asyncio.create_task(client.post("/api/orders/selftest", json={}, headers={"X-CSRF-Token": csrf}))
            await asyncio.wait_for(begun.wait(), 60)
            os.kill(page_process().pid, signal.SIGKILL)
            await asyncio.gather(asked, return_exceptions=True)
            await until(lambda: page.body.state == "down")
            go_on.set()
            await asyncio.wait_for(done.wait(), 60)
            await up(page)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"\xff\xff\xff\xff{}",
        b"\0\0\0\x02[]",
        b"\0\0\0\x0e" + b'{"kind":"x"}  ',
        b"\0\0\x9c\x40" + b"[" * 40_000,
    ],
)
async def test_a_page_that_talks_nonsense_is_given_up(tmp_path: Path, data):
    page = side(tmp_path)
    core, theirs = wire.pair()
    with core, theirs:
        served = Served(core, 0)
        theirs.send(data) if data else theirs.close()
        page._hear(served)
        assert served.ended.is_set()


async def test_a_page_can_neither_flood_the_audit_nor_wait_in_crowds(tmp_path: Path):
    audited, begun, go = [], [], asyncio.Event()

    async def order(name, by, args):
        begun.append(name)
        await go.wait()
        return Reply(transaction="t", status="done", code="passed", detail="", at="2026-11-21T09:30:12.000Z")

    page = side(tmp_path, order=order)
    page._sources = dataclasses.replace(page._sources, audit=lambda *said: audited.append(said))
    core, theirs = wire.pair()
    with core, theirs:
        served = Served(core, 0)
        for number in range(100):
            page._take(served, wire.Message("sign", {"deed": "sign-in-failed", "name": "x" * 999, "address": "::1"}))
            page._take(served, wire.Message("order", {"number": number, "name": "selftest", "by": "a", "args": {}}))
        await until(lambda: len(begun) == MAX_ORDERS)
        assert len(audited) == 20 and len(audited[0][3]) < 300
        busy = [wire.receive(theirs) for _ in range(100 - MAX_ORDERS)]
        assert {answer.said["reply"]["code"] for answer in busy} == {"busy"}
        go.set()
        await until(lambda: not served.under_way)
        assert len(begun) == MAX_ORDERS


async def test_what_is_too_large_for_the_page_is_told_once_and_skipped(tmp_path: Path, caplog):
    page = side(tmp_path)
    core, theirs = wire.pair()
    with core, theirs:
        served = Served(core, 0)
        large = wire.Message("state", {"state": "x" * wire.MAX_BYTES})
        assert page._send(served, large) and page._send(served, large)
        assert wire.receive(theirs) is None
    assert len([line for line in caplog.messages if "not told its state" in line]) == 1
