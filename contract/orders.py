"""What the centre orders a kit: the bodies of directives (``messages.Directive``), by kind.

A kit that does not know a kind answers ``failed``; it never guesses.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

_TimeMs = Annotated[int, Meta(ge=0, le=7_258_118_400_000)]
_Hex32 = Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
_Seq = Annotated[int, Meta(ge=0, le=2**53 - 1)]
_Note = Annotated[str, Meta(max_length=500)]
_Short = Annotated[str, Meta(max_length=64)]


class SosAck(Struct, frozen=True, omit_defaults=True):
    """Body of a ``sos_ack`` directive: a person at the centre has taken the alarm."""

    alarm_id: _Hex32
    by: _Short
    at_ms: _TimeMs
    note: _Note = ""


class RecordOrder(Struct, frozen=True, omit_defaults=True):
    """Body of ``record_start`` and ``record_stop`` directives.

    ``for_alarm`` names the call for which kits record together: such a start changes nothing at a kit that records
    already, and such a stop ends only what this call started.
    """

    cause: _Note
    by: _Short = ""
    for_alarm: _Hex32 | None = None


class TrustUpdate(Struct, frozen=True):
    """Body of a ``trust`` directive: a signed trust list (``contract.trust``), base64url without padding."""

    list: Annotated[str, Meta(max_length=65536)]


class Task(Struct, frozen=True, omit_defaults=True):
    """Body of a ``task`` directive: what a team is to do (seed 10). Its number is the directive's.

    The officer answers with receipts: received, read, accepted or refused, done.
    """

    title: Annotated[str, Meta(min_length=1, max_length=100)]
    text: Annotated[str, Meta(max_length=2000)] = ""
    case_no: _Short = ""
    category: _Short = ""
    place: Annotated[str, Meta(max_length=200)] = ""
    lat: Annotated[float, Meta(ge=-90, le=90)] | None = None
    lon: Annotated[float, Meta(ge=-180, le=180)] | None = None
    urgency: Literal["normal", "urgent", "most_urgent"] = "normal"
    officer: _Short = ""
    by: _Short = ""
    due_ms: _TimeMs | None = None


# Why an officer refuses a task, and how he says it went: the ``note`` of his receipt unless in his own words.
REFUSALS: Final = ("busy", "too_far", "unsafe", "unequipped", "not_mine", "other")
OUTCOMES: Final = ("as_ordered", "partly", "nobody_there", "resisted", "handed_over")
# Why an officer does not read an order back (``Instruction``): the ``note`` of his ``refused``.
CANNOT: Final = ("not_understood", "unsafe", "unequipped", "busy", "other")


class TaskRecall(Struct, frozen=True, omit_defaults=True):
    """Body of a ``task_recall`` directive: the task of that number is taken back."""

    task: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    reason: _Note
    by: _Short = ""


class LostOrder(Struct, frozen=True, omit_defaults=True):
    """Body of a ``lost`` directive. ``lock``: stop and lock; ``destroy``: destroy the keys, with a signed proof.

    ``permit`` is the device authority's word that the keys may go (``contract.lost``), base64url without padding.
    """

    step: Literal["lock", "unlock", "destroy"]
    reason: _Note
    by: _Short = ""
    permit: Annotated[str, Meta(max_length=4096)] = ""


class LogRequest(Struct, frozen=True, omit_defaults=True):
    """Body of a ``logs`` directive: bring the process logs of the last ``hours`` to the centre."""

    reason: _Note
    hours: Annotated[int, Meta(ge=1, le=168)] = 24
    by: _Short = ""


class LinkOrder(Struct, frozen=True, omit_defaults=True):
    """Body of a ``link`` directive: whether the link counts as metered; None leaves that to the kit."""

    metered: bool | None = None
    by: _Short = ""


class OriginalsOrder(Struct, frozen=True, omit_defaults=True):
    """Body of an ``originals`` directive: send these segments in full although the link is metered or thin."""

    recording_id: _Hex32
    from_seq: _Seq = 0
    to_seq: _Seq = 2**53 - 1
    by: _Short = ""


class LiveOrder(Struct, frozen=True, omit_defaults=True):
    """Body of a ``live`` directive: a session of remote command (seed 13) with this kit begins or ends.

    ``url`` is where the relay takes pictures and voice (``contract.live``), ``until_ms`` when the session ends by
    itself. ``court`` and ``by`` are who decided, ``purpose`` says why in words the officer reads.
    """

    session: _Hex32
    on: bool
    url: Annotated[str, Meta(max_length=300)] = ""
    until_ms: _TimeMs | None = None
    by: _Short = ""
    court: _Short = ""
    purpose: _Note = ""
    voice: Literal["off", "ptt", "duplex"] = "ptt"


class Instruction(Struct, frozen=True, omit_defaults=True):
    """Body of an ``instruct`` directive: a numbered order inside a session, to be read back (domain: remote command).

    ``no`` counts from 1 in the session. The officer's read-back is a receipt ``accepted``, "cannot" is ``refused``.
    """

    session: _Hex32
    no: Annotated[int, Meta(ge=1, le=100_000)]
    text: Annotated[str, Meta(min_length=1, max_length=500)]
    by: _Short = ""
    court: _Short = ""


# The kinds of directive and the shape of their bodies.
BODY_OF_ORDER: Final[dict[str, Any]] = {
    "sos_ack": SosAck,
    "record_start": RecordOrder,
    "record_stop": RecordOrder,
    "trust": TrustUpdate,
    "task": Task,
    "task_recall": TaskRecall,
    "lost": LostOrder,
    "logs": LogRequest,
    "link": LinkOrder,
    "originals": OriginalsOrder,
    "live": LiveOrder,
    "instruct": Instruction,
}
