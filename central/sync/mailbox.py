"""Directives on their way to the kits: sent when written, when a kit says hello, and again until its receipt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from central.base.unit_of_work import Store
from central.devices import service as devices
from central.devices.rules import LONG_PAST_MS, is_settled
from contract.messages import Directive, encode
from contract.names import cmd_subject

SWEEP_S: Final = 5.0

Letter = tuple[str, bytes]
"""Subject and payload of a directive to publish."""


class MailCarrier:
    """Reads what kits must still get; the caller publishes. Used by one thread at a time."""

    def __init__(self, store: Store, directory: devices.KitDirectory) -> None:
        self._store = store
        self._directory = directory

    def letters_for(self, kit_id: str, have: int | None = None) -> list[Letter]:
        """Directives for one kit: all above ``have`` when it has said so, else those without any receipt."""
        kit = self._directory.find(kit_id)
        if kit is None:
            return []
        with self._store.read() as session:
            if have is None:
                entries = devices.list_waiting(session, kit)
            else:
                entries = devices.list_undelivered(session, kit, have=have)
        subject = cmd_subject(kit_id, "directive")
        lock = _find_lock(entries)
        return [
            (
                subject,
                encode(
                    Directive(
                        number=entry.number,
                        kind=entry.kind,
                        issued_ms=entry.issued_ms,
                        body=msgspec.Raw(msgspec.json.encode(entry.body)),
                        expires_ms=(
                            LONG_PAST_MS
                            if is_settled(entry.kind, entry.state) and entry is not lock
                            else entry.expires_ms
                        ),
                    )
                ),
            )
            for entry in entries
        ]

    def sweep(self, connected: Sequence[str]) -> list[Letter]:
        """Directives without any receipt for connected kits; whoever wrote them, nudged or not."""
        with self._store.read() as session:
            waiting = devices.find_waiting_kits(session)
        kits = [kit for kit in map(self._directory.find, connected) if kit is not None and kit.kit_no in waiting]
        return [letter for kit in kits for letter in self.letters_for(kit.kit_id)]


def _find_lock(entries: Sequence[Any]) -> Any | None:
    """The lock in force among these, if any: a kit that lost its memory is to be locked again."""
    told = [entry for entry in entries if entry.kind == "lost"]
    return told[-1] if told and told[-1].body.get("step") == "lock" else None
