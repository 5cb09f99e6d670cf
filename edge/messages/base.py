"""What every message is, and how large some may be."""

from __future__ import annotations

from functools import partial
from operator import is_
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

MAX_HIT_BYTES = 8 * 1024
SEAL_BYTES = 384
"""Room that an event leaves for its place in the chain and its signature."""
MAX_THUMB_BYTES = 64 * 1024


Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Absent = Field(default=None, exclude_if=partial(is_, None))
"""A key that is left out where there is nothing to say."""


class Message(BaseModel):
    """A message that the appliance sends."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def encoded(self) -> bytes:
        """Return the message as compact UTF-8 JSON, keys in the order of the class."""
        return self.model_dump_json().encode()
