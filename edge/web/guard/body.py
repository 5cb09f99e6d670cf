"""What comes in a request's body: no more than there may be, and no slower."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message, Receive

MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_FORM_BYTES = 4096
SILENCE_S = 30.0
WHOLE_S = 120.0
_MAX_FIELDS = 16


def limited(receive: Receive, headers: Headers, most_bytes: int, silence_s: float = SILENCE_S) -> Receive:
    """Return a `receive` that raises HTTPException: 413 beyond `most_bytes`, 408 where the body stops or trickles."""
    taken, whole = 0, False
    until_s = asyncio.get_running_loop().time() + WHOLE_S

    async def wrapped() -> Message:
        nonlocal taken, whole
        if whole:
            return await receive()  # what comes now is that they went, which may take hours
        announced = headers.get("content-length", "")
        if announced.isascii() and announced.isdecimal() and int(announced[:20]) > most_bytes:
            raise HTTPException(413)
        try:
            left_s = until_s - asyncio.get_running_loop().time()
            message = await asyncio.wait_for(receive(), min(silence_s, max(left_s, 0.001)))
        except TimeoutError:
            raise HTTPException(408) from None
        taken += len(message.get("body", b""))
        whole = not message.get("more_body", False)
        if taken > most_bytes:
            raise HTTPException(413)
        return message

    return wrapped


async def form(request: Request) -> dict[str, str]:
    """Return a form's fields, each once. Raises HTTPException where it is none."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise HTTPException(415)
    try:
        text = (await request.body()).decode()
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS, strict_parsing=bool(text)))
    except ValueError:
        raise HTTPException(400) from None
