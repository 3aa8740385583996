"""Orders of remote command: which sessions this kit is in, written down for recorder, live, panel and screen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from contract.messages import MessageError
from contract.orders import LiveOrder
from edge.spool import Order, Spool
from edge.spool.store import read_clock_ms

SESSIONS: Final = "live_sessions"
ENDED: Final = "live_ended"
MAX_SESSIONS: Final = 8
_REMEMBERED: Final = 20


def obey_live_order(spool: Spool, order: Order, told: LiveOrder, is_past: Callable[[int], bool]) -> str:
    """Add or take away a session; what came of it, for the receipt.

    ``is_past`` judges a time (ms since 1970) by the trusted clock. Raises MessageError when it cannot be obeyed.
    """
    with spool.transaction():
        return _begin(spool, order, told, is_past) if told.on else _end(spool, order, told)


def end_past_sessions(spool: Spool, is_past: Callable[[int], bool]) -> bool:
    """Take away the sessions whose time is over; True when there were some."""
    before = _read(spool)
    rest = [entry for entry in before if entry.get("until_ms") is None or not is_past(entry["until_ms"])]
    if len(rest) == len(before):
        return False
    with spool.transaction():
        _write(spool, rest, by="")
    return True


def _begin(spool: Spool, order: Order, told: LiveOrder, is_past: Callable[[int], bool]) -> str:
    if spool.state.get("lost"):
        raise MessageError("this kit was reported lost: it shows and says nothing")
    if told.until_ms is not None and is_past(told.until_ms):
        raise MessageError("the session was over before its order reached the kit")
    ended = spool.state.get(ENDED) or []
    if any(entry.get("session") == told.session and entry.get("number", 0) > order.number for entry in ended):
        return "the session has ended already"
    others = [entry for entry in _read(spool) if entry.get("session") != told.session]
    if len(others) >= MAX_SESSIONS:
        raise MessageError(f"this kit is in {MAX_SESSIONS} sessions already: end one of them first")
    facts = msgspec.to_builtins(told)
    entry = {name: facts[name] for name in ("session", "until_ms", "url", "by", "court", "purpose") if name in facts}
    entry |= {"voice": told.voice, "number": order.number, "on_ms": read_clock_ms()}
    spool.state.set(SESSIONS, [*others, entry])
    return "the session has begun"


def _end(spool: Spool, order: Order, told: LiveOrder) -> str:
    ended = [entry for entry in spool.state.get(ENDED) or [] if entry.get("session") != told.session]
    spool.state.set(ENDED, [*ended[1 - _REMEMBERED :], {"session": told.session, "number": order.number}])
    before = _read(spool)
    rest = [entry for entry in before if entry.get("session") != told.session]
    if len(rest) == len(before):
        return "the kit was not in this session"
    _write(spool, rest, by=told.by)
    return "the session has ended"


def _write(spool: Spool, rest: list[dict[str, Any]], *, by: str) -> None:
    spool.state.set(SESSIONS, rest)
    wanted = spool.state.get("recording_wanted")
    if not rest and not (isinstance(wanted, dict) and wanted.get("on")):
        # Nobody else wants the recording: it goes on for a while and then ends, stated with this cause.
        spool.state.set("recording_wanted", {"on": False, "cause": "live", "by": by})


def _read(spool: Spool) -> list[dict[str, Any]]:
    value = spool.state.get(SESSIONS)
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
