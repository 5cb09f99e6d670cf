"""The form: cookies, throttle, languages, and what is told of it."""

import asyncio
import re
from http.cookies import SimpleCookie

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.web.guard import Deed, origin, passwords, render, throttle
from edge.web.guard.throttle import HeldOffError, Throttle
from tests.certs import issue
from tests.unit.edge.web.guard.conftest import PASSWORD, Ticks, sign_in


def cookies(answer):
    jar = SimpleCookie()
    for line in answer.headers.get_list("set-cookie"):
        jar.load(line)
    return jar


def test_the_cookie(lane):
    answer = sign_in(lane.client(), "ama")
    cookie = cookies(answer)["jaitf-edge"]
    assert (cookie["httponly"], cookie["samesite"].lower(), cookie["path"], cookie["domain"]) == (
        True,
        "strict",
        "/",
        "",
    )
    assert not cookie["secure"] and len(cookie.value) >= 43


def test_the_cookie_under_tls(tmp_path, people, lane_of):
    cert, key = issue(tmp_path)
    lane = lane_of(people, listen="0.0.0.0:8443", cert_file=cert, key_file=key)
    browser = lane.client(url="https://localhost:8443")
    jar = cookies(sign_in(browser, "ama"))
    assert jar["__Host-jaitf-edge"]["secure"] and jar["__Host-jaitf-edge"]["httponly"]
    assert browser.get("/").json()["name"] == "ama"


def test_each_signing_in_is_another_session(lane):
    browser = lane.client()
    first = cookies(sign_in(browser, "ama"))["jaitf-edge"].value
    second = cookies(sign_in(browser, "ama"))["jaitf-edge"].value
    assert first != second
    browser.cookies.set("jaitf-edge", first)
    assert browser.get("/").status_code == 401  # the one before is over
    given_ = lane.client()
    given_.cookies.set("jaitf-edge", "chosen-by-a-stranger")
    assert cookies(sign_in(given_, "kofi"))["jaitf-edge"].value != "chosen-by-a-stranger"


def test_wrong_is_told_the_same_for_every_reason(lane):
    browser = lane.client()
    for name, password in (("ama", "wrong"), ("nobody", PASSWORD), ("", ""), ("ama", "x" * 300)):
        answer = sign_in(browser, name, password)
        assert answer.status_code == 401
        assert "Name or password is wrong" in answer.text
        assert "jaitf-edge" not in cookies(answer)
    assert [(each.deed, each.name) for each in lane.told] == [(Deed.FAILED, name) for name in ("ama", "", "", "ama")]
    assert sign_in(lane.client(), " AMA ").status_code == 303


def test_what_is_typed_by_mistake_is_told_nobody(lane):
    sign_in(lane.client(), PASSWORD, "")
    assert PASSWORD not in repr(lane.told)


def test_a_name_that_nobody_has_costs_as_much(lane, monkeypatch):
    verified = []
    real = passwords._HASHER.verify

    class Counting:
        def verify(self, hash_, password):
            verified.append((hash_.count("$"), len(password)))
            return real(hash_, password)

    monkeypatch.setattr(passwords, "_HASHER", Counting())
    for name in ("ama", "nobody"):
        sign_in(lane.client(), name, "wrong")
    assert verified[0] == verified[1] and len(verified) == 2


def test_a_form_of_another_site_signs_nobody_in(lane):
    browser = lane.client()
    assert browser.post("/sign-in", data={"name": "ama", "password": PASSWORD}).status_code == 403
    other = re.search(r'name="form" value="([^"]+)"', lane.client().get("/sign-in").text)[1]
    browser.get("/sign-in")
    assert sign_in(browser, "ama", form=other).status_code == 403
    answer = browser.post("/sign-in", data={}, headers={"Origin": "http://evil.example"})
    assert (answer.status_code, lane.told) == (403, [])


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example", "/\\evil.example", "evil", "", "/\t/e", "\\/e"]
)
def test_afterwards_nobody_is_sent_elsewhere(lane, target):
    assert sign_in(lane.client(), "ama", next=target).headers["location"] == "/"
    assert sign_in(lane.client(), "ama", next="/scan?id=1").headers["location"] == "/scan?id=1"


@given(st.text(max_size=20))
def test_a_way_back_is_a_path_here(text):
    found = origin.local_path(text)
    assert found.startswith("/") and not found.startswith(("//", "/\\")) and "\n" not in found


@pytest.mark.parametrize(
    ("headers", "query", "language"),
    [
        ({}, "", "en"),
        ({"Accept-Language": "fr-FR,fr;q=0.9,en;q=0.8"}, "", "fr"),
        ({"Accept-Language": "de, en;q=0.2, pt-BR;q=0.7"}, "", "pt"),
        ({"Accept-Language": "fr;q=0, es;q=x, ,;;="}, "", "en"),
        ({"Accept-Language": "fr"}, "?lang=es", "es"),
        ({"Accept-Language": "fr", "Cookie": "lang=pt"}, "", "pt"),
        ({"Accept-Language": "fr"}, "?lang=../../etc", "fr"),
    ],
)
def test_languages(lane, headers, query, language):
    page = lane.client().get(f"/sign-in{query}", headers=headers).text
    assert f'<html lang="{language}">' in page
    assert render.texts(language)["password"] in page


def test_every_language_says_everything():
    keys = {language: set(render.texts(language)) for language in render.LANGUAGES}
    assert all(each == keys["en"] for each in keys.values())
    held_off = [render.texts(language)["error.held_off"] for language in render.LANGUAGES]
    assert all("{seconds}" in each for each in held_off)


def test_what_was_typed_is_shown_as_text(lane):
    page = sign_in(lane.client(), '"><script>x', "wrong", next='/"><script>').text
    assert "<script>" not in page


def test_failures_make_the_next_try_wait(lane):
    browser = lane.client(address="10.0.0.9")
    for _ in range(8):
        sign_in(browser, "ama", "wrong")
    assert lane.ticks.slept == [1.0, 2.0, 4.0, 8.0, 16.0] or lane.ticks.slept == sorted(lane.ticks.slept)
    assert 1.0 <= lane.ticks.slept[0] <= lane.ticks.slept[-1] <= throttle.ADDRESS_MOST_S
    assert sign_in(browser, "ama").status_code == 303  # never locked out


def test_hammering_a_name_does_not_keep_its_owner_out(lane):
    lane.signed_in("ama", address="10.0.0.5")
    for host in range(40):
        sign_in(lane.client(address=f"10.0.1.{host}"), "ama", "wrong")
    assert lane.ticks.slept  # from addresses never seen before they wait
    lane.ticks.slept.clear()
    lane.signed_in("ama", address="10.0.0.5")
    assert lane.ticks.slept == []
    lane.signed_in("ama", address="10.0.0.6")
    assert lane.ticks.slept and max(lane.ticks.slept) <= throttle.NAME_MOST_S


def test_a_success_forgives_no_failures():
    ticks = Ticks()
    guard = Throttle(ticks)
    for _ in range(6):
        guard.failed("ama", "10.0.0.9")
    wait = guard.wait_s("ama", "10.0.0.9")
    guard.succeeded("kofi", "10.0.0.9")
    assert guard.wait_s("ama", "10.0.0.9") == wait > 0
    ticks.now += 60 * throttle.FORGET_ONE_S
    assert guard.wait_s("ama", "10.0.0.9") == 0


async def test_too_many_at_once_are_told_to_come_again():
    guard = Throttle()
    heard = asyncio.Event()

    async def one(address):
        async with guard.turn("ama", address):
            await heard.wait()

    async with asyncio.TaskGroup() as group:
        for _ in range(throttle.WAITING_OF_ADDRESS):
            group.create_task(one("10.0.0.9"))
        await asyncio.sleep(0)
        with pytest.raises(HeldOffError):
            await one("10.0.0.9")
        for host in range(throttle.WAITING_OF_ALL - throttle.WAITING_OF_ADDRESS):
            group.create_task(one(f"10.0.1.{host}"))
        await asyncio.sleep(0)
        with pytest.raises(HeldOffError):
            await one("10.0.2.1")
        guard.succeeded("ama", "10.0.2.1")
        group.create_task(one("10.0.2.1"))  # who was here before still gets in
        await asyncio.sleep(0)
        heard.set()


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 400), st.booleans(), st.floats(0, 300)), max_size=80))
def test_nobody_waits_for_longer_than_the_most(tries):
    ticks = Ticks()
    guard = Throttle(ticks)
    for name, host, right, seconds in tries:
        address = f"10.0.{host // 200}.{host % 200}"
        assert 0 <= guard.wait_s(name, address) <= throttle.ADDRESS_MOST_S
        (guard.succeeded if right else guard.failed)(name, address)
        ticks.now += seconds
    assert guard.wait_s("somebody else", "10.9.9.9") == 0
    for name in "abc":
        assert guard.wait_s(name, "10.9.9.9") <= throttle.NAME_MOST_S


def test_addresses():
    assert throttle.place("::ffff:10.0.0.1") == "10.0.0.1"
    assert throttle.place("2001:db8::1") == throttle.place("2001:db8::ffff:1") != throttle.place("2001:db8:0:1::1")
    assert throttle.place("fe80::1%eth0") == throttle.place("fe80::2")
    assert throttle.place("-") == "-"


def test_names_and_addresses_are_bounded():
    guard = Throttle(Ticks())
    for number in range(throttle._MAX_BUCKETS + 50):
        guard.failed(f"n{number}", f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
        guard.succeeded(f"n{number}", "10.0.0.1")
    assert len(guard._names) <= throttle._MAX_BUCKETS + 1
    assert len(guard._addresses) <= throttle._MAX_BUCKETS + 1
    assert len(guard._familiar) <= throttle._MAX_FAMILIAR


@pytest.mark.parametrize("password", ["short", "a" * 20, "ama ama ama ama", "x" * 300, "PasswordPassword"[:11]])
def test_weak_passwords_are_refused(password):
    from drivers.errors import ConfigError

    with pytest.raises(ConfigError):
        passwords.checked(password, "ama")


def test_accents_are_the_same_however_they_are_typed():
    composed, decomposed = "sécurité à la frontière", "sécurité à la frontière"
    assert passwords.matches(passwords.hashed(composed, "x"), decomposed)
    assert not passwords.matches("no hash", composed) and not passwords.matches(None, "nobody")
