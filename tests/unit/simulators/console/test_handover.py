"""The hand-over package: the record, the custody list with its digests, the sheet in two languages."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from typing import Any

import cv2
import numpy as np
import pypdf
import pytest

from simulators.console.handover import _csv
from simulators.console.texts import languages
from tests.unit.simulators.console.appliance import encoded, hit, uuid7
from tests.unit.simulators.console.test_actions import SEIZURE
from tests.unit.simulators.console.test_web import Shop, shop  # noqa: F401 - a fixture

CUSTODY = {
    "fr": "Liste de conservation",
    "es": "Cadena de custodia",
    "pt": "Cadeia de custódia",
    "en": "Custody list",
}
PICTURE = bytes(cv2.imencode(".jpg", np.full((60, 90, 3), 120, np.uint8))[1])


async def package(shop: Shop, language: str = "fr", form: dict[str, str] | None = SEIZURE) -> dict[str, bytes]:  # noqa: F811
    shop.hear(("hit/xray-1", encoded(hit(1))), (f"thumb/{uuid7(1)}", PICTURE))
    if form is not None:
        assert (await shop.post(f"/hit/{uuid7(1)}/disposition", form)).status_code == 303
    answer = await shop.get(f"/hit/{uuid7(1)}/handover.zip?lang={language}")
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as zipped:
        return {name: zipped.read(name) for name in zipped.namelist()}


async def test_every_file_is_in_the_sums(shop: Shop) -> None:  # noqa: F811
    parts = await package(shop)
    sums = dict(reversed(line.split("  ")) for line in parts.pop("SHA256SUMS").decode().splitlines())  # type: ignore[arg-type]
    assert sums == {name: hashlib.sha256(body).hexdigest() for name, body in parts.items()}
    assert set(parts) == {"record.json", "seizure.csv", "custody.csv", "handover.pdf", "hit.json", "picture.jpg"}
    assert parts["hit.json"] == encoded(hit(1))


async def test_the_record_and_its_custody_list(shop: Shop) -> None:  # noqa: F811
    parts = await package(shop)
    record: dict[str, Any] = json.loads(parts["record.json"])
    assert (record["outcome"], record["concealment"]) == ("seizure", "bag_false_bottom_wall")
    assert record["items"] == [{"commodity": "cocaine", "quantity": "1.241 KGM"}]
    assert (record["bag_tag"], record["detector"]["threshold"]) == ("0220123457", 0.61)
    kinds = [(each["kind"], each["description"]) for each in record["custody"]]
    assert kinds == [("physical", "bag"), ("physical", "goods")] + [
        ("digital", each) for each in ("original", "event", "picture")
    ]
    digests = {each["description"]: each["sha256"] for each in record["custody"]}
    assert digests["picture"] == hashlib.sha256(PICTURE).hexdigest()
    assert digests["original"] == hit(1)["data"]["evidence"]["sha256"]
    assert "indication" in record["notice"]
    assert [each["what"] for each in record["seen"]] == ["exported", "disposition"]
    assert not {"name", "passenger", "person", "nationality", "birth"} & set(json.dumps(record).lower().split('"'))
    (row,) = csv.DictReader(io.StringIO(parts["seizure.csv"].decode("utf-8-sig")))
    assert (row["commodity"], row["outcome"], row["hit_id"]) == ("cocaine", "seizure", uuid7(1))
    assert len(list(csv.DictReader(io.StringIO(parts["custody.csv"].decode("utf-8-sig"))))) == 5


@pytest.mark.parametrize("language", languages())
async def test_the_sheet_says_it_in_two_languages(shop: Shop, language: str) -> None:  # noqa: F811
    pages = pypdf.PdfReader(io.BytesIO((await package(shop, language))["handover.pdf"])).pages
    flat = " ".join(" ".join(page.extract_text() for page in pages).split())
    assert "A detector's output is an indication" in flat
    assert CUSTODY[language] in flat
    assert "cocaine" in flat and "0220123457" in flat


async def test_the_appliances_package_goes_along_once_it_is_whole(shop: Shop) -> None:  # noqa: F811
    body = bytes(range(256)) * 3
    shop.hear(("hit/xray-1", encoded(hit(1))))
    assert (await shop.post(f"/hit/{uuid7(1)}/fetch", {"officer": "7"})).status_code == 303
    assert "waiting for the broker" in (await shop.get(f"/hit/{uuid7(1)}")).text
    (wish,) = shop.reader.asked(hit_id=uuid7(1))
    about = {
        "hit_id": uuid7(1),
        "parts": 2,
        "part_bytes": 500,
        "bytes": 768,
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    reply = {"transaction": wish["transaction_id"], "code": "sent", "detail": "", "result": about, "at": ""}
    shop.hear((f"evidence/{uuid7(1)}/1", body[500:]), ("reply", reply | {"status": "accepted"}))
    assert (await shop.get(f"/hit/{uuid7(1)}/evidence.zip")).status_code == 404
    shop.hear((f"evidence/{uuid7(1)}/0", b"another's"), ("reply", reply | {"status": "done"}), edge="edge-02")
    assert (await shop.get(f"/hit/{uuid7(1)}/evidence.zip")).status_code == 404
    shop.hear((f"evidence/{uuid7(1)}/0", body[:500]), ("reply", reply | {"status": "done"}))
    assert (await shop.get(f"/hit/{uuid7(1)}/evidence.zip")).content == body
    assert (await package(shop))["evidence.zip"] == body
    assert "evidence.zip" in (await shop.get(f"/hit/{uuid7(1)}")).text


@pytest.mark.parametrize(
    "rest", ["evidence/x/0", f"evidence/{uuid7(1)}", f"evidence/{uuid7(1)}/a", f"evidence/{uuid7(1)}/-1"]
)
async def test_a_part_of_nothing_is_told(shop: Shop, rest: str) -> None:  # noqa: F811
    shop.hear((rest, b"x"))
    assert len(shop.reader.bad()) == 1


async def test_a_hit_of_which_nothing_was_said_yet(shop: Shop) -> None:  # noqa: F811
    parts = await package(shop, form=None)
    record = json.loads(parts["record.json"])
    assert (record["outcome"], record["items"]) == (None, [])


async def test_a_hit_that_is_not_there(shop: Shop) -> None:  # noqa: F811
    assert (await shop.get(f"/hit/{uuid7(5)}/handover.zip")).status_code == 404


def test_no_cell_is_a_formula() -> None:
    assert _csv(("a",), [["=1+1"], ["-x"], ["fine"]]).decode("utf-8-sig").splitlines() == ["a", "'=1+1", "'-x", "fine"]
