"""Requests under way at the door, by kit: those of a kit that is shut out end in the middle of their body."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Final
from weakref import WeakSet

from fastapi import Request
from starlette.types import Scope

from central.sync.problems import ProblemError
from contract import door_auth

TOO_MANY: Final = door_auth.PROBLEM_PREFIX + "too-many"
# A kit sends two or three at once; on a bad link some older ones seem open here for a minute.
MAX_PER_KIT: Final = 32


class Line:
    """One request of one kit, for as long as somebody holds it. Belongs to the event loop."""

    def __init__(self) -> None:
        self.is_cut = False
        self.is_over = False  # answered; whoever still holds it holds nothing of the door
        self._pause: asyncio.Timeout | None = None

    def cut(self) -> None:
        """End the wait for the next part of the body, now."""
        self.is_cut = True
        if self._pause is not None:
            self._pause.reschedule(asyncio.get_running_loop().time())

    def check(self) -> None:
        """Raise ProblemError (403, revoked) once the line is cut; the answer closes the connection."""
        if self.is_cut:
            text = "The kit or its certificate was revoked while it was sending: enrol it anew."
            raise ProblemError(403, door_auth.REVOKED, text)

    @asynccontextmanager
    async def waiting(self, limit_s: float) -> AsyncIterator[None]:
        """At most so long for what is awaited inside; raises TimeoutError, or ProblemError when cut."""
        self.check()
        try:
            async with asyncio.timeout(limit_s) as self._pause:
                yield
        except TimeoutError:
            self.check()
            raise
        finally:
            self._pause = None


class Lines:
    """Every request under way."""

    def __init__(self) -> None:
        self._open: defaultdict[str, WeakSet[Line]] = defaultdict(WeakSet)

    def open(self, kit_id: str) -> Line:
        """A line for a request of this kit. Raises ProblemError (429): one kit does not fill the door."""
        lines = self._open[kit_id]
        if sum(not line.is_over for line in lines) >= MAX_PER_KIT:
            text = "This kit has too many requests under way: end some, or wait until they are answered."
            raise ProblemError(429, TOO_MANY, text, retry_after_s=5)
        line = Line()
        lines.add(line)
        return line

    def follow(self, request: Request, kit_id: str, *, is_known: bool) -> None:
        """End the request as soon as its kit is revoked; at once when its certificate is no longer known.

        Raises ProblemError (403, 429).
        """
        line: Line = self.open(kit_id)
        request.state.line = line
        if not is_known:
            line.cut()
        line.check()

    def cut(self, kit_ids: Iterable[str]) -> None:
        """Cut every line of these kits."""
        for kit_id in kit_ids:
            for line in tuple(self._open.pop(kit_id, ())):
                line.cut()


def end_line(scope: Scope) -> None:
    """The request of this scope is answered: its line, where it has one, counts no more."""
    line = scope.get("state", {}).get("line")
    if isinstance(line, Line):
        line.is_over = True
