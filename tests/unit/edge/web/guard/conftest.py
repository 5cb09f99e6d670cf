"""A page behind its guard, with users whose passwords are hashed as cheaply as argon2 can."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime

import httpx
import pytest
from argon2 import PasswordHasher
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from edge.config import users
from edge.config.model import Web
from edge.web.guard import guarded, passwords

PASSWORD = "correct horse battery staple"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class Ticks:
    """A clock that goes when it is told to; whoever sleeps by it makes it go."""

    def __init__(self):
        self.now = 1000.0
        self.slept = []

    def __call__(self):
        return self.now

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


async def who(request: Request):
    visitor = request.scope["visitor"]
    return JSONResponse({"name": visitor.name, "role": visitor.role})


async def order(request: Request):
    await request.body()
    return PlainTextResponse("done")


PAGE = Starlette(routes=[Route("/", who), Route("/order", order, methods=["POST", "PUT", "DELETE"])])


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    monkeypatch.setattr(passwords, "_HASHER", CHEAP)
    monkeypatch.setattr(passwords, "NOBODY", CHEAP.hash("nobody"))


@pytest.fixture
def people(tmp_path):
    """Write ama, a technician, and kofi, a viewer; return the file."""
    path = tmp_path / "users.toml"
    for name, role in (("ama", users.Role.TECHNICIAN), ("kofi", users.Role.VIEWER)):
        users.put(path, name, users.User(role=role, password=CHEAP.hash(PASSWORD), since=datetime.now(UTC)))
    return path


class Browser:
    """Asks an application as from an address, and keeps its cookies."""

    def __init__(self, app, url, address, runner):
        transport = httpx.ASGITransport(app, client=(address, 40000))
        self._client = httpx.AsyncClient(transport=transport, base_url=url)
        self._runner = runner
        self.cookies = self._client.cookies

    def request(self, method, path, **options):
        return self._runner.run(self._client.request(method, path, **options))

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, **options):
        return self.request("POST", path, **options)


class Lane:
    """The guarded page: `told` is the audit, `ticks` its clock, `client()` a browser."""

    def __init__(self, path, app=PAGE, **web):
        self.told = []
        self.ticks = Ticks()
        self.app = guarded(app, Web(**web), path, audit=self.told.append, clock=self.ticks, sleep=self.ticks.sleep)

        self.runner = asyncio.Runner()

    def client(self, address="127.0.0.1", url="http://127.0.0.1:8088"):
        return Browser(self.app, url, address, self.runner)

    def signed_in(self, name, password=PASSWORD, **client):
        browser = self.client(**client)
        assert sign_in(browser, name, password).status_code == 303
        return browser


def sign_in(browser, name, password=PASSWORD, **fields):
    """Fill in the form as a browser does."""
    form = re.search(r'name="form" value="([^"]+)"', browser.get("/sign-in").text)[1]
    return browser.post("/sign-in", data={"form": form, "name": name, "password": password, "next": "/"} | fields)


@pytest.fixture
def lane_of():
    """Makes guarded pages: `lane_of(users_file, app, listen="...")`."""
    made = []

    def make(*args, **web):
        made.append(Lane(*args, **web))
        return made[-1]

    yield make
    for each in made:
        each.runner.close()


@pytest.fixture
def lane(people, lane_of):
    return lane_of(people)
