"""A body that somebody else goes on with: what of it is here already is kept, and nothing more is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest

from central.sync.cutting import Line
from central.sync.incoming import Claim, CutShortError, receive

LIMIT = 1_000_000


class Written:
    """A draft in memory."""

    def __init__(self) -> None:
        self.data = b""

    @property
    def length(self) -> int:
        return len(self.data)

    def write(self, part: bytes) -> None:
        self.data += part


class Body:
    """What a connection brought, part by part; after that it is silent for ever."""

    def __init__(self, *parts: bytes) -> None:
        self.parts = list(parts)
        self.state = SimpleNamespace(line=Line())

    async def stream(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            yield part
        await asyncio.Event().wait()


async def receive_cut(claim: Claim, body: Body) -> bytes:
    draft = Written()
    with pytest.raises(CutShortError):
        async with asyncio.timeout(5):
            await receive(claim, body, draft, limit_bytes=LIMIT)  # type: ignore[arg-type]
    return draft.data


def test_what_is_at_hand_is_kept_of_a_body_that_was_overtaken_before_it_was_read() -> None:
    async def run() -> bytes:
        claim = Claim()
        claim.end()
        return await receive_cut(claim, Body(b"first", b"second"))

    assert asyncio.run(run()) == b"firstsecond"


def test_a_wait_for_more_ends_at_once() -> None:
    async def run() -> bytes:
        claim = Claim()
        asyncio.get_running_loop().call_later(0.05, claim.end)
        return await receive_cut(claim, Body(b"first"))

    assert asyncio.run(run()) == b"first"
