"""Between the threads of the page's server and the one thread that touches the spool."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import Empty, Queue, SimpleQueue
from typing import Any, Final

# The panel answers at once or is being restarted; the page asks again under the same key.
ANSWER_S: Final = 5.0
# Pages open at once. The newest one is served: it is the one that is looked at.
MAX_LISTENERS: Final = 8


@dataclass
class Ask:
    """What a request wants: ``what`` is press, task or state; the answer comes back through ``reply``."""

    what: str
    facts: dict[str, Any] = field(default_factory=dict)
    reply: Queue[dict[str, Any]] = field(default_factory=lambda: Queue(1))


class Inlet:
    """Requests on their way to the spool's thread."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._asks: SimpleQueue[Ask] = SimpleQueue()
        self._wake = wake

    def ask(self, what: str, **facts: Any) -> dict[str, Any] | None:
        """Wait for the answer; None when it does not come."""
        ask = Ask(what, facts)
        self._asks.put(ask)
        self._wake()
        try:
            return ask.reply.get(timeout=ANSWER_S + 1)
        except Empty:
            return None

    def take(self) -> Ask | None:
        """The next request, or None."""
        try:
            return self._asks.get_nowait()
        except Empty:
            return None


class Board:
    """The newest facts as JSON, and those who wait for newer ones."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._text = ""
        self._version = 0
        self._listeners: dict[int, None] = {}
        self._next = 0

    @property
    def listeners(self) -> int:
        """How many pages are open."""
        return len(self._listeners)

    def put(self, text: str) -> None:
        """Show ``text`` to all listeners, if it is new."""
        with self._changed:
            if text != self._text:
                self._text, self._version = text, self._version + 1
                self._changed.notify_all()

    def close(self) -> None:
        """Send the listeners home."""
        with self._changed:
            self._listeners.clear()
            self._changed.notify_all()

    def enter(self) -> int:
        """One listener more, by its number; the one who has listened longest goes when there are too many."""
        with self._changed:
            self._next += 1
            self._listeners[self._next] = None
            if len(self._listeners) > MAX_LISTENERS:
                del self._listeners[next(iter(self._listeners))]
                self._changed.notify_all()
            return self._next

    def leave(self, listener: int) -> None:
        """One listener less."""
        with self._changed:
            self._listeners.pop(listener, None)

    def wait_newer(self, listener: int, version: int, timeout_s: float) -> tuple[int, str] | None:
        """The facts and their version once they are newer than ``version``; the same ones after the time-out.

        None when this listener is to go home.
        """
        with self._changed:
            self._changed.wait_for(lambda: listener not in self._listeners or self._version > version, timeout_s)
            return (self._version, self._text) if listener in self._listeners else None
