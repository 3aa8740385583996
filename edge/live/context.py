"""What the tasks of the live process share: settings, identity, sessions, connections, the camera's tap, facts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from edge.live.feed import Feed
from edge.live.sessions import Sessions
from edge.reach.identity import Identity
from edge.reach.trusted_time import TrustedTime
from edge.settings import Settings
from edge.spool import Spool

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection


@dataclass
class LinkFacts:
    """How the link is, for everybody who must give way; written by the picture's task unless said otherwise.

    ``kbps``: what gets through, None while unknown. ``is_thin``: too little for any picture. ``is_metered``: bytes
    cost. ``voice_late_s``: how late voice leaves the kit (written by the voice's task), 0 when nothing waits.
    """

    kbps: int | None = None
    rtt_ms: int | None = None
    is_thin: bool = False
    is_metered: bool = False
    voice_late_s: float = 0.0


@dataclass
class LiveContext:
    """One per process; all of it belongs to the one event loop.

    - ``spool``: the process's own; read and write it briefly, in the loop's thread.
    - ``sessions``: those the kit is in; without any, nothing is connected.
    - ``feed``: pictures and sound of the recorder, by subscription.
    - ``connect(path)``: a proven WebSocket to the relay of the current session (``contract.live`` paths); raises
      OSError, websockets.exceptions.WebSocketException or TimeoutError (all in `edge.live.link.FAILURES`).
    - ``note_status(key, table)``: writes a state (``live_status``, ``voice_status``) and rings screen and panel when
      it is another than before.
    - ``forget_proofs()``: the relay closed with CLOSE_UNPROVEN; the next connection brings a fresh proof.
    - ``read_clock_us()``: the best belief about now, µs since 1970, for frames.
    """

    settings: Settings
    spool: Spool
    identity: Identity
    trusted_time: TrustedTime
    sessions: Sessions
    feed: Feed
    connect: Callable[[str], Awaitable[ClientConnection]]
    note_status: Callable[[str, dict[str, Any]], None]
    read_clock_us: Callable[[], int]
    forget_proofs: Callable[[], None] = lambda: None
    facts: LinkFacts = field(default_factory=LinkFacts)
