"""Where the relay hands what it passes on, for the session's record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Sink(Protocol):
    """Never blocks and never raises: the picture goes on whether or not it can be recorded."""

    def frame(self, session_id: str, source: str, message: bytes) -> None:
        """A frame (`contract.live`) that somebody in the session sees or hears; begins with INIT and a key frame."""
        ...

    def reached(self, session_id: str, source: str, listeners: Sequence[str]) -> None:
        """Who hears a talker from now on: ids of kits and people."""
        ...

    def end(self, session_id: str) -> None:
        """The session is over."""
        ...


class NoSink:
    """Records nothing."""

    def frame(self, session_id: str, source: str, message: bytes) -> None:
        """Let it go."""

    def reached(self, session_id: str, source: str, listeners: Sequence[str]) -> None:
        """Let it go."""

    def end(self, session_id: str) -> None:
        """Let it go."""
