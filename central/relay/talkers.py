"""The table of talkers as each listener is told it: who is there, and who talks to whom in his own sessions. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from msgspec import structs

from contract.live import HEADER, MAX_CONTROL_BYTES, Talker, Talkers, pack_control

if TYPE_CHECKING:
    from central.relay.room import Participant

_MAX_TALKERS_TOLD: Final = 128


def make_table(listener: Participant, people: Iterable[Participant]) -> Talkers:
    """Whom this listener shares a session with; what somebody says in other sessions is none of his business."""
    rows = [
        _make_row(other, is_on=not other.talks_in.isdisjoint(listener.sessions))
        for other in sorted(people, key=lambda one: one.stream)
        if not other.sessions.isdisjoint(listener.sessions)
    ]
    return _fit(Talkers(you=listener.id, talkers=rows[:_MAX_TALKERS_TOLD]))


def _make_row(other: Participant, *, is_on: bool) -> Talker:
    to = list(other.to) if is_on else []
    return Talker(stream=other.stream, id=other.id, name=other.name, on=is_on, to=to)


def _fit(table: Talkers) -> Talkers:
    """The table as small as a control message must be: first without whom they talk to, then those silent go."""
    if _fits(table):
        return table
    rows = [structs.replace(row, to=row.to[:1]) for row in table.talkers]
    table = Talkers(you=table.you, talkers=rows)
    while not _fits(table):
        rows = sorted(rows, key=lambda row: not row.on)[: len(rows) * 3 // 4]
        table = Talkers(you=table.you, talkers=rows)
    return table


def _fits(table: Talkers) -> bool:
    return len(pack_control(table)) - HEADER.size <= MAX_CONTROL_BYTES
