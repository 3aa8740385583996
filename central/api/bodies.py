"""Bodies are read by the resources themselves: after the token, within a limit, and not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final, TypeVar

import pydantic_core
from fastapi import Request
from pydantic import BaseModel

from central.api.problems import ProblemError

JSON_TYPE: Final = "application/json"
# A body may pause this long; then its connection is given to somebody else.
PAUSE_S: Final = 60.0
_S = TypeVar("_S", bound=BaseModel)


def media_type(request: Request, wanted: tuple[str, ...]) -> str:
    """Return the body's media type without parameters; raises ProblemError 415 for none of `wanted`."""
    values = request.headers.getlist("content-type")
    given = values[0].partition(";")[0].strip().lower() if len(values) == 1 else ""
    if given not in wanted:
        raise ProblemError(415, "media_type", wanted=", ".join(wanted))
    return given


async def read_blocks(request: Request, limit: int) -> AsyncIterator[bytes]:
    """Yield the body as it comes; raises ProblemError 413 beyond `limit` bytes, 408 when it pauses too long."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > limit:
        raise ProblemError(413, "too_large", limit=limit, headers={"Connection": "close"})
    size = 0
    blocks = request.stream().__aiter__()
    while True:
        try:
            block = await asyncio.wait_for(anext(blocks), PAUSE_S)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise ProblemError(408, "too_slow", headers={"Connection": "close"}) from None
        size += len(block)
        if size > limit:
            raise ProblemError(413, "too_large", limit=limit, headers={"Connection": "close"})
        yield block


async def read_json(request: Request, shape: type[_S], limit: int) -> _S:
    """Return the JSON body as `shape`; raises ProblemError 400, 408, 413, 415 or pydantic's ValidationError (422)."""
    media_type(request, (JSON_TYPE,))
    body = b"".join([block async for block in read_blocks(request, limit)])
    try:
        # Only to tell bad JSON from a bad value; it also refuses what nests too deep.
        pydantic_core.from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise ProblemError(400, "malformed_json", fact=str(error)) from None
    return shape.model_validate_json(body)
