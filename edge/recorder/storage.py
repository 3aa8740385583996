"""When the card counts as full: before it really is, so that the end of a recording can still be written."""

from __future__ import annotations

import os
import shutil
from typing import Final

from edge.options import StorageSettings
from edge.recorder.durable import sync_folder
from edge.spool import Spool

# Given back when the card is full although the reserve should have prevented it, to write gap, end and alarm.
BALLAST_BYTES: Final = 1024 * 1024


class StorageGuard:
    """Watches free space and the vault's share. Never deletes: only the centre's receipts free the vault."""

    def __init__(self, spool: Spool, settings: StorageSettings) -> None:
        self._spool = spool
        self._settings = settings
        self._ballast = spool.vault.folder / "ballast"

    def find_shortage(self, *, to_start: bool = False) -> str | None:
        """One sentence why nothing more may be stored, or None. To start anew takes a tenth more than to go on."""
        factor = 1.1 if to_start else 1.0
        free = shutil.disk_usage(self._spool.vault.folder).free
        if free < self._settings.reserve_bytes * factor:
            return f"The card has {free // 1_000_000} MB left, less than its reserve: let the kit upload."
        held = self._spool.vault.total_bytes()
        if held * factor > self._settings.vault_max_bytes:
            return f"The vault holds {held // 1_000_000} MB, its whole share: let the kit upload."
        return None

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
