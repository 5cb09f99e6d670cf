"""The hand-over record on paper: A4, in the officer's language and in English, with lines to sign on."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.platypus import Flowable, Image, KeepTogether, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from simulators.console.codes import LISTS
from simulators.console.handover import Record, Sources, archive, record
from simulators.console.texts import Texts

_BODY = ParagraphStyle("body", fontName="Helvetica", fontSize=8.5, leading=11)
_DIM = ParagraphStyle("dim", _BODY, textColor=colors.HexColor("#555555"), fontSize=7.5, leading=9.5)
_HEAD = ParagraphStyle("head", _BODY, fontName="Helvetica-Bold", fontSize=10.5, leading=14, spaceBefore=8, spaceAfter=3)
_TITLE = ParagraphStyle("title", _BODY, fontName="Helvetica-Bold", fontSize=15, leading=19)
_LOUD = ParagraphStyle("loud", _BODY, fontName="Helvetica-Bold", backColor=colors.HexColor("#eeeeee"), borderPadding=4)
_WIRE = ParagraphStyle("wire", _BODY, fontName="Courier", fontSize=6.5, leading=8)
_GRID = TableStyle(
    [
        ("GRID", (0, 0), (-1, -1), 0.4, colors.HexColor("#999999")),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("TOPPADDING", (0, 0), (-1, -1), 2),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
    ]
)
WIDTH_MM = 178
TRANSFER_LINES = 4


class _Words:
    """Every word in two languages; in one where the officer's is English."""

    def __init__(self, language: str) -> None:
        self._own, self._english = Texts(language), Texts("en")

    def __call__(self, key: str) -> str:
        own, english = self._own(key), self._english(key)
        return own if own == english else f"{own} / {english}"

    def code(self, listed: str, code: str | None) -> str:
        """Return a code's text with the code, which is what a register takes."""
        if not code:
            return ""
        return f"{self(f'{listed}.{code}')} ({code})" if code in LISTS[listed] else code


def sheet(made: Record, picture: bytes | None, language: str) -> bytes:
    """Return the PDF; the same record gives the same bytes."""
    words, out = _Words(language), io.BytesIO()
    document = SimpleDocTemplate(
        out,
        pagesize=A4,
        leftMargin=16 * mm,
        rightMargin=16 * mm,
        topMargin=14 * mm,
        bottomMargin=16 * mm,
        title=f"{made.linked_hits[0]}",
        invariant=1,
    )
    story: list[Flowable] = [
        Paragraph(words("handover.title"), _TITLE),
        Paragraph(f"{made.linked_hits[0]}", _WIRE),
        Spacer(1, 3 * mm),
        Paragraph(words("handover.indication"), _LOUD),
        Spacer(1, 2 * mm),
        *_particulars(made, words),
        *_detector(made, picture, words),
        *_custody(made, words),
        *_transfers(words),
        *_said(made, words),
        Spacer(1, 3 * mm),
        Paragraph(words("handover.no_persons"), _DIM),
    ]

    def foot(canvas: Any, _: Any) -> None:
        canvas.setFont("Helvetica", 7)
        canvas.drawString(16 * mm, 9 * mm, f"{made.linked_hits[0]}  ·  {Texts(language)('handover.indication')}")
        canvas.drawRightString(194 * mm, 9 * mm, str(canvas.getPageNumber()))

    document.build(story, onFirstPage=foot, onLaterPages=foot)
    return out.getvalue()


def packed(sources: Sources, language: str) -> bytes:
    """Return the whole hand-over package: the sheet, and beside it what a register and a court read."""
    made = record(sources)
    return archive(sources, sheet(made, sources.picture, language))


def _text(value: object) -> str:
    """Return a text that the sheet's font can show, escaped."""
    return escape(str(value).encode("cp1252", "replace").decode("cp1252"))


def _rows(pairs: list[tuple[str, str]]) -> Table:
    cells = [[Paragraph(_text(name), _DIM), Paragraph(_text(value) or "&nbsp;", _BODY)] for name, value in pairs]
    return Table(cells, colWidths=[58 * mm, (WIDTH_MM - 58) * mm], style=_GRID)


def _grid(head: list[str], rows: list[list[str]], widths_mm: list[float], style: ParagraphStyle = _BODY) -> Table:
    cells = [[Paragraph(_text(each), _DIM) for each in head]]
    cells += [[Paragraph(_text(each) or "&nbsp;", style) for each in row] for row in rows]
    return Table(cells, colWidths=[each * mm for each in widths_mm], style=_GRID, repeatRows=1)


def _particulars(made: Record, words: _Words) -> list[Flowable]:
    goods = made.items[0] if made.items else {}
    shown: dict[str, Callable[[], str]] = {
        "case_id": lambda: made.case_id,
        "unit": lambda: made.unit,
        "occurred_at": lambda: made.occurred_at,
        "place": lambda: made.place,
        "direction": lambda: words.code("direction", made.direction),
        "subject_kind": lambda: made.subject_kind or "",
        "bag_tag": lambda: made.bag_tag or "",
        "detection_methods": lambda: "; ".join(words.code("detection_method", m) for m in made.detection_methods),
        "selection_reason": lambda: words.code("selection_reason", made.selection_reason),
        "concealment": lambda: words.code("concealment", made.concealment),
        "commodity": lambda: words.code("commodity", goods.get("commodity")),
        "quantity": lambda: goods.get("quantity", ""),
        "outcome": lambda: words.code("outcome", made.outcome),
    }
    table = _rows([(words(f"handover.{key}"), value()) for key, value in shown.items()])
    return [Paragraph(words("handover.record"), _HEAD), table]


def _detector(made: Record, picture: bytes | None, words: _Words) -> list[Flowable]:
    said = made.detector
    findings = "; ".join(
        " ".join(str(each[key]) for key in ("label", "category", "score", "name", "value", "unit") if key in each)
        for each in said["findings"]
    )
    chain = made.chain.get("chain") or {}
    signature = made.chain.get("signature") or {}
    pairs = [
        (words("handover.device"), f"{said['device']} ({said['driver']}), {said['appliance']}"),
        (words("handover.model"), f"{said['model']}, {said['threshold']}, {said['score']}"),
        (words("handover.findings"), findings),
        (words("handover.corroboration"), "; ".join(made.corroboration)),
        (words("handover.clock"), said["clock"]),
        (
            words("handover.chain"),
            " ".join(filter(None, (f"seq {made.chain['seq']}", chain.get("hash", ""), signature.get("kid", "")))),
        ),
    ]
    story: list[Flowable] = [Paragraph(words("handover.detector"), _HEAD), _rows(pairs)]
    if picture is not None:
        wide, high = ImageReader(io.BytesIO(picture)).getSize()
        scale = min(110 * mm / wide, 75 * mm / high)
        image = Image(io.BytesIO(picture), wide * scale, high * scale, hAlign="LEFT")
        story += [Spacer(1, 2 * mm), KeepTogether([image, Paragraph(words("handover.indication"), _DIM)])]
    return story


def _custody(made: Record, words: _Words) -> list[Flowable]:
    rows = [
        [
            str(item.number),
            words(f"handover.kind.{item.kind}"),
            f"{words(f'handover.{item.description}')}: {item.reference}",
            item.sha256,
            item.derived_from,
            "",
        ]
        for item in made.custody
    ]
    keys = ("item", "kind", "description", "sha256", "derived_from", "seal")
    head = [words(f"handover.{key}") for key in keys]
    return [Paragraph(words("handover.custody"), _HEAD), _grid(head, rows, [11, 22, 62, 46, 16, 21])]


def _transfers(words: _Words) -> list[Flowable]:
    head = [words(f"handover.{key}") for key in ("released_by", "received_by", "at", "reason", "intact", "signatures")]
    table = _grid(head, [[""] * 6 for _ in range(TRANSFER_LINES)], [30, 30, 28, 36, 18, 36])
    table._argH[1:] = [11 * mm] * TRANSFER_LINES  # room to sign
    return [KeepTogether([Paragraph(words("handover.transfers"), _HEAD), table])]


def _said(made: Record, words: _Words) -> list[Flowable]:
    story: list[Flowable] = []
    if made.dispositions:
        rows = [
            [each["at"], each["by"], words.code("outcome", each.get("outcome")), each.get("note", "")]
            for each in made.dispositions
        ]
        story += [Paragraph(words("handover.dispositions"), _HEAD), _grid(["", "", "", ""], rows, [38, 30, 60, 50])]
    if made.seen:
        rows = [[each["at"], each["by"], each["what"]] for each in made.seen]
        story += [Paragraph(words("handover.seen"), _HEAD), _grid(["", "", ""], rows, [48, 70, 60])]
    return story
