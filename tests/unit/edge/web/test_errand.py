"""Errands end whatever their visitor does: the next one's turn comes."""

import asyncio

import pytest

from drivers.errors import StoreError
from edge.web import errand
from edge.web.downloads import Delivery
from edge.web.errand import Errands
from tests.core import until

SCOPE = {"type": "http", "asgi": {"spec_version": "2.3"}}  # as uvicorn says


@pytest.fixture
def started(monkeypatch):
    """Errands are `sh -c SCRIPT`; yields the processes."""
    run, processes = asyncio.create_subprocess_exec, []

    async def start(*_, **options):
        processes.append(await run("sh", "-c", start.script, **options))
        return processes[-1]

    start.script = "echo '{}'; printf picture"
    start.processes = processes
    monkeypatch.setattr(errand.asyncio, "create_subprocess_exec", start)
    return start


async def there():
    await asyncio.Event().wait()


async def gone():
    return {"type": "http.disconnect"}


async def sent(brought, receive):
    messages = []

    async def send(message):
        await asyncio.sleep(0)  # as where a client does not read
        messages.append(message)

    await Delivery(brought, "image/jpeg", {})(SCOPE, receive, send)
    return b"".join(message.get("body", b"") for message in messages)


async def test_what_is_brought_is_sent(started):
    errands = Errands()
    for _ in range(2):
        assert await sent(await errands.run("picture", "h", "web:a"), there) == b"picture"
    await until(lambda: all(each.returncode is not None for each in started.processes))


async def test_a_visitor_who_went_before_the_first_byte_holds_nobody_up(started):
    errands = Errands()
    started.script = "echo '{}'; exec sleep 600"
    await sent(await errands.run("picture", "h", "web:a"), gone)
    await until(lambda: started.processes[0].returncode is not None)
    started.script = "echo '{}'; printf next"
    async with asyncio.timeout(60):
        assert await sent(await errands.run("picture", "h", "web:b"), there) == b"next"


async def test_one_that_fails_says_why_and_lets_the_next_in(started):
    errands = Errands()
    started.script = "echo warning >&2; echo 'no such hit' >&2; exit 1"
    for _ in range(2):
        with pytest.raises(StoreError, match="no such hit"):
            await errands.run("picture", "h", "web:a")
