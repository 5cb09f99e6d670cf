"""Every target over its corpus, and over some thousand mutations of it from a fixed seed."""

from __future__ import annotations

import random

import pytest

from tests.fuzz.__main__ import broken, corpus, mutated
from tests.fuzz.targets import TARGETS

pytestmark = pytest.mark.slow

MUTATIONS = 400


@pytest.mark.parametrize("name", TARGETS)
def test_the_corpus_and_what_is_near_it_break_nothing(name: str) -> None:
    seeds = corpus(name)
    assert seeds
    chance = random.Random(name)
    for data in [*seeds, *(mutated(chance.choice(seeds), chance) for _ in range(MUTATIONS))]:
        error = broken(name, data)
        assert error is None, f"{type(error).__name__}: {error}: {data[:200]!r}"


def test_what_is_looked_for_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(data: bytes) -> None:
        data[3]

    monkeypatch.setitem(TARGETS, "careless", (careless, (ValueError,)))
    assert isinstance(broken("careless", b""), IndexError)
    assert broken("careless", b"four") is None
