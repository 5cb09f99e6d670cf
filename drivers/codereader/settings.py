"""Every setting of the `codereader` driver."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from drivers.codereader.keys import Layout, code_of
from drivers.codereader.splitter import End
from drivers.contract import Category, Settings, Severity
from drivers.links.hid import path_of
from drivers.links.serial import address

HID = "hid:"


class Button(Settings):
    """A key that is a button, or a code on a card that is one when it is read."""

    name: str = Field(min_length=1, max_length=60, description="what it is called, and its hit's label: alert")
    key: str | int | None = Field(None, description='HID: which key, "KEY_F1" or its code (linux/input-event-codes.h)')
    code: str | None = Field(None, min_length=1, max_length=60, description="what stands on a card that is the button")

    alarm: bool = Field(True, description="a press is a hit; false: only news")
    category: Category = Field(Category.OTHER, description="the hit's category (DICOS)")
    severity: Severity = Field(Severity.MEDIUM, description="the hit's severity")

    @field_validator("key")
    @classmethod
    def _known_key(cls, key: str | int | None) -> str | int | None:
        if key is not None:
            code_of(key)
        return key

    @model_validator(mode="after")
    def _one_of_them(self) -> Button:
        if (self.key is None) == (self.code is None):
            raise ValueError("a button is a key or a code, one of them")
        return self


class CodereaderSettings(Settings):
    """The `[settings]` of a `codereader` device."""

    url: str = Field(
        description="serial:///dev/serial/by-id/NAME, tcp://HOST:PORT, or hid:///dev/input/by-id/NAME-event-kbd"
    )
    end: End = Field(End.CR, description="what the reader sends after each code: cr (also cr lf), lf, tab, etx")
    layout: Layout = Field(Layout.US, description="HID: the keyboard that the reader pretends to be: us, fr, es, pt")
    aim_required: bool = Field(False, description="a code without AIM prefix is no code; the reader sends them")
    gap_ms: int = Field(500, ge=20, le=10_000, description="a code of which no more comes for so long broke off")
    repeat_ms: int = Field(2000, ge=0, le=60_000, description="the same code again so soon was read once")
    debounce_ms: int = Field(200, ge=0, le=10_000, description="a button pressed again so soon was pressed once")
    document_reads: int = Field(
        1, ge=1, le=5, description="how often an inconsistent document must read the same before it is a hit"
    )
    document_category: Category = Field(Category.OTHER, description="that hit's category (DICOS)")
    document_severity: Severity = Field(Severity.MEDIUM, description="that hit's severity")
    expired_is_hit: bool = Field(True, description="an expired travel document is a hit too, of low severity")
    buttons: tuple[Button, ...] = Field((), max_length=32, description="keys or codes that are buttons")

    @field_validator("url")
    @classmethod
    def _known_url(cls, url: str) -> str:
        if url.startswith(HID):
            path_of(url)
        else:
            address(url)
        return url

    @model_validator(mode="after")
    def _buttons_fit(self) -> CodereaderSettings:
        keys = [code_of(button.key) for button in self.buttons if button.key is not None]
        if keys and not self.url.startswith(HID):
            raise ValueError("buttons: keys are of HID devices; here a button is a code")
        codes = [button.code for button in self.buttons if button.code is not None]
        if len(set(keys)) < len(keys) or len(set(codes)) < len(codes):
            raise ValueError("buttons: a key or a code is named twice")
        if len({button.name for button in self.buttons}) < len(self.buttons):
            raise ValueError("buttons: two have the same name")
        return self
