"""Which kits are connected right now, told by the broker's own events; ends the sessions of revoked ones."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
from nats.errors import Error as NatsError

from central.sync.broker import KITS_ACCOUNT

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

log = logging.getLogger(__name__)

REQUEST_TIMEOUT_S: Final = 2.0
_PAGE: Final = 1024


class Session(NamedTuple):
    """A live connection at the broker: enough to end it."""

    server_id: str
    client_id: int


class _Server(msgspec.Struct, frozen=True):
    id: str


class _ClientEvent(msgspec.Struct, frozen=True):
    id: int
    user: str = ""
    client_type: str = ""


class _Event(msgspec.Struct, frozen=True):
    server: _Server
    client: _ClientEvent
    reason: str = ""


class _Connection(msgspec.Struct, frozen=True):
    cid: int
    type: str = ""
    authorized_user: str = ""


class _ConnectionPage(msgspec.Struct, frozen=True):
    total: int = 0
    connections: list[_Connection] = []


class _ConnectionReply(msgspec.Struct, frozen=True):
    server: _Server
    data: _ConnectionPage


class Sessions:
    """Kit id to its live sessions; ``on_change(kit_id, connected, reason)`` is called when that changes."""

    def __init__(self, on_change: Callable[[str, bool, str], None]) -> None:
        self._on_change = on_change
        self._live: dict[str, set[Session]] = {}
        self._moved: set[str] = set()  # kits of which an event told since the last stock-taking began
        self._client: Client | None = None

    def connected(self) -> list[str]:
        """Kits with a live session."""
        return list(self._live)

    async def start(self, client: Client) -> None:
        """Follow the broker's events on ``client`` (the system user), then take stock of who is there already."""
        self._client = client
        await client.subscribe(f"$SYS.ACCOUNT.{KITS_ACCOUNT}.CONNECT", cb=self._connected)
        await client.subscribe(f"$SYS.ACCOUNT.{KITS_ACCOUNT}.DISCONNECT", cb=self._disconnected)
        await self.reconcile()

    async def reconcile(self) -> None:
        """Compare with the broker's own list; mends what was missed while the broker or we were away."""
        if self._client is None:
            return
        self._moved.clear()
        try:
            present = await self._take_stock(self._client)
        except NatsError as error:
            log.warning("sessions: the broker did not list its connections (%s), trying again later", error)
            return
        # Of these an event has told meanwhile what the list, written before it, does not know.
        moved = frozenset(self._moved)
        for kit_id in self._live.keys() - present.keys() - moved:
            del self._live[kit_id]
            self._on_change(kit_id, False, "Connection Lost")
        for kit_id, sessions in present.items():
            if kit_id in moved:
                continue
            is_new = kit_id not in self._live
            self._live[kit_id] = sessions
            if is_new:
                self._on_change(kit_id, True, "")

    async def end(self, kit_id: str) -> int:
        """End every session of a kit at once; returns how many."""
        sessions = self._live.get(kit_id, set())
        for session in tuple(sessions):
            await self._kick(session)
        return len(sessions)

    async def _kick(self, session: Session) -> None:
        if self._client is None:
            return
        body = msgspec.json.encode({"cid": session.client_id})
        subject = f"$SYS.REQ.SERVER.{session.server_id}.KICK"
        try:
            await self._client.request(subject, body, timeout=REQUEST_TIMEOUT_S)
        except NatsError as error:
            log.error("sessions: the broker did not confirm the end of a session (%s)", error)

    async def _take_stock(self, client: Client) -> dict[str, set[Session]]:
        present: dict[str, set[Session]] = {}
        offset = 0
        while True:
            ask = {"acc": KITS_ACCOUNT, "auth": True, "limit": _PAGE, "offset": offset}
            answer = await client.request(
                "$SYS.REQ.SERVER.PING.CONNZ", msgspec.json.encode(ask), timeout=REQUEST_TIMEOUT_S
            )
            reply = msgspec.json.decode(answer.data, type=_ConnectionReply)
            for item in reply.data.connections:
                if item.type == "mqtt" and item.authorized_user:
                    present.setdefault(item.authorized_user, set()).add(Session(reply.server.id, item.cid))
            offset += _PAGE
            if offset >= reply.data.total:
                return present

    async def _connected(self, message: Msg) -> None:
        event = msgspec.json.decode(message.data, type=_Event)
        if event.client.client_type == "mqtt":
            self._add(event.client.user, Session(event.server.id, event.client.id), "")

    async def _disconnected(self, message: Msg) -> None:
        event = msgspec.json.decode(message.data, type=_Event)
        kit_id, session = event.client.user, Session(event.server.id, event.client.id)
        self._moved.add(kit_id)
        left = self._live.get(kit_id)
        if left is None or session not in left:
            return
        left.discard(session)
        if not left:
            del self._live[kit_id]
            self._on_change(kit_id, False, event.reason)

    def _add(self, kit_id: str, session: Session, reason: str) -> None:
        self._moved.add(kit_id)
        known = kit_id in self._live
        self._live.setdefault(kit_id, set()).add(session)
        if not known:
            self._on_change(kit_id, True, reason)
