"""The core's side of the page, with the page's real process."""

import asyncio
import logging
import os
import signal
import socket
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import httpx
import psutil

from drivers.clock import SystemClock
from edge.config.model import Web
from edge.logs import Recent
from edge.messages import Reply
from edge.page import PageSide, Sources
from tests.core import until
from tests.peers import free_port


def side(folder, port=0, order=None, listen=None):
    web = Web(listen=f"127.0.0.1:{port}" if listen is None else listen)
    config = SimpleNamespace(web=web, page_off="", folder=folder, appliance=SimpleNamespace(data_dir=folder))
    state = {"devices": [{"name": "xray-1", "state": "up"}], "console": {}, "health": {}}
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
    await until(lambda: page.body.state == "up", 30)
    return page.body.address


def page_process():
    return next(each for each in psutil.Process().children() if "jaitf-edge-page" in " ".join(each.cmdline()))


async def test_a_page_that_dies_is_served_again_and_ends_with_the_core(tmp_path: Path):
    async with running(side(tmp_path)) as page:
        url = await up(page)
        async with httpx.AsyncClient(timeout=20) as client:
            assert (await client.get(url)).status_code == 200
            first = page_process()
            assert first.memory_info().rss < 100 * 1024 * 1024
            modules = Path(f"/proc/{first.pid}/maps").read_text()
            assert "onnxruntime" not in modules and "cv2" not in modules
            os.kill(first.pid, signal.SIGKILL)
            await until(lambda: page.body.state == "down", 10)
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
        async with httpx.AsyncClient(base_url=url, timeout=20) as client:
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
        async with httpx.AsyncClient(base_url=url, timeout=20) as client:
            csrf = (await client.get("/api/visitor")).json()["csrf"]
            asked = asyncio.create_task(client.post("/api/orders/selftest", json={}, headers={"X-CSRF-Token": csrf}))
            await asyncio.wait_for(begun.wait(), 20)
            os.kill(page_process().pid, signal.SIGKILL)
            await asyncio.gather(asked, return_exceptions=True)
            await until(lambda: page.body.state == "down", 10)
            go_on.set()
            await asyncio.wait_for(done.wait(), 20)
            await up(page)
