"""What all acts of the panel share: spool, clocks, and feeling only what is durable."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from contract.messages import Fix
from edge.options import PanelSettings
from edge.panel.feedback import Outputs, Pattern, Player
from edge.spool import Spool, ring
from edge.spool.last_fix import find_last_fix

log = logging.getLogger("zhixing.panel")

_HISTORY: Final = 8


@dataclass(frozen=True, slots=True)
class PanelClock:
    """Injected clocks: ms since the epoch, ms since boot, and the seconds that patterns are played by."""

    wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    boot_ms: Callable[[], int] = lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
    now_s: Callable[[], float] = time.monotonic


class Desk:
    """The panel's hold on the spool and on the officer's senses. Lives in one thread."""

    def __init__(self, spool: Spool, settings: PanelSettings, outputs: Outputs, clock: PanelClock) -> None:
        self.spool, self.settings, self.outputs, self.clock = spool, settings, outputs, clock
        self.player = Player(outputs)
        self.played: list[dict[str, Any]] = []
        self._after_commit: list[Callable[[], object]] | None = None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All durable or nothing; what is played or rung inside waits for the commit (nests)."""
        if self._after_commit is not None:
            with self.spool.transaction():
                yield
            return
        waiting: list[Callable[[], object]] = []
        self._after_commit = waiting
        try:
            with self.spool.transaction():
                yield
        finally:
            self._after_commit = None
        for act in waiting:
            act()

    def play(self, pattern: Pattern, done: Callable[[], None] | None = None) -> None:
        """Let the officer feel ``pattern``, after the commit of what is under way."""
        self._do_after(lambda: self._play(pattern, done))

    def ring(self, *who: str) -> None:
        """Wake other processes, after the commit of what is under way."""
        for name in who:
            self._do_after(lambda name=name: ring(self.spool.dir, name))  # type: ignore[misc]

    def sos(self) -> dict[str, Any]:
        """The newest SOS as the state ``sos`` tells it; empty when there was none."""
        return self.read_state("sos")

    def status(self) -> dict[str, Any]:
        """What the recorder said last."""
        return self.read_state("recorder_status")

    def read_state(self, key: str) -> dict[str, Any]:
        """A state that is a table; empty when it is not set."""
        told = self.spool.state.get(key)
        return told if isinstance(told, dict) else {}

    def fix(self) -> Fix | None:
        """The last position known, its age stated."""
        return find_last_fix(self.spool)

    def is_quiet(self) -> bool:
        """Quiet mode as the officer wants it, else as kit.toml says."""
        quiet = self.spool.state.get("quiet")
        return quiet if isinstance(quiet, bool) else self.settings.quiet

    def _do_after(self, act: Callable[[], object]) -> None:
        if self._after_commit is None:
            act()
        else:
            self._after_commit.append(act)

    def _play(self, pattern: Pattern, done: Callable[[], None] | None) -> None:
        self.player.play(pattern, self.clock.now_s(), done=done)
        self.played = [*self.played[1 - _HISTORY :], {"pattern": pattern.name, "at_ms": self.clock.wall_ms()}]
        try:
            # A kit without a buzzer has the page alone to show it on.
            self.spool.state.set("felt", self.played)
        except sqlite3.Error as error:
            log.warning("panel: the page cannot show %s: %s", pattern.name, error)
        else:
            ring(self.spool.dir, "screen")
