"""What the page answers, and to whom."""

import csv
import io
import json
import re
import tomllib
import zipfile
from importlib.resources import files
from pathlib import Path

import pytest

from drivers.codereader import reading
from drivers.scale import declared
from edge.web.guard import Role
from edge.web.guard.render import LANGUAGES
from edge.web.serve import discreet
from edge.web.shelf import Shelf
from edge.web.words import languages, words

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[4]


def ids(found):
    return [hit["hit_id"] for hit in found["hits"]]


async def test_hits_come_newest_first_and_those_of_the_console_alone_never(browse, hits):
    async with browse() as client:
        found = (await client.get("/api/hits")).json()
        shown = [hits[name].hit_id for name in ("formula", "person", "counter", "empty", "found")]
        assert ids(found) == shown and found["next"] is None
        first = (await client.get("/api/hits", params={"limit": 2})).json()
        rest = (await client.get("/api/hits", params={"limit": 20, "before": first["next"]})).json()
        assert ids(first) + ids(rest) == shown
        assert {hit["outcome"] for hit in found["hits"]} == {None, "seizure", "nothing_found"}
        assert ids((await client.get("/api/hits", params={"device": "portal-1"})).json()) == shown[1:3]
        assert ids((await client.get("/api/hits", params={"state": "received"})).json()) == []
        for name in ("covert", "made-covert"):
            for path in (f"/api/hits/{hits[name].hit_id}", f"/api/hits/{hits[name].hit_id}/picture.jpg"):
                assert (await client.get(path)).status_code == 404
            assert (await client.get(f"/evidence/{hits[name].hit_id}.zip")).status_code == 404
            for table in ("/hits.csv", "/hits.json"):
                assert hits[name].hit_id not in (await client.get(table)).text


async def test_what_came_of_hits_is_told_without_the_consoles_own(browse):
    async with browse() as client:
        assert (await client.get("/api/found")).json() == {"xray-1": [[0.62, False], [0.7, True]]}


async def test_a_table_is_no_program(browse, hits):
    async with browse() as client:
        rows = list(csv.DictReader(io.StringIO((await client.get("/hits.csv")).text.removeprefix("\ufeff"))))
    assert len(rows) == 5 and rows[0]["threats"] == "'=HYPERLINK(1)"


async def test_a_picture_of_evidence_is_noted_and_a_person_has_none(browse, hits, tmp_path):
    async with browse(Role.VIEWER) as client:
        assert (await client.get(f"/api/hits/{hits['found'].hit_id}/picture.jpg")).status_code == 403
    async with browse() as client:
        seen = await client.get(f"/api/hits/{hits['found'].hit_id}/picture.jpg")
        assert seen.content.startswith(b"\xff\xd8") and len(seen.headers["X-Place"].split()) == 4
        (note,) = (tmp_path / "data" / "inbox").glob("*.json")
        visit = json.loads(note.read_text())
        assert (visit["kind"], visit["by"], visit["hit_id"]) == ("view", "web:ama", hits["found"].hit_id)
        refused = await client.get(f"/api/hits/{hits['person'].hit_id}/picture.jpg")
        assert refused.status_code == 503 and "person" in refused.json()["detail"]
        note.unlink()
        (tmp_path / "data" / "inbox").rmdir()
        (tmp_path / "data" / "inbox").write_text("no folder")
        unnoted = await client.get(f"/api/hits/{hits['found'].hit_id}/picture.jpg")
        assert unnoted.status_code == 503 and b"\xff\xd8" not in unnoted.content


async def test_evidence_and_configuration_are_a_technicians(browse, hits, core, tmp_path):
    paths = (f"/evidence/{hits['found'].hit_id}.zip", "/configuration.zip", "/diagnostics.zip", "/api/config")
    async with browse(Role.VIEWER) as client:
        assert [(await client.get(path)).status_code for path in paths] == [403] * 4
        assert (await client.post("/api/orders/selftest", json={})).status_code == 403
    assert core.ordered == core.gone == []
    async with browse() as client:
        package = zipfile.ZipFile(io.BytesIO((await client.get(paths[0])).content))
        assert {"hit.json", "manifest.json", "SHA256SUMS"} <= set(package.namelist())
        assert json.loads(package.read("manifest.json"))["exported_by"] == "web:ama"
        configuration = zipfile.ZipFile(io.BytesIO((await client.get(paths[1])).content))
        assert configuration.namelist() == ["edge.toml", "teams.toml"]
        assert list((await client.get("/api/config")).json()) == ["edge.toml", "teams.toml"]
        assert (await client.post("/api/orders/selftest", json={"a": 1})).json()["status"] == "done"
        assert (await client.post("/api/orders/selftest", content=b"{")).status_code == 400
    assert core.ordered == [("selftest", "ama", {"a": 1})] and core.gone == [("configuration", "ama")]


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_frame_is_whole_in_each_language(browse, language):
    async with browse() as client:
        frame = await client.get("/", headers={"Accept-Language": f"{language};q=0.9, en;q=0.1"})
        assert frame.status_code == 200 and f'<html lang="{language}"' in frame.text
        assert words(language)["tab.hits"] in frame.text
        for path in re.findall(r'(?:src|href)="(/static/[^"]+)"', frame.text):
            assert (await client.get(path)).status_code == 200
        # Nothing is within the page that its policy would forbid.
        assert not re.search(r"<script(?! type=\"module\" src=)|\sstyle=|\son\w+=", frame.text)
        chosen = await client.get("/", params={"lang": "pt"})
        assert "lang=pt" in chosen.headers["set-cookie"]


def test_the_languages_say_the_same_things():
    assert set(languages()) == set(LANGUAGES)
    english = words("en")
    for language in languages():
        table = words(language)
        assert list(table) == list(english)
        for key, text in table.items():
            assert text and sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", english[key])), key


def test_every_word_that_a_script_says_is_there():
    said = set()
    for path in (files("edge.web") / "static").iterdir():
        if path.name.endswith(".js"):
            said |= set(re.findall(r'\bt\("([^"]+)"', path.read_text()))
    assert len(said) > 100 and said <= set(words("en"))


async def test_a_ledger_that_is_not_there_is_told(browse, tmp_path):
    async with browse() as client:
        (tmp_path / "data" / "ledger.db").rename(tmp_path / "elsewhere")
        assert (await client.get("/api/hits")).status_code == 503
        (tmp_path / "elsewhere").rename(tmp_path / "data" / "ledger.db")


async def test_what_waits_is_counted_without_the_consoles_own(tmp_path, hits):
    glance = Shelf(tmp_path / "data", tmp_path).glance()
    assert glance.hidden == 2 and glance.hidden_bytes > 1000
    health = {"queued": {"hit": 8, "verdict": 1}, "outbox_bytes": 20_000, "oldest_unsent_hit_s": 7.5}
    told = discreet({"health": health}, glance)["health"]
    assert told["queued"] == {"hit": 6, "verdict": 1} and told["outbox_bytes"] == 20_000 - glance.hidden_bytes
    alone = discreet({"health": health | {"queued": {"hit": 2}}}, glance)["health"]
    assert (alone["queued"], alone["oldest_unsent_hit_s"]) == ({"hit": 0}, 0.0)
    assert discreet({"health": health}, None)["health"]["queued"]["hit"] == 0


def test_every_label_that_something_shipped_gives_is_there():
    """The default model's, the profiles', the rules' and the drivers'; a site's own are shown as they are written."""
    shipped = [ROOT / "inference/packages/baggage/model.toml", *(ROOT / "config").rglob("*.toml")]
    said = {label for path in shipped for label in _labels(tomllib.loads(path.read_text()))}
    assert {"firearm or part", "canine alert", "gamma overload", "faint in two scanners"} <= said
    said |= {"tamper", "gamma alarm", "neutron alarm", declared.FAR, reading.TRAVEL_DOCUMENT}
    assert {f"label.{label}" for label in said} - set(words("en")) == set()


def _labels(table):
    """Yield what is a label's text anywhere in a file: `label = ...`, a name under `[[labels]]`, an alarm's name."""
    if "alarm" in table and "table" in table and "label" not in table:
        yield table["name"]
    for key, value in table.items():
        if key == "label":
            yield value
        elif key == "labels":
            yield from (each["name"] for each in value)
        else:
            for each in value if isinstance(value, list) else [value]:
                yield from _labels(each) if isinstance(each, dict) else ()
