"""What the other processes want of the recorder, read from the spool's state, and what that comes to together."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from contract.categories import is_category
from edge.recorder.moment import Moment
from edge.spool import Spool

LOST: Final = "lost"
# Ends that nobody in the field decided: what comes next is kept for a while.
POST_EVENT_CAUSES: Final = frozenset({"centre", "neighbour", "live"})


class Wish(msgspec.Struct, frozen=True):
    """State ``recording_wanted``. ``recording_id`` (32 hex) is set by who announced the recording beforehand.

    ``cause``: officer, sos, centre, neighbour, live, start. ``together`` is the alarm (32 hex) of the other kit for
    which a neighbour records.
    """

    on: bool = False
    cause: str = "officer"
    by: str = ""
    recording_id: str = ""
    alarm_id: str = ""
    together: str = ""


class Sos(msgspec.Struct, frozen=True):
    """State ``sos``. ``boot_ms`` is the time since boot ``boot`` at the press; None where that is not known."""

    alarm_id: str
    pressed_ms: int
    boot: str = ""
    boot_ms: int | None = None
    acked: bool = False
    withdrawn: bool = False


class Mark(msgspec.Struct, frozen=True):
    """State ``mark``: the officer pressed the mark button at ``at_ms`` during recording ``recording_id``."""

    at_ms: int
    recording_id: str = ""


class TaskNow(msgspec.Struct, frozen=True):
    """State ``task_current``: what the officer has accepted to do; ``number`` is the directive's."""

    number: int
    title: str = ""
    case_no: str = ""
    category: str = ""
    officer: str = ""


class Turned(msgspec.Struct, frozen=True):
    """State ``category``: what the officer turned the wheel to."""

    code: str
    at_ms: int = 0


class Live(msgspec.Struct, frozen=True):
    """The newest entry of the state ``live_sessions``: a session of remote command, whose ``by`` has decided it."""

    session: str
    by: str = ""


class Wishes(msgspec.Struct, frozen=True):
    """All of it, read at one moment. ``held``: the recording goes on although the officer asked for its end.

    ``live``: a session of remote command is on, and what is watched is recorded.
    """

    recording: Wish
    sos: Sos | None
    mark: Mark | None
    on_duty: bool
    task: TaskNow | None = None
    category: str = ""
    lost: bool = False
    held: bool = False
    live: Live | None = None


def read_wishes(spool: Spool, now: Moment, *, hold_ms: int) -> Wishes:
    """Read the state; what is malformed counts as not said. ``hold_ms``: see :func:`settle`."""
    turned = _read(spool.state.get("category"), Turned)
    task = _read(spool.state.get("task_current"), TaskNow)
    category = turned.code if turned is not None else task.category if task is not None else ""
    said = Wishes(
        recording=_read(spool.state.get("recording_wanted"), Wish) or Wish(),
        sos=_read(spool.state.get("sos"), Sos),
        mark=_read(spool.state.get("mark"), Mark),
        on_duty=spool.state.get("duty") is True,
        task=task,
        category=category if is_category(category) else "",
        lost=spool.state.get("lost") is not None,
        live=_read_live(spool.state.get("live_sessions")),
    )
    return settle(said, now, boot=spool.boot, hold_ms=hold_ms)


def settle(said: Wishes, now: Moment, *, boot: str, hold_ms: int) -> Wishes:
    """What the wishes come to together.

    A lost kit records nothing. While a call for help is neither withdrawn nor taken by a person, at most ``hold_ms``
    from the press, a stop at the kit is noted and not followed: the hand on the button may not be the officer's. The
    centre's stop counts at once. While a session of remote command is on, the kit records: nobody may see what is not
    kept.
    """
    wish, sos = said.recording, said.sos
    if said.lost:
        return msgspec.structs.replace(said, recording=Wish(on=False, cause=LOST), on_duty=False)
    if wish.on:
        return said
    if wish.cause == "officer" and sos is not None and _calls_still(sos, now, boot, hold_ms):
        held = Wish(on=True, cause="sos", by=wish.by, alarm_id=sos.alarm_id)
        return msgspec.structs.replace(said, recording=held, held=True)
    if said.live is not None:
        return msgspec.structs.replace(said, recording=Wish(on=True, cause="live", by=said.live.by))
    return said


def _calls_still(sos: Sos, now: Moment, boot: str, hold_ms: int) -> bool:
    return not (sos.acked or sos.withdrawn) and 0 <= _age_ms(sos, now, boot) < hold_ms


def _age_ms(sos: Sos, now: Moment, boot: str) -> int:
    if sos.boot == boot and sos.boot_ms is not None:
        return now.monotonic_ms - sos.boot_ms
    return now.wall_ms - sos.pressed_ms


def _read_live(value: Any) -> Live | None:
    return _read(value[-1], Live) if isinstance(value, list) and value else None


def _read(value: Any, shape: type[Any]) -> Any:
    try:
        return None if value is None else msgspec.convert(value, shape)
    except msgspec.ValidationError:
        return None
