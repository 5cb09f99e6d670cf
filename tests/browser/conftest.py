"""A browser, a console and an appliance for the tests of the console's page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.visits import PATIENCE_MS, visiting
from tests.peers import Broker
from tests.unit.simulators.console.appliance import Appliance
from tests.unit.simulators.console.process import Console

expect.set_options(timeout=PATIENCE_MS)
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
    # A form that was refused is told as a failed load, and meant.
    with visiting(browser, meant="status of 422", kinds=("error", "warning")) as open_page:
        yield lambda path="/", viewport=DESKTOP, **options: open_page(console.url + path, viewport=viewport, **options)
