"""Warnings that the officer feels: room running out, a card in trouble, a wanted recording that stopped."""

from __future__ import annotations

from typing import Any, Final

from edge.panel import feedback
from edge.panel.desk import Desk
from edge.panel.feedback import Pattern

_LEVELS: Final = ("ok", "low", "critical", "full")
# States of the recorder in which nothing is recorded although somebody wants it.
_STOPPED: Final = ("storage_full", "camera_fault")


class Warnings:
    """Compares states with what was felt last; a panel started anew does not repeat what was felt before."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._level = self._read_level()
        self._card = self._read("card", "state")
        self._recorder = self._read("recorder_status", "state")

    def attend(self) -> None:
        """Let the officer feel what has become worse since."""
        for pattern in (self._judge_recorder(), self._judge_storage(), self._judge_card()):
            if pattern is not None:
                self._desk.play(pattern)

    def _judge_recorder(self) -> Pattern | None:
        before, self._recorder = self._recorder, self._read("recorder_status", "state")
        stopped = self._recorder in _STOPPED and self._recorder != before
        wanted = bool(self._desk.read_state("recording_wanted").get("on"))
        return feedback.RECORDING_LOST if stopped and wanted else None

    def _judge_storage(self) -> Pattern | None:
        before, self._level = self._level, self._read_level()
        return feedback.LITTLE_ROOM if self._level > before else None

    def _judge_card(self) -> Pattern | None:
        before, self._card = self._card, self._read("card", "state")
        return feedback.LITTLE_ROOM if self._card not in ("", "ok", before) else None

    def _read_level(self) -> int:
        level = self._read("storage_level", "level")
        return _LEVELS.index(level) if level in _LEVELS else 0

    def _read(self, key: str, name: str) -> str:
        told: Any = self._desk.read_state(key).get(name)
        return told if isinstance(told, str) else ""
