"""States of an incident (突发事件) and what an alarm from a kit means. Pure."""

from __future__ import annotations

from typing import ClassVar, Final

from central.base.errors import ConflictError, InvalidInputError

# state -> act -> next state; what is not listed is refused.
TRANSITIONS: Final[dict[str, dict[str, str]]] = {
    "open": {"acknowledge": "acknowledged"},
    "acknowledged": {"close": "closed"},
    "closed": {},
}
# Alarm kinds that a person must answer, most urgent first. `mark` is kept with the recording's trail only.
OPENING_KINDS: Final = ("sos", "tamper", "fault")
URGENT_KINDS: Final = frozenset({"sos", "tamper"})
# One open incident takes further alarms of these kinds from the same kit; every SOS stands for itself.
MERGING_KINDS: Final = frozenset({"fault", "tamper"})
MAX_NOTE_CHARS: Final = 500


class AlreadyAcknowledgedError(ConflictError):
    """Somebody else took the alarm first."""

    code: ClassVar[str] = "already_acknowledged"


class NotAcknowledgedError(ConflictError):
    """An incident can only be closed after somebody took it."""

    code: ClassVar[str] = "not_acknowledged"


class IncidentClosedError(ConflictError):
    """The incident is closed."""

    code: ClassVar[str] = "incident_closed"


def check_note(note: str) -> str:
    """Return the note without surrounding blanks; raises InvalidInputError when it is too long."""
    note = note.strip()
    if len(note) > MAX_NOTE_CHARS:
        raise InvalidInputError(f"A note may have {MAX_NOTE_CHARS} characters; shorten it.", limit=MAX_NOTE_CHARS)
    return note


def check_closing_note(note: str) -> str:
    """Return the note an incident is closed with; raises InvalidInputError when it is empty or too long."""
    note = check_note(note)
    if not note:
        raise InvalidInputError("Say in a few words how the incident ended; the note is part of the record.")
    return note


def refuse_act(state: str, act: str, acknowledged_by: str) -> ConflictError:
    """Build the error for an act that the present state does not allow."""
    if state == "closed":
        return IncidentClosedError("This incident is closed; open it to read its timeline.")
    if act == "acknowledge":
        return AlreadyAcknowledgedError(
            f"{acknowledged_by} has already acknowledged this alarm; open the incident to follow it.",
            by=acknowledged_by,
        )
    return NotAcknowledgedError("Acknowledge the alarm before closing the incident, so that the officer is told.")
