"""Pages in a browser: each opened as somebody new, and what it complains of is told by the test that opened it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page

#: No measure of the page: a busy machine may take its time.
PATIENCE_MS = 60_000


@contextmanager
def visiting(browser: Browser, meant: str, kinds: tuple[str, ...] = ("error",)) -> Iterator[Callable[..., Page]]:
    """Yield what opens a page by its address, in a context with the options given.

    At the end all are closed. A complaint of one of these kinds that does not match `meant`, or a script's failure,
    fails the test.
    """
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_page(url: str, **options: Any) -> Page:
        context = browser.new_context(**({"locale": "en-GB"} | options))
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda said: complaints.append(f"{said.text} {said.location['url']}") if said.type in kinds else None,
        )
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [each for each in complaints if not re.search(meant, each)] == []
