"""What of which device can be recorded, and how: decided by its settings alone, before anything is touched."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from drivers.contract import DriverInfo, Settings
from drivers.errors import ConfigError


class Way(StrEnum):
    """How a wire is recorded and played: at the driver's link; at a relay before the driver's port; or as files."""

    LINK = "link"
    DATAGRAMS = "datagrams"
    ASSOCIATIONS = "associations"
    FILES = "files"
    KEYS = "keys"

    @property
    def virtual(self) -> bool:
        """Whether it is played in virtual time: not where the driver waits in threads of a library's."""
        return self not in (Way.ASSOCIATIONS, Way.FILES)

    @property
    def shared(self) -> bool:
        """Whether an appliance that reads the device is not disturbed."""
        return self is Way.FILES


#: Schemes of `url` that are recorded.
_WAYS = {"tcp": Way.LINK, "tls": Way.LINK, "serial": Way.LINK, "udp": Way.DATAGRAMS, "hid": Way.KEYS}
#: ... and why the others are not, with what to do.
_REFUSALS = {
    "pictures": "what a picture of a third party's driver shows is not known here: it might be a person",
    "rtsp": "a video stream is not recorded here: pictures of a whole screen may show more than bags; "
    "keep a clip at the encoder",
    "v4l2": "a frame grabber has no wire to record; keep a clip with ffmpeg",
    "listen": "of what devices bring by themselves only DICOM associations are recorded",
    "tls:listen": "what goes by inside TLS is not seen from here; let the scanner store without it for the while",
}
#: Drivers that give pictures of which it is known that they show no person, or that are looked through.
_LOOKED_THROUGH = frozenset(("dicos", "folder", "linescan", "screen"))
_WARNINGS = {
    "dicos": "it holds pictures of what is in bags. An association that may show a person or tell of one is left out. "
    "Scanners are told to store again later: nothing is judged meanwhile",
    "codereader": "it holds what the reader read: names and numbers of passengers and of their documents",
    "folder": "it holds pictures of what is in bags, and N42 files may name people. A file that may show a person is "
    "left out",
    "llrp": "it holds the tags of bags, dogs and handlers that were near",
    "uhf-serial": "it holds the tags of bags, dogs and handlers that were near",
    "linescan": "it holds pictures of what is in bags",
    "nmea": "it holds where the device was",
}


@dataclass(frozen=True, slots=True)
class Wire:
    """How a device is recorded, and what whoever records must know."""

    way: Way
    warning: str


def wire_of(info: DriverInfo, settings: Settings) -> Wire:
    """Return how a device's wire is recorded; raises ConfigError, with the mend, for one that is not."""
    url = getattr(settings, "url", None)
    if isinstance(url, str):
        kind = urlsplit(url).scheme
    else:
        kind = "listen" if getattr(settings, "listen", None) is not None else ""
    if info.pictures and info.name not in _LOOKED_THROUGH:
        kind = "pictures" if kind in _WAYS else kind
    if kind == "listen" and info.name == "dicos":
        if not getattr(settings, "tls", False):
            return Wire(Way.ASSOCIATIONS, _WARNINGS[info.name])
        kind = "tls:listen"
    if info.name == "folder":
        return Wire(Way.FILES, _WARNINGS[info.name])
    if kind in _WAYS:
        return Wire(_WAYS[kind], _WARNINGS.get(info.name, ""))
    reason = _REFUSALS.get(kind, "only a wire that its setting `url` names (tcp, tls, serial, udp, hid) is recorded")
    raise ConfigError(f"{info.name}: {reason}")


def kept(settings: Settings) -> dict[str, Any]:
    """Return a device's settings as a recording keeps them: what was given, in forms that JSON has."""
    return settings.model_dump(mode="json", exclude_unset=True)


def without_tls(settings: Settings) -> Settings:
    """Return settings for a replay of what was said inside TLS: it needs no certificates, which may be elsewhere."""
    url = getattr(settings, "url", "")
    if not url.startswith("tls:"):
        return settings
    update: dict[str, object] = {"url": f"tcp{url[3:]}"}
    update |= {key: None for key in ("ca_file", "cert_file", "key_file") if hasattr(settings, key)}
    return settings.model_copy(update=update)
