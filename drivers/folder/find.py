"""Whether a folder is an export folder: files lie in it that may be pictures."""

from __future__ import annotations

from collections.abc import Iterator

from drivers import registry
from drivers.contract import Driver
from drivers.errors import LinkTimeout
from drivers.finding import Attempt, Found, Kind, Miss, Place, found


def attempts(place: Place) -> Iterator[Attempt]:
    """List what to try; see `drivers.finding`."""
    if place.kind is Kind.FOLDER:
        yield Attempt("folder, looking for pictures", 10.0, lambda limit_s: _look(place.where, limit_s))


async def _look(path: str, limit_s: float) -> Found | Miss:
    info = registry.available()["folder"]
    driver: Driver = registry.make(info, registry.settings_class(info).model_validate({"path": path}))
    report = await driver.probe(limit_s)
    if report.ok and report.sample is None:
        return Miss(LinkTimeout.code, f"{path}: no file there yet that may be a picture")
    return found("folder", {"path": path}, "an export folder", report)
