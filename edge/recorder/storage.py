"""Room on the card: counts as full before it really is, warns long before that, and frees only what has a receipt."""

from __future__ import annotations

import os
import shutil
from typing import Any, Final

from edge.options import StorageSettings
from edge.recorder import storage_rules
from edge.recorder.durable import sync_folder
from edge.recorder.faults import build_fault
from edge.recorder.moment import Moment
from edge.recorder.storage_rules import ORDER, Judgement, Level, Room
from edge.spool import Spool, ring

# Given back when the card is full although the reserve should have prevented it, to write gap, end and alarm.
BALLAST_BYTES: Final = 1024 * 1024
LOOK_EVERY_MS: Final = 5_000
# States are written for people: not each of the kilobytes and minutes is worth a write to the card.
_TOLD_BYTES: Final = 16 * 1024 * 1024
# How fast the measured rate of bytes follows what is stored.
_RATE_WEIGHT: Final = 0.2


class StorageGuard:
    """Watches free space and the vault's share. What has no receipt of the centre is never deleted."""

    def __init__(self, spool: Spool, settings: StorageSettings) -> None:
        self._spool = spool
        self._settings = settings
        self._ballast = spool.vault.folder / "ballast"

    def measure(self) -> Room:
        """What the card says now. Raises OSError when it does not answer."""
        return Room(shutil.disk_usage(self._spool.vault.folder).free, self._spool.vault.total_bytes())

    def find_shortage(self, *, to_start: bool = False) -> str | None:
        """One sentence why nothing more may be stored, or None. To start anew takes a tenth more than to go on.

        What the centre has receipted and is only kept for a while gives way first.
        """
        shortage = storage_rules.find_shortage(self.measure(), self._settings, to_start=to_start)
        if shortage is None or not self._spool.vault.delete_receipted():
            return shortage
        return self.find_shortage(to_start=to_start)

    def set_ballast(self) -> None:
        """Keep a little space in hand; without room for it there is none to keep."""
        if self._ballast.exists():
            return
        if shutil.disk_usage(self._spool.vault.folder).free < 4 * BALLAST_BYTES:
            return
        handle = os.open(self._ballast, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(handle, 0, BALLAST_BYTES)
        finally:
            os.close(handle)

    def drop_ballast(self) -> bool:
        """Give the space in hand back; False when there was none."""
        if not self._ballast.exists():
            return False
        self._ballast.unlink()
        sync_folder(self._ballast.parent)
        return True


class StorageWatch:
    """Keeps the state ``storage_level`` and warns once for each level that is reached."""

    def __init__(self, spool: Spool, settings: StorageSettings, guard: StorageGuard, bitrate_bps: int) -> None:
        self._spool, self._settings, self._guard = spool, settings, guard
        self._bytes_per_s = bitrate_bps / 8
        self._due_ms = 0
        self._level: Level = self._read_level()

    def note_stored(self, length: int, duration_ms: int) -> None:
        """A segment of so many bytes was stored: the rate at which room goes."""
        if duration_ms > 0:
            self._bytes_per_s += (length * 1000 / duration_ms - self._bytes_per_s) * _RATE_WEIGHT

    def look(self, now: Moment) -> None:
        """Judge the room every few seconds; a level worse than the last becomes a fault alarm."""
        if now.monotonic_ms < self._due_ms:
            return
        self._due_ms = now.monotonic_ms + LOOK_EVERY_MS
        found = self._judge()
        if found.level != "ok" and self._spool.vault.delete_receipted():
            found = self._judge()
        with self._spool.transaction():
            if ORDER[found.level] > ORDER[self._level]:
                self._warn(now, f"storage_{found.level}", found.text)
            self._spool.state.set("storage_level", _describe(found))
        if found.level != self._level:
            ring(self._spool.dir, "panel")
            ring(self._spool.dir, "control")
        self._level = found.level

    def _warn(self, now: Moment, what: str, text: str) -> None:
        if self._spool.state.get("recorder_fault") != what:  # a recording that had to stop has said so already
            self._spool.outbox.append("alarm", build_fault(now, what, text), urgent=True)
        if what == "storage_full":
            self._spool.state.set("recorder_fault", what)

    def _judge(self) -> Judgement:
        return storage_rules.judge(self._guard.measure(), self._settings, self._bytes_per_s, before=self._level)

    def _read_level(self) -> Level:
        told = self._spool.state.get("storage_level")
        level = told.get("level") if isinstance(told, dict) else None
        return level if level in ORDER else "ok"


def _describe(found: Judgement) -> dict[str, Any]:
    minutes = found.minutes_left if found.minutes_left < 120 else found.minutes_left // 60 * 60
    free_bytes = found.free_bytes // _TOLD_BYTES * _TOLD_BYTES if found.free_bytes > _TOLD_BYTES else found.free_bytes
    return {"level": found.level, "free_bytes": free_bytes, "minutes_left": minutes, "text": found.text}
