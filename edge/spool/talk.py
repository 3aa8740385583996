"""Whether the officer talks now, and to whom: the state ``talk``, held open by whoever sees the button held.

It closes by itself ``VALID_MS`` after its last renewal, so that a page or a panel that was killed with the button
down leaves no open microphone.
"""

from __future__ import annotations

from typing import Final

import msgspec

from edge.spool.database import Spool
from edge.spool.store import read_boot_ms

STATE: Final = "talk"
VALID_MS: Final = 4000
RENEW_S: Final = 1.0
"""How often who holds it says so."""
TO_CENTRE: Final = "centre"
TO_ALL: Final = "all"


class Talk(msgspec.Struct, frozen=True):
    """State ``talk``. ``to``: centre, all or a kit's id; ``by``: page or button; ``mono_ms`` in boot ``boot``."""

    on: bool = False
    to: str = TO_CENTRE
    by: str = ""
    mono_ms: int = 0
    boot: str = ""


def hold_talk(spool: Spool, *, to: str, by: str, now_ms: int | None = None) -> None:
    """Begin to talk, or say that the button is still held; ``now_ms``: time since boot."""
    mono_ms = read_boot_ms() if now_ms is None else now_ms
    spool.state.set(STATE, msgspec.to_builtins(Talk(True, to or TO_CENTRE, by, mono_ms, spool.boot)))


def end_talk(spool: Spool, *, by: str) -> bool:
    """The button was let go; False when somebody else holds it, or nobody."""
    talk = _read(spool)
    if not talk.on or talk.by != by:
        return False
    spool.state.set(STATE, msgspec.to_builtins(Talk(to=talk.to)))
    return True


def find_talk(spool: Spool, now_ms: int | None = None) -> Talk | None:
    """Who is talked to now; None while the button is up. ``now_ms``: time since boot."""
    talk = _read(spool)
    if not talk.on or talk.boot != spool.boot:
        return None
    age_ms = (read_boot_ms() if now_ms is None else now_ms) - talk.mono_ms
    return talk if 0 <= age_ms <= VALID_MS else None


def _read(spool: Spool) -> Talk:
    try:
        return msgspec.convert(spool.state.get(STATE) or {}, Talk)
    except msgspec.ValidationError:
        return Talk()
