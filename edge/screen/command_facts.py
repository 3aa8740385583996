"""What the officer's page shows of remote command: who watches, who talks, what is ordered. Codes and names."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from contract.orders import CANNOT
from edge.settings import Settings
from edge.spool import Spool
from edge.spool.instructions import InstructionRow
from edge.spool.talk import TO_CENTRE, find_talk

Facts = dict[str, Any]
ORDERS_SHOWN: Final = 20


def read_command(spool: Spool, settings: Settings, *, is_lost: bool) -> Facts:
    """``live``, ``voice``, ``watch_me``, ``orders`` and ``cannot``; in whose hands a lost kit is nobody knows."""
    return {
        "live": None if is_lost else _read_live(spool),
        "voice": None if is_lost else _read_voice(spool, settings),
        "watch_me": None if is_lost else _read_request(spool),
        "orders": [] if is_lost else [_read_order(spool, row) for row in spool.instructions.newest(ORDERS_SHOWN)],
        "cannot": CANNOT,
    }


def _read_live(spool: Spool) -> Facts | None:
    """The sessions the kit is in and who looks now; None outside of any."""
    told = spool.state.get("live_sessions")
    sessions = [entry for entry in told if isinstance(entry, dict)] if isinstance(told, list) else []
    if not sessions:
        return None
    names = ("session", "by", "court", "purpose", "on_ms", "until_ms", "voice")
    status = _table(spool, "live_status")
    return {
        "sessions": [{name: entry.get(name) for name in names} for entry in sessions],
        "connected": bool(status.get("connected")),
        "reason": str(status.get("reason", "")),
        "watchers": status.get("watchers") or [],
        "kbps": status.get("kbps") or 0,
        "note": str(status.get("note", "")),
    }


def _read_voice(spool: Spool, settings: Settings) -> Facts:
    status = _table(spool, "voice_status")
    talk = find_talk(spool)
    return {
        "connected": bool(status.get("connected")),
        "mode": str(status.get("mode", "off")),
        "reason": str(status.get("reason", "")),
        "talking": status.get("talking"),
        "hears": status.get("hears") or [],
        "others": status.get("others") or [],
        "trouble": str(status.get("trouble", "")),
        "to": str(_table(spool, "talk_to").get("id") or TO_CENTRE),
        "held_by": talk.by if talk is not None else "",
        "ptt": settings.live.ptt,
    }


def _read_request(spool: Spool) -> Facts | None:
    asked = _table(spool, "watch_me")
    if not asked:
        return None
    taken = asked.get("taken")
    seq = asked.get("seq")
    return {
        "at_ms": asked.get("at_ms"),
        "at_centre": not (isinstance(seq, int) and spool.outbox.is_pending(seq)),
        "taken": {"by": taken.get("by", ""), "court": taken.get("court", "")} if isinstance(taken, dict) else None,
    }


def _read_order(spool: Spool, row: InstructionRow) -> Facts:
    waits = row.receipt_seq is not None and spool.outbox.is_pending(row.receipt_seq)
    return {
        **msgspec.to_builtins(row.read_body()),
        "number": row.number,
        "issued_ms": row.issued_ms,
        "state": row.state,
        "state_ms": row.state_ms,
        "note": row.note,
        "at_centre": not waits,
    }


def _table(spool: Spool, key: str) -> Facts:
    told = spool.state.get(key)
    return told if isinstance(told, dict) else {}
