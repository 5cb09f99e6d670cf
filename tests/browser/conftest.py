"""A browser, a console and an appliance for the tests of the console's page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.peers import Broker
from tests.unit.simulators.console.appliance import Appliance
from tests.unit.simulators.console.process import Console

FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def console(broker: Broker, tmp_path: Path) -> Iterator[Console]:
    running = Console(broker.url, tmp_path / "console").ready()
    yield running
    running.close()


@pytest.fixture
def appliance(broker: Broker) -> Iterator[Appliance]:
    connected = Appliance(broker.port)
    yield connected
    connected.close()


@pytest.fixture
def visit(browser: Browser, console: Console) -> Iterator[Callable[..., Page]]:
    """Opens the page, and waits until it is live; whatever it complains of fails the test."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_page(path: str = "/", viewport: dict[str, int] = DESKTOP, **options: Any) -> Page:
        context = browser.new_context(viewport=viewport, **({"locale": "en-GB"} | options))  # type: ignore[arg-type]
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None,
        )
        page.goto(console.url + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [each for each in complaints if "422" not in each] == []  # a form that was refused is told as a failed load
