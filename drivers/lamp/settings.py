"""Every setting of the `lamp` driver."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from drivers.contract import Settings
from drivers.lamp.codec import Form, encode
from drivers.links.address import address


class Switch(Settings):
    """One output and the bytes that switch it."""

    name: str = Field(min_length=1, max_length=63, description="what the output is called; [[signals]] name it so")
    form: Form = Field(Form.HEX, description="how the commands are written: hex (bytes) or text (UTF-8)")
    on: str = Field(min_length=1, max_length=512, description="what switches it on")
    off: str = Field(min_length=1, max_length=512, description="what switches it off")
    answer: str = Field("", max_length=512, description="what the device answers to either; nothing where it does not")

    @model_validator(mode="after")
    def _encodable(self) -> Switch:
        for text in (self.on, self.off, self.answer):
            encode(text, self.form)
        return self

    def command(self, on: bool) -> bytes:
        """Return the bytes that switch it."""
        return encode(self.on if on else self.off, self.form)

    @property
    def expected(self) -> bytes:
        """The bytes of the answer, none where there is none."""
        return encode(self.answer, self.form)


class LampSettings(Settings):
    """The `[settings]` of a `lamp` device."""

    url: str = Field(description="serial:///dev/serial/by-id/NAME?baud=9600 or tcp://HOST:PORT")
    switches: tuple[Switch, ...] = Field(max_length=32, description="the outputs")
    repeat_s: float = Field(5, ge=0.05, le=3600, description="how often everything is said again, changed or not")
    timeout_ms: int = Field(1000, ge=20, le=60_000, description="how long an answer may take")
    max_timeouts: int = Field(3, ge=1, le=100, description="after so many in a row the device is down")

    @field_validator("url")
    @classmethod
    def _known_url(cls, url: str) -> str:
        address(url)
        return url

    @field_validator("switches")
    @classmethod
    def _names_differ(cls, switches: tuple[Switch, ...]) -> tuple[Switch, ...]:
        if not switches:
            raise ValueError("nothing to switch: list [[settings.switches]]")
        if len({switch.name for switch in switches}) < len(switches):
            raise ValueError("two outputs have the same name")
        return switches

    def outputs(self) -> frozenset[str]:
        """Return the names of the outputs."""
        return frozenset(output.name for output in self.switches)
