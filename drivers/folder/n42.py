"""ANSI N42.42-2011 files of radiation instruments: what was alarmed on and identified becomes a reading. Pure.

Source: ANSI N42.42-2011, "Data format for radiation detectors used for homeland security", and its schema
http://physics.nist.gov/N42/2011/N42. Persons named in a file (operators, owners) and free remarks are not passed on.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element, ParseError
from xml.parsers import expat

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from drivers.clock import Stamp
from drivers.contract import Finding, Measurement, Reading, Severity
from drivers.errors import ProtocolError
from drivers.folder.formats import CutShort

NAMESPACE = "http://physics.nist.gov/N42/2011/N42"
_N42 = f"{{{NAMESPACE}}}"
#: A tree takes some ten times its text: this keeps a file within a device's memory.
MAX_XML_BYTES = 16 * 1024 * 1024
MAX_CHANNELS = 65_536
MAX_FINDINGS, MAX_MEASUREMENTS = 32, 20
_TEXT_CHARS = 100
#: What a hit keeps of the file itself; a larger one is named by its SHA-256 and stays in the folder.
MAX_RAW_BYTES = 4096

_STARTS = (b"<?xml", b"<RadInstrumentData", b"<!--", b"<!DOCTYPE")
_ENDS_EARLY = {
    expat.errors.codes[message]
    for message in (
        expat.errors.XML_ERROR_NO_ELEMENTS,
        expat.errors.XML_ERROR_UNCLOSED_TOKEN,
        expat.errors.XML_ERROR_PARTIAL_CHAR,
        expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
    )
}
_DURATION = re.compile(r"P(?:(\d{1,4})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,9}(?:\.\d{1,9})?)S)?)?")
_WHEN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)?")

#: Severity by the words of NuclideCategoryDescription, the first that fits; an instrument's own view of a nuclide.
_BY_CATEGORY = (
    (re.compile(r"\bsnm\b|special nuclear|nuclear material", re.IGNORECASE), Severity.CRITICAL),
    (re.compile(r"\bnorm\b|natural", re.IGNORECASE), Severity.LOW),
    (re.compile(r"medic", re.IGNORECASE), Severity.MEDIUM),
)


def is_xml(data: bytes) -> bool:
    """Return whether a file begins as XML does."""
    return data[:64].removeprefix(b"\xef\xbb\xbf").lstrip().startswith(_STARTS)


def read(data: bytes, name: str, at: Stamp) -> Reading:
    """Return what an N42 file says: a finding for each active alarm and each identified nuclide.

    Raises ProtocolError, in words for a technician, for XML that is no whole N42.42-2011 file.
    """
    root = _root(data)
    digest = hashlib.sha256(data).hexdigest()
    alarms, nuclides = list(_alarms(root)), list(_nuclides(root))
    summary = {
        "instrument": _instrument(root),
        "measurements": [_measurement(each) for each in _all(root, "RadMeasurement")[:MAX_MEASUREMENTS]],
        "alarms": [each.label for each in alarms[:MAX_FINDINGS]],
        "nuclides": [{"name": each.label, "confidence": each.measurement.value} for each in nuclides[:MAX_FINDINGS]],
        "sha256": digest,
    }
    raw = data if len(data) <= MAX_RAW_BYTES else _named(name, data, digest)
    findings = tuple((alarms + nuclides)[:MAX_FINDINGS])
    return Reading(at, {"n42": [summary]}, findings, raw=raw, distinct=True)


def _named(name: str, data: bytes, digest: str) -> bytes:
    return json.dumps({"file": name, "bytes": len(data), "sha256": digest}).encode()


def _root(data: bytes) -> Element:
    if len(data) > MAX_XML_BYTES:
        raise ProtocolError(f"the XML file has {len(data)} bytes; {MAX_XML_BYTES} is the most that is read")
    try:
        root: Element = fromstring(data, forbid_dtd=True, forbid_entities=True, forbid_external=True)
    except DefusedXmlException:
        raise ProtocolError("the XML file declares a document type or entities, which N42 has no use for") from None
    except ParseError as error:
        if error.code in _ENDS_EARLY:
            raise CutShort(f"the XML file ends early, after {len(data)} bytes") from None
        raise ProtocolError(f"the XML file is damaged: {error}") from None
    except (LookupError, ValueError):  # an encoding that nobody knows, or one of many bytes
        raise ProtocolError("the XML file is in an encoding that is not read; UTF-8 is") from None
    if root.tag != f"{_N42}RadInstrumentData":
        raise ProtocolError("this is XML, but no N42.42-2011 file (nor are those of 2006 read)")
    return root


def _all(element: Element, path: str) -> list[Element]:
    return element.findall("/".join(f"{_N42}{step}" for step in path.split("/")))


def _text(element: Element | None, path: str) -> str | None:
    """Return the text of the first element there, cut to what a message carries; None where there is none."""
    found = _all(element, path) if element is not None else []
    text = " ".join("".join(found[0].itertext()).split()) if found else ""
    return text.encode("utf-8", "replace").decode()[:_TEXT_CHARS] or None


def _number(element: Element, path: str) -> float | None:
    text = _text(element, path)
    try:
        value = float(text) if text else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _flag(element: Element, path: str) -> bool:
    """Return an indicator; one that is missing or strange counts as true, for it stands at an alarm."""
    return (_text(element, path) or "true").lower() not in ("false", "0")


def _seconds(element: Element, path: str) -> float | None:
    """Return an XML Schema duration (xsd:duration, days and less) in seconds."""
    match = _DURATION.fullmatch(_text(element, path) or "")
    if not match:
        return None
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def _instrument(root: Element) -> dict[str, str | None]:
    info = next(iter(_all(root, "RadInstrumentInformation")), None)
    return {
        "maker": _text(info, "RadInstrumentManufacturerName"),
        "model": _text(info, "RadInstrumentModelName"),
        "serial": _text(info, "RadInstrumentIdentifier"),
        "class": _text(info, "RadInstrumentClassCode"),
    }


def _measurement(element: Element) -> dict[str, Any]:
    started = _text(element, "StartDateTime") or ""
    spectra = [channels(each) for each in _all(element, "Spectrum/ChannelData")]
    gross = [_total(each.text) for each in _all(element, "GrossCounts/CountData")]
    return {
        "class": _text(element, "MeasurementClassCode"),
        "started_at": started if _WHEN.fullmatch(started) else None,
        "real_time_s": _seconds(element, "RealTimeDuration"),
        "dose_rate_usv_h": _number(element, "DoseRate/DoseRateValue"),
        "spectrum_counts": [round(sum(each), 3) for each in spectra[:MAX_MEASUREMENTS]],
        "gross_counts": gross[:MAX_MEASUREMENTS],
    }


def channels(element: Element) -> list[float]:
    """Return the counts of a ChannelData, zeros written out (compressionCode CountedZeroes: a 0 and how many).

    Raises ProtocolError for what is no list of counts, or one of more than MAX_CHANNELS.
    """
    numbers = _numbers(element.text)
    if element.get("compressionCode", "None") != "CountedZeroes":
        return numbers
    counts: list[float] = []
    values = iter(numbers)
    for value in values:
        if value:
            counts.append(value)
            continue
        run = next(values, 0.0)
        if run < 1 or run != int(run) or len(counts) + run > MAX_CHANNELS:
            raise ProtocolError("the N42 file's spectrum does not say how many zeros stand in it")
        counts += [0.0] * int(run)
    return counts


def _numbers(text: str | None) -> list[float]:
    try:
        numbers = [float(part) for part in (text or "").split(None, 2 * MAX_CHANNELS)]
    except ValueError:
        raise ProtocolError("the N42 file's counts are no numbers") from None
    if len(numbers) > 2 * MAX_CHANNELS or not all(math.isfinite(n) and 0 <= n < 2**53 for n in numbers):
        raise ProtocolError("the N42 file's counts are no counts")
    return numbers


def _total(text: str | None) -> float:
    return round(sum(_numbers(text)), 3)


def _alarms(root: Element) -> Iterator[Finding]:
    """Yield a finding for each alarm that is active; an alarm of one kind once, however many detectors tell of it."""
    told: set[str] = set()
    for alarm in _all(root, "AnalysisResults/RadAlarm"):
        kind = (_text(alarm, "RadAlarmCategoryCode") or "radiation").lower()[:40]
        if not _flag(alarm, "RadAlarmActiveIndicator") or kind in told:
            continue
        told.add(kind)
        severity = Severity.CRITICAL if kind == "neutron" else Severity.HIGH
        what = Measurement("description", _text(alarm, "RadAlarmDescription") or kind)
        yield Finding(f"{kind} alarm", what, severity=severity)


def _nuclides(root: Element) -> Iterator[Finding]:
    """Yield a finding for each nuclide identified; its confidence on the instrument's own scale, -1 without one."""
    told: set[str] = set()
    for nuclide in _all(root, "AnalysisResults/NuclideAnalysisResults/Nuclide"):
        name = _text(nuclide, "NuclideName")
        if name is None or name in told or not _flag(nuclide, "NuclideIdentifiedIndicator"):
            continue
        told.add(name)
        category = _text(nuclide, "NuclideCategoryDescription") or ""
        severity = next((level for form, level in _BY_CATEGORY if form.search(category)), Severity.HIGH)
        confidence = _number(nuclide, "NuclideIDConfidenceValue")
        yield Finding(name, Measurement("confidence", -1 if confidence is None else confidence), severity=severity)
