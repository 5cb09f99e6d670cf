"""Signing in at the technician's page of a running appliance, in Chromium over TLS, with and without a script."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from edge.config import users
from edge.ledger.reader import Reader
from edge.web.guard import passwords
from tests.browser.visits import visiting
from tests.certs import issue

pytestmark = pytest.mark.browser

PASSWORD = "correct horse battery staple"
READY_S = 60
ORDER = """async (name) => {
  const visitor = await (await fetch('/api/visitor')).json();
  const answer = await fetch('/api/orders/' + name, {method: 'POST', body: '{}',
    headers: {'X-CSRF-Token': visitor.csrf, 'Content-Type': 'application/json'}});
  return [visitor.name, visitor.role, answer.status, (await answer.text()).slice(0, 200)];
}"""


class Lane:
    """An appliance with a page over TLS, and two people who may sign in."""

    def __init__(self, folder: Path) -> None:
        self.config, self.data = folder / "config", folder / "data"
        (self.config / "devices").mkdir(parents=True)
        issue(self.config)
        for name, role in (("ama", users.Role.TECHNICIAN), ("kofi", users.Role.VIEWER)):
            user = users.User(role=role, password=passwords.hashed(PASSWORD, name), since=datetime.now(UTC))
            users.put(self.config / "users.toml", name, user)
        # No broker: what is audited stays in the ledger, where it can be read.
        (self.config / "edge.toml").write_text(
            f'[appliance]\nsite = "lfw"\nlane = "t1-l3"\nid = "edge-01"\ndata_dir = "{self.data}"\n'
            f'[console]\nurl = "mqtt://127.0.0.1:1"\n'
            '[web]\nlisten = "127.0.0.1:0"\ncert_file = "page.pem"\nkey_file = "page.key"\n'
        )
        (self.config / "devices" / "io-1.toml").write_text(
            'driver = "modbus"\n[settings]\nurl = "tcp://127.0.0.1:1"\nprofile = "iologik-e1200"\n'
        )
        self.log = folder / "log"
        with self.log.open("wb") as log:
            command = [sys.executable, "-m", "edge", "run", "--config", str(self.config)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=os.environ)
        self.url = self._url()

    def _url(self) -> str:
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            if found := re.search(r"page: (https://\S+)", self.log.read_text()):
                return found[1]
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.1)
        raise AssertionError(self.log.read_text())

    def audited(self) -> list[str]:
        reader = Reader(self.data)
        try:
            return [each.payload.decode() for each in reader.notes_after(0, "audit", 100, 10**9)]
        finally:
            reader.close()

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


@pytest.fixture(scope="module")
def lane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lane]:
    running = Lane(tmp_path_factory.mktemp("page"))
    yield running
    running.end()


@pytest.fixture
def visit(browser: Browser, lane: Lane) -> Iterator[Callable[..., Page]]:
    """Opens the page as somebody new; what its policy forbids, or breaks, fails the test."""
    # A wrong password and a refused order are told as failed loads, and meant; the browser asks for an icon by itself.
    with visiting(browser, meant=r"status of (401|403)|favicon") as open_page:
        yield lambda **options: open_page(lane.url, ignore_https_errors=True, **options)


def sign_in(page: Page, name: str, password: str = PASSWORD) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def test_a_viewer_looks_and_gives_no_order(visit: Callable[..., Page], lane: Lane) -> None:
    page = visit()
    expect(page).to_have_url(f"{lane.url}sign-in")
    sign_in(page, "kofi", "wrong password")
    expect(page.get_by_role("alert")).to_contain_text("Name or password is wrong")
    expect(page.get_by_label("Name")).to_have_value("kofi")
    sign_in(page, "kofi")
    expect(page).to_have_url(lane.url)
    expect(page.locator("body")).to_contain_text("io-1")  # the events come through
    name, role, status, said = page.evaluate(ORDER, "selftest")
    assert (name, role, status) == ("kofi", "viewer", 403)
    assert "viewer" in said
    assert page.evaluate("document.cookie") == ""  # no script gets at the session


def test_a_technician_orders_and_signs_out(visit: Callable[..., Page], lane: Lane) -> None:
    page = visit()
    sign_in(page, "ama")
    expect(page).to_have_url(lane.url)
    assert page.evaluate(ORDER, "device.restart")[:2] == ["ama", "technician"]
    assert page.evaluate(ORDER, "selftest")[2] == 200
    forged = page.evaluate("async () => (await fetch('/api/orders/selftest', {method: 'POST', body: '{}'})).status")
    assert forged == 403
    page.goto(f"{lane.url}sign-out")
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{lane.url}sign-in")
    page.goto(lane.url)
    expect(page).to_have_url(f"{lane.url}sign-in")
    deadline, wanted = time.monotonic() + READY_S, ("page signed-in", "page signed-out", "web:ama")
    while not all(word in "\n".join(lane.audited()) for word in wanted):  # each line is written in its turn
        assert time.monotonic() < deadline, lane.audited()
        time.sleep(0.05)


def test_without_a_script_in_four_languages(visit: Callable[..., Page], lane: Lane) -> None:
    page = visit(java_script_enabled=False, locale="fr-FR", viewport={"width": 390, "height": 844})
    expect(page.get_by_role("heading")).to_have_text("Se connecter")
    page.get_by_role("link", name="Português").click()
    expect(page.get_by_role("heading")).to_have_text("Iniciar sessão")
    page.get_by_role("link", name="Español").click()
    page.get_by_label("Nombre").fill("ama")
    page.get_by_label("Contraseña").fill(PASSWORD)
    page.get_by_role("button").click()
    expect(page).to_have_url(lane.url)
