"""What a recording is about, from its kit's signed word: task, category, case, marks and turns while it ran.

A record names numbers only; the case is the one of the task that stands under that number in the kit's mailbox.
"""

from __future__ import annotations

import re
from typing import Any, Final

from central.base.unit_of_work import UnitOfWork
from central.devices.models import MailboxEntry
from central.evidence.models import Recording, RecordingNote
from contract.chain import Kind, Record
from contract.notes import read_notes

_CODE: Final = re.compile(r"[a-z][a-z_]{0,31}")
_CALL: Final = re.compile(r"[0-9a-f]{32}")
_MAX_NUMBER: Final = 2**53
_MAX_TIME_MS: Final = 7_258_118_400_000


def note_matters(uow: UnitOfWork, recording: Recording, record: Record) -> None:
    """Enter what an accepted record of `recording` states besides pictures."""
    if record.kind is Kind.OPEN:
        together = record.extra.get("together")
        recording.together = together if isinstance(together, str) and _CALL.fullmatch(together) else ""
    notes = _opening_notes(record) if record.kind is Kind.OPEN else read_notes(record.extra)
    for place, note in enumerate(notes):
        _enter(uow, recording, record.seq, place, note)


def _enter(uow: UnitOfWork, recording: Recording, seq: int, place: int, note: dict[str, Any]) -> None:
    task_no, category = _number(note.get("task")), _code(note.get("category"))
    case_no = _find_case(uow, recording.kit_no, task_no)
    said = note.get("cause") or note.get("sound") or ""
    row = RecordingNote(
        recording_id=recording.id,
        seq=seq,
        place=place,
        what=note["what"],
        at_ms=min(max(0, note["at_ms"]), _MAX_TIME_MS),
        category=category,
        task_no=task_no,
        case_no=case_no,
        said=said[:64] if isinstance(said, str) else "",
    )
    uow.session.add(row)
    if note["what"] == "category":
        recording.category = category
    elif note["what"] == "task":
        recording.task_no = task_no
        recording.case_no = case_no or recording.case_no


def _opening_notes(record: Record) -> list[dict[str, Any]]:
    """How task and category stood at the beginning, as if somebody had just said so."""
    return [
        {"what": what, "at_ms": record.started_ms, what: record.extra[what]}
        for what in ("task", "category")
        if record.extra.get(what)
    ]


def _find_case(uow: UnitOfWork, kit_no: int, task_no: int | None) -> str:
    entry = uow.session.get(MailboxEntry, (kit_no, task_no)) if task_no is not None else None
    if entry is None or entry.kind != "task":
        return ""
    return str(entry.body.get("case_no") or "")[:64]


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < _MAX_NUMBER else None


def _code(value: object) -> str:
    return value if isinstance(value, str) and _CODE.fullmatch(value) else ""
