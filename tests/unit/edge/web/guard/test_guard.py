"""Who gets to the page, and what for."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from drivers.errors import ConfigError
from edge.config import users
from edge.config.model import Web
from edge.web.guard import Deed, Role, body, guarded, origin
from edge.web.guard.headers import HEADERS
from edge.web.guard.sessions import IDLE_S as EVERY_IDLE_S
from edge.web.guard.sessions import LIFE_S, MAX_OF_ONE
from tests.certs import issue
from tests.unit.edge.web.guard.conftest import CHEAP, PAGE, PASSWORD, sign_in

IDLE_S = EVERY_IDLE_S[Role.TECHNICIAN]
LOCAL = {"name": "local", "role": "technician"}


def token(browser):
    return {"X-CSRF-Token": browser.get("/api/visitor").json()["csrf"]}


def deeds(lane):
    return [(each.deed, each.name) for each in lane.told]


def test_at_the_machine_itself_without_users(tmp_path, lane_of):
    browser = lane_of(tmp_path / "users.toml").client()
    assert browser.get("/").json() == LOCAL
    assert browser.get("/api/visitor").json().items() >= LOCAL.items()
    assert browser.get("/sign-in").headers["location"] == "/"
    assert browser.post("/order").status_code == 403
    assert browser.post("/order", headers=token(browser)).text == "done"


@pytest.mark.parametrize("listen", ["0.0.0.0:8088", "[::]:8088", "10.0.0.1:8088", "lane.example:8088"])
def test_other_machines_need_tls_and_users(tmp_path, people, listen):
    cert, key = issue(tmp_path)
    tls = {"cert_file": cert, "key_file": key}
    guarded(PAGE, Web(listen=listen, **tls), people)
    for web, path in ((Web(listen=listen), people), (Web(listen=listen, **tls), tmp_path / "none.toml")):
        with pytest.raises(ConfigError, match="is not served"):
            guarded(PAGE, web, path)


def test_without_signing_in(lane):
    browser = lane.client()
    assert browser.get("/").status_code == 401
    assert browser.get("/", headers={"Accept": "text/html"}).headers["location"] == "/sign-in"
    there = browser.get("/scan?id=1&x=2", headers={"Accept": "text/html"}).headers["location"]
    assert there == "/sign-in?next=%2Fscan%3Fid%3D1%26x%3D2"
    assert 'value="/scan?id=1&amp;x=2"' in browser.get(there).text
    assert browser.post("/order").status_code == 401
    browser.cookies.set("jaitf-edge", "x" * 43)
    assert browser.get("/").status_code == 401


@given(value=st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters='";,\\'), max_size=60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=40)
def test_no_other_cookie_opens_the_page(lane, value):
    right = lane.signed_in("ama").cookies["jaitf-edge"]
    browser = lane.client()
    for cookie in (value, right[:-1] + value[:1], right + value, value + right):
        browser.cookies.set("jaitf-edge", cookie)
        assert (browser.get("/").status_code == 200) is (cookie == right)
        browser.cookies.clear()


def test_a_technician_orders_and_a_viewer_does_not(lane):
    browser = lane.signed_in("ama")
    assert browser.get("/").json() == {"name": "ama", "role": "technician"}
    assert browser.post("/order", headers=token(browser)).text == "done"
    assert browser.request("DELETE", "/order", headers=token(browser)).text == "done"
    viewer = lane.signed_in("kofi")
    assert viewer.get("/").json() == {"name": "kofi", "role": "viewer"}
    assert viewer.post("/order", headers=token(viewer)).status_code == 403
    assert viewer.post("/order", headers=token(browser)).status_code == 403
    assert deeds(lane) == [(Deed.SIGNED_IN, "ama"), (Deed.SIGNED_IN, "kofi")]


@given(given_=st.text(max_size=64))
def test_a_token_is_right_or_it_is_not(given_):
    assert origin.same(given_, "right") is (given_ == "right")
    assert not origin.same(None, "right")


def test_an_order_without_the_token_is_none(lane):
    browser = lane.signed_in("ama")
    right = token(browser)["X-CSRF-Token"]
    for wrong in (
        {},
        {"X-CSRF-Token": ""},
        {"X-CSRF-Token": right[:-1]},
        {"X-CSRF-Token": token(lane.signed_in("ama"))["X-CSRF-Token"]},
    ):
        assert browser.post("/order", headers=wrong).status_code == 403


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("127.0.0.1", True),
        ("localhost:9000", True),
        ("[::1]:8088", True),
        ("10.1.2.3", True),
        ("LOCALHOST.", True),
        ("lane-3.example", True),
        ("evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("localhost@evil.example", False),
        ("[evil", False),
        ("", False),
    ],
)
def test_names(tmp_path, host, known, lane_of):
    browser = lane_of(tmp_path / "none", names=["Lane-3.example"]).client()
    assert browser.get("/", headers={"Host": host}).status_code == (200 if known else 421)


def test_a_certificate_s_names_are_the_page_s(tmp_path):
    cert, _ = issue(tmp_path, dns=("page.example", "*.lanes.example"))
    names = origin.Names((), cert)
    assert "page.example:8443" in names and "t1.lanes.example" in names
    assert "a.t1.lanes.example" not in names and "lanes.example" not in names


@pytest.mark.parametrize(
    ("method", "headers", "answered"),
    [
        ("POST", {"Origin": "http://127.0.0.1:8088"}, True),
        ("POST", {"Sec-Fetch-Site": "same-origin"}, True),
        ("POST", {"Origin": "http://evil.example"}, False),
        ("POST", {"Origin": "http://127.0.0.1:9000"}, False),
        ("POST", {"Origin": "https://127.0.0.1:8088"}, False),
        ("POST", {"Origin": "null"}, False),
        ("POST", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, False),
        ("POST", {"Sec-Fetch-Site": "same-site"}, False),
        ("GET", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, False),
        ("GET", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, True),
        ("GET", {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}, True),
    ],
)
def test_another_site_s_page_gives_no_order(tmp_path, method, headers, answered, lane_of):
    browser = lane_of(tmp_path / "none").client()
    path = "/order" if method == "POST" else "/"
    assert browser.request(method, path, headers=headers | token(browser)).status_code == (200 if answered else 403)


def test_every_answer_carries_the_headers(lane):
    browser = lane.client()
    answers = [browser.get("/"), browser.get("/sign-in"), browser.get("/sign-in.css"), browser.post("/order")]
    answers += [lane.signed_in("ama").get("/none"), browser.get("/", headers={"Host": "evil.example"})]
    for each in answers:
        assert each.headers.items() >= {name.lower(): value for name, value in HEADERS.items()}.items()
        assert "cache-control" in each.headers
        assert "unsafe" not in each.headers["content-security-policy"]


def test_what_the_page_says_does_not_weaken_them(tmp_path, lane_of):
    async def careless(request):
        return PlainTextResponse(
            "x", headers={"Content-Security-Policy": "default-src *", "Cache-Control": "max-age=9"}
        )

    answer = lane_of(tmp_path / "none", Starlette(routes=[Route("/", careless)])).client().get("/")
    assert answer.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]
    assert answer.headers["cache-control"] == "max-age=9"


async def pieces(count):
    for _ in range(count):
        yield b"x" * 1024


def test_bodies_have_a_limit(lane):
    browser = lane.signed_in("ama")
    headers = token(browser)
    assert browser.post("/order", content=b"x" * (4 * 1024 * 1024), headers=headers).text == "done"
    assert browser.post("/order", content=b"x" * (4 * 1024 * 1024 + 1), headers=headers).status_code == 413
    assert browser.post("/order", content=pieces(4097), headers=headers).status_code == 413
    assert browser.post("/sign-in", data={"name": "x" * 5000}).status_code == 413
    assert browser.post("/sign-in", json={"name": "ama"}).status_code == 415


def test_a_session_ends_when_nobody_is_there(lane):
    browser = lane.signed_in("ama")
    for _ in range(3):
        lane.ticks.now += IDLE_S - 1
        assert browser.get("/").status_code == 200
    lane.ticks.now += IDLE_S - 1
    for by_itself in ({"Accept": "text/event-stream"}, {"Sec-Fetch-Dest": "image"}, {"X-By-Itself": "1"}):
        assert browser.get("/", headers=by_itself).status_code == 200
    lane.ticks.now += 1
    assert browser.get("/").status_code == 401
    assert deeds(lane)[-1] == (Deed.ENDED, "ama") and lane.told[-1].detail == "idle"


def test_a_viewer_s_page_may_hang_on_a_wall(lane):
    browser = lane.signed_in("kofi")
    lane.ticks.now += LIFE_S - 1
    assert browser.get("/", headers={"X-By-Itself": "1"}).status_code == 200
    lane.ticks.now += 1
    assert browser.get("/").status_code == 401


def test_a_session_ends_however_busy(lane):
    browser, began = lane.signed_in("ama"), lane.ticks.now
    while lane.ticks.now < began + LIFE_S:
        assert browser.get("/").status_code == 200
        lane.ticks.now += IDLE_S / 2
    assert browser.get("/").status_code == 401


def test_a_session_ends_with_its_user(lane, people):
    one, other, third = lane.signed_in("ama"), lane.signed_in("kofi"), lane.signed_in("ama")
    users.remove(people, "kofi")
    assert (one.get("/").status_code, other.get("/").status_code) == (200, 401)
    ama = users.read(people)["ama"]
    users.put(people, "ama", ama.model_copy(update={"password": CHEAP.hash("another password")}))
    assert one.get("/").status_code == 401
    people.unlink()
    assert third.get("/").status_code == 401
    assert lane.client().get("/").status_code == 401  # a list that goes away opens nothing


@pytest.mark.parametrize("mode", [0o604, 0o620])
def test_a_list_that_others_get_at_lets_nobody_in(lane, people, mode):
    browser = lane.signed_in("ama")
    people.chmod(mode)
    assert browser.get("/").status_code == 401
    assert sign_in(browser, "ama").status_code == 401


def test_a_list_that_appears_while_the_page_is_open(tmp_path, people, lane_of):
    away = tmp_path / "away.toml"
    people.rename(away)
    browser = lane_of(people).client()
    assert browser.get("/").status_code == 200
    away.rename(people)
    assert browser.get("/").status_code == 401


def test_one_name_in_many_browsers(lane):
    browsers = [lane.signed_in("ama") for _ in range(MAX_OF_ONE + 1)]
    assert [each.get("/").status_code for each in browsers] == [401] + [200] * MAX_OF_ONE


def test_signing_out(lane):
    browser = lane.signed_in("ama")
    kept = browser.cookies["jaitf-edge"]
    assert browser.post("/sign-out", data={"csrf": "wrong"}).status_code == 403
    assert "ama" in browser.get("/sign-out").text
    csrf = browser.get("/api/visitor").json()["csrf"]
    answer = browser.post("/sign-out", data={"csrf": csrf})
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert "jaitf-edge" not in browser.cookies
    browser.cookies.set("jaitf-edge", kept)
    assert browser.get("/").status_code == 401
    assert browser.get("/sign-out").status_code == 303
    assert browser.post("/sign-out").status_code == 303
    assert deeds(lane)[-1] == (Deed.SIGNED_OUT, "ama")
    by_script = lane.signed_in("kofi")
    assert by_script.post("/sign-out", headers=token(by_script)).status_code == 303


@pytest.mark.parametrize(("silence_s", "whole_s"), [(0.01, 60.0), (60.0, 0.01)])
async def test_a_body_that_stops_or_trickles(monkeypatch, silence_s, whole_s):
    monkeypatch.setattr(body, "WHOLE_S", whole_s)
    came = 0

    async def receive():
        nonlocal came
        came += 1
        if whole_s > 1 and came > 1:
            await asyncio.Event().wait()
        await asyncio.sleep(0.002)
        return {"type": "http.request", "body": b"x", "more_body": True}

    limited = body.limited(receive, Headers(), 10**6, silence_s)
    with pytest.raises(HTTPException) as refused:
        while True:
            await limited()
    assert refused.value.status_code == 408


async def test_a_stream_of_events_outlives_no_session(people, lane_of):
    heard, more = [], asyncio.Event()

    async def events(request):
        async def stream():
            yield b"data: 1\n\n"
            await more.wait()
            while True:
                yield b"data: 2\n\n"

        return StreamingResponse(stream(), media_type="text/event-stream")

    lane = lane_of(people, Starlette(routes=[Route("/events", events)]))
    cookie = (await asyncio.to_thread(lane.signed_in, "ama")).cookies["jaitf-edge"]
    began = asyncio.Event()

    async def send(message):
        heard.append(message)
        if message["type"] == "http.response.body":
            began.set()

    async def receive():
        if len(heard) == 0:
            return {"type": "http.request", "body": b"", "more_body": False}
        await asyncio.Event().wait()

    headers = [(b"host", b"127.0.0.1"), (b"cookie", f"jaitf-edge={cookie}".encode()), (b"accept", b"text/event-stream")]
    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1", "method": "GET",
        "scheme": "http", "path": "/events", "raw_path": b"/events", "root_path": "", "query_string": b"",
        "headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8088),
    }  # fmt: skip
    stream = asyncio.create_task(lane.app(scope, receive, send))
    await began.wait()
    users.remove(people, "ama")
    more.set()
    await asyncio.wait_for(stream, 60)
    assert [m["body"] for m in heard if m["type"] == "http.response.body"] == [b"data: 1\n\n", b""]
    assert heard[-1]["more_body"] is False


async def test_no_web_sockets(lane):
    said = []

    async def send(message):
        said.append(message)

    await lane.app({"type": "websocket", "path": "/", "headers": []}, None, send)
    assert said == [{"type": "websocket.close", "code": 1008}]


def test_passwords_are_hashed_for_good(people):
    text = people.read_text()
    assert PASSWORD not in text and text.count("$argon2id$") == 2
    assert people.stat().st_mode & 0o777 == 0o600
