"""The sessions of remote command this kit is in, as the control process wrote them down. Pure but for `Sessions`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final, Literal

import msgspec

STATE: Final = "live_sessions"


class LiveSession(msgspec.Struct, frozen=True):
    """One entry of the state ``live_sessions``; times in ms since 1970, ``session`` 32 hex digits.

    ``url`` is where the relay is, ``by``, ``court`` and ``purpose`` who decided and why.
    """

    session: str
    number: int = 0
    on_ms: int = 0
    until_ms: int | None = None
    url: str = ""
    by: str = ""
    court: str = ""
    purpose: str = ""
    voice: Literal["off", "ptt", "duplex"] = "ptt"


def read_sessions(value: Any, is_past: Callable[[int], bool]) -> tuple[LiveSession, ...]:
    """Those of the state's value that are still on; what is malformed counts as not said."""
    found = []
    for entry in value if isinstance(value, list) else []:
        try:
            session = msgspec.convert(entry, LiveSession)
        except msgspec.ValidationError:
            continue
        if session.until_ms is None or not is_past(session.until_ms):
            found.append(session)
    return tuple(found)


class Sessions:
    """``current`` and the word that it changed; for tasks of one event loop."""

    def __init__(self) -> None:
        self.current: tuple[LiveSession, ...] = ()
        self.version = 0
        self._changed = asyncio.Event()

    def set(self, sessions: Iterable[LiveSession]) -> bool:
        """Replace them; True when they differ, and everybody who waits is woken then."""
        fresh = tuple(sessions)
        if fresh == self.current:
            return False
        self.current = fresh
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()
        return True

    async def wait(self, seen: int) -> int:
        """Wait until ``version`` is another than ``seen``; gives it."""
        while self.version == seen:
            await self._changed.wait()
        return self.version
