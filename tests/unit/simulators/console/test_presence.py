"""A will that comes late says nothing about now."""

from hypothesis import given
from hypothesis import strategies as st

from simulators.console.presence import PAST_SESSIONS, Presence, heard_birth, heard_state

NEVER = Presence()


def at(second: int) -> str:
    return f"2026-11-21T09:30:{second:02d}.000Z"


def online(known: Presence, session: str, second: int) -> Presence:
    after = heard_state(known, "online", session, at(second), second, retained=False)
    assert after is not None
    return after


def test_the_will_of_the_present_session_counts() -> None:
    after = heard_state(online(NEVER, "a", 1), "offline", "a", at(1), 9, retained=False)
    assert after is not None
    assert (after.state, after.since_ms) == ("offline", 9)


def test_a_late_will_of_a_session_before_is_ignored() -> None:
    now = online(online(NEVER, "a", 1), "b", 5)
    assert heard_state(now, "offline", "a", at(1), 9, retained=False) is None


def test_also_where_the_clock_went_back_in_between() -> None:
    now = online(online(NEVER, "a", 50), "b", 5)
    assert heard_state(now, "offline", "a", at(50), 9, retained=False) is None


def test_an_older_session_never_seen_is_ignored_and_a_younger_one_counts() -> None:
    now = online(NEVER, "b", 5)
    assert heard_state(now, "offline", "a", at(1), 9, retained=True) is None
    after = heard_state(now, "stopped", "c", at(7), 9, retained=True)
    assert after is not None
    assert (after.state, after.session, after.since_before) == ("stopped", "c", True)


def test_an_order_to_stop_of_a_session_before_is_ignored() -> None:
    now = online(online(NEVER, "a", 1), "b", 5)
    assert heard_state(now, "stopped", "a", at(3), 9, retained=False) is None


def test_the_same_again_leaves_since_alone() -> None:
    now = online(NEVER, "a", 1)
    assert heard_state(now, "online", "a", at(1), 30, retained=True) == now


def test_a_birth_tells_of_a_session_whose_state_was_overwritten_by_a_late_will() -> None:
    will = heard_state(NEVER, "offline", "a", at(1), 20, retained=True)
    assert will is not None
    after = heard_birth(will, "b", at(5), 20, retained=True)
    assert (after.state, after.session) == ("online", "b")
    assert heard_state(after, "offline", "a", at(1), 21, retained=True) is None


def test_an_old_birth_does_not_wake_the_dead() -> None:
    dead = heard_state(online(NEVER, "b", 5), "offline", "b", at(5), 9, retained=False)
    assert dead is not None
    assert heard_birth(dead, "a", at(1), 10, retained=True) == dead
    assert heard_birth(dead, "b", at(5), 10, retained=True) == dead
    assert heard_birth(dead, "", "", 10, retained=True) == dead


@given(st.lists(st.tuples(st.sampled_from(["online", "stopped", "offline"]), st.sampled_from("abcdef"))))
def test_the_last_own_word_or_its_will_is_what_shows(words: list[tuple[str, str]]) -> None:
    known = NEVER
    for second, (state, session) in enumerate(words):
        known = heard_state(known, state, session, at(second % 60), second, retained=False) or known
        assert len(known.past) <= PAST_SESSIONS
        assert known.session not in known.past
        if state == "online":
            assert (known.state, known.session) == ("online", session)
        elif known.session == session:
            assert known.state == state
