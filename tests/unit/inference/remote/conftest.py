from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from inference.model import Model
from inference.remote import remote as module
from tests.fakeoip import FakeServer


@pytest.fixture
def serve(darkness: Model) -> Iterator[Callable[..., FakeServer]]:
    """`serve()` starts a server of the package's own graph."""
    running: list[FakeServer] = []

    def start(**changes) -> FakeServer:
        running.append(FakeServer(**{"compute": darkness.local, **changes}))
        return running[-1]

    yield start
    for each in running:
        each.stop()


@pytest.fixture
def soon(monkeypatch) -> None:
    """A server that failed is tried again at once."""
    monkeypatch.setattr(module, "_PAUSES_S", dict.fromkeys(module._PAUSES_S, (0.01, 0.02)))
