"""The relay as its doors see it: exchange, voice rooms, rights, ledger; and what happens by itself beside them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from central.base.settings import Settings
from central.base.unit_of_work import Store
from central.command.session_rights import OpenSession
from central.courts.permissions import Actor
from central.relay import bounds
from central.relay.exchange import Exchange
from central.relay.ledger import Ledger
from central.relay.line import Line
from central.relay.outlets.janus import JanusGateway
from central.relay.rights import Rights, may_listen, may_publish, may_talk, may_watch
from central.relay.room import Participant, Rooms
from central.relay.sink import Sink
from central.relay.sources import PERSON, Looker
from contract.live import CLOSE_REFUSED, CLOSE_RESTARTING, CLOSE_TOO_SLOW, CLOSE_UNPROVEN

log = logging.getLogger(__name__)

RECHECK_S: Final = 0.4
TICK_S: Final = 0.5
COUNT_EVERY_S: Final = 1.0
GATHER_S: Final = 0.05
RECORD_WITHIN_S: Final = 1.0
# Somebody who comes back so soon was not away: the record of a session is not filled with reconnections.
WATCH_LINGER_S: Final = 3.0

_MAY: Final[dict[str, Callable[[Actor, OpenSession], bool]]] = {
    "picture": may_watch,
    "voice": may_listen,
    "publish": may_publish,
}


@dataclass(eq=False)
class Guest:
    """A person's connection: whose log-in it stands on, and for what."""

    line: Line
    token: str
    actor: Actor
    session_id: str
    act: str
    """picture, voice or publish."""


@dataclass
class Relay:
    """One per process; everything in it belongs to the event loop."""

    settings: Settings
    store: Store
    sink: Sink
    rights: Rights
    ledger: Ledger
    exchange: Exchange
    rooms: Rooms
    guests: set[Guest] = field(default_factory=set)
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    gateway: JanusGateway | None = None
    is_ending: bool = False
    sockets: int = 0
    _watching: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    _leaving: dict[tuple[str, str, str], asyncio.TimerHandle] = field(default_factory=dict)
    _left_by: dict[tuple[str, str, str], tuple[str, str]] = field(default_factory=dict)
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _recording: set[asyncio.Task[None]] = field(default_factory=set)

    # -- sessions and rights

    def session(self, session_id: str) -> OpenSession | None:
        """An open session as last read."""
        return self.rights.standing.sessions.get(session_id)

    async def refresh(self) -> None:
        """Read sessions and log-ins, and end what may not go on."""
        asked = {guest.token for guest in self.guests}
        if await self.rights.refresh(asked):
            self._apply(self.rights.standing.sessions.values())
            self._recheck_guests(asked)
        else:
            now_ms = self.store.clock.now_ms()
            sessions = self.rights.standing.sessions.values()
            self._apply([session for session in sessions if session.until_ms > now_ms])

    def _apply(self, sessions: Iterable[OpenSession]) -> None:
        found = list(sessions)
        self.exchange.apply(found)
        self.rooms.apply(found)

    def _recheck_guests(self, asked: set[str]) -> None:
        standing = self.rights.standing
        for guest in list(self.guests):
            login = standing.logins.get(guest.token)
            session = standing.sessions.get(guest.session_id)
            if guest.token not in asked:
                continue  # came while the read was under way: the next one judges it
            if login is None:
                guest.line.end(CLOSE_UNPROVEN, "logged_out")
            elif session is not None and not _MAY[guest.act](login.actor, session):
                guest.line.end(CLOSE_REFUSED, "not_allowed")
            elif session is not None and guest.act == "voice":
                self.rooms.set_may_talk(guest.line, may_talk(login.actor, session))

    def count_refusal(self, code: str) -> None:
        """Count somebody who was not let in, or was closed, by a code."""
        self.ledger.count(f"total.live.refused.{code}")

    def cut_kits(self, kit_ids: Iterable[str]) -> None:
        """End every connection of revoked kits, now."""
        for kit_id in kit_ids:
            source = self.exchange.sources.get(kit_id)
            if source is not None and source.line is not None:
                source.line.close(CLOSE_REFUSED, "revoked")
                self.exchange.detach(kit_id, source.line, "revoked")
            for participant in [one for one in self.rooms.people if one.is_kit and one.id == kit_id]:
                participant.line.close(CLOSE_REFUSED, "revoked")
                self.rooms.leave(participant)

    # -- lines of the record

    def note_watching(self, looker: Looker, begins: bool) -> None:
        """Somebody begins or ends looking at a source: a line of the record, once however many tiles he has."""
        key = (looker.viewer.session_id, looker.source_id, looker.user_id)
        person = looker.person
        if begins:
            self._watching[key] += 1
            leaving = self._leaving.pop(key, None)
            if leaving is not None:
                leaving.cancel()
            elif self._watching[key] == 1:
                self.ledger.note(
                    key[0], "watch_begun", person.name, source=key[1], who=looker.audit_name, court=person.court
                )
            return
        self._watching[key] -= 1
        if self._watching[key] > 0:
            return
        del self._watching[key]
        if self.is_ending:
            self._note_left(key, person.name, looker.audit_name)
            return
        self._left_by[key] = (person.name, looker.audit_name)
        self._leaving[key] = asyncio.get_running_loop().call_later(
            WATCH_LINGER_S, self._note_left, key, person.name, looker.audit_name
        )

    def _note_left(self, key: tuple[str, str, str], name: str, audit_name: str) -> None:
        self._leaving.pop(key, None)
        self._left_by.pop(key, None)
        self.ledger.note(key[0], "watch_ended", name, source=key[1], who=audit_name)

    def note_talk(self, participant: Participant, session_id: str, begins: bool, to: tuple[str, ...]) -> None:
        """Somebody begins or ends talking: a line of the record."""
        name = f"kit:{participant.id}" if participant.is_kit else participant.name
        kind = "talk_begun" if begins else "talk_ended"
        detail = {"who": participant.audit_name} if participant.audit_name else {}
        self.ledger.note(session_id, kind, name, source=participant.id, to=list(to), **detail)

    def note_listening(self, actor: Actor, session_id: str, begins: bool) -> None:
        """A person begins or ends hearing a session, whether he ever says a word or not."""
        kind = "listen_begun" if begins else "listen_ended"
        court = self.rights.court_name(actor.court_code)
        self.ledger.note(session_id, kind, actor.name, who=actor.audit_name, court=court)

    def note_publishing(self, actor: Actor, session_id: str, begins: bool) -> None:
        """A person's camera is shown or is shown no more."""
        kind = "published" if begins else "unpublished"
        self.ledger.note(session_id, kind, actor.name, source=PERSON + actor.user_id, who=actor.audit_name)

    # -- time

    async def follow_rights(self) -> None:
        """Read rights twice a second and at every nudge."""
        while True:
            await self.refresh()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RECHECK_S):
                    await self.woken.wait()
            self.woken.clear()

    async def keep_ledger(self) -> None:
        """Write lines of the record soon after they come about, counts now and then."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(COUNT_EVERY_S):
                    await self.ledger.stirred.wait()
            await asyncio.sleep(GATHER_S)
            self.ledger.stirred.clear()
            self._tell_numbers()
            await self._write_ledger()

    async def put_on_record(self) -> None:
        """Wait until what was noted is written down, so that nobody has seen or heard anything unrecorded.

        A database that does not answer is waited for a second: the lines wait in memory, the emergency does not.
        """
        task = asyncio.create_task(self._write_ledger())
        self._recording.add(task)
        task.add_done_callback(self._recording.discard)
        await asyncio.wait({task}, timeout=RECORD_WITHIN_S)

    async def _write_ledger(self) -> None:
        async with self._writing:
            if self.ledger.is_due:
                await asyncio.to_thread(self.ledger.write)

    def _tell_numbers(self) -> None:
        found = {**self.exchange.count(), **self.rooms.count()}
        self.ledger.tell_now({f"total.live.now.{name}": number for name, number in found.items()})
        sent, self.exchange.relayed_bytes = self.exchange.relayed_bytes, 0
        if sent:
            self.ledger.count("total.live.sent.bytes", sent)

    async def keep_time(self) -> None:
        """Judge twice a second who is silent, slow or not looked at."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(TICK_S)
            self.exchange.tick()
            self.rooms.tick()
            self._end_stuck(loop.time())

    def _end_stuck(self, now_s: float) -> None:
        lines = [guest.line for guest in self.guests]
        lines += [participant.line for participant in self.rooms.people]
        for line in lines:
            since_s = line.sending_since_s
            if since_s is not None and now_s - since_s > bounds.TOO_SLOW_S:
                line.close(CLOSE_TOO_SLOW, "too slow")

    def end_all(self) -> None:
        """The relay goes down: everybody comes back to the next one."""
        self.is_ending = True
        self.exchange.end_all(CLOSE_RESTARTING, "restarting")
        self.rooms.end_all(CLOSE_RESTARTING, "restarting")
        for key, leaving in list(self._leaving.items()):
            leaving.cancel()
            self._note_left(key, *self._left_by[key])


def make_relay(settings: Settings, store: Store, sink: Sink) -> Relay:
    """A relay without connections; call within its event loop."""
    now = asyncio.get_running_loop().time
    relay = Relay(
        settings=settings,
        store=store,
        sink=sink,
        rights=Rights(settings, store),
        ledger=Ledger(store),
        exchange=Exchange(now, sink),
        rooms=Rooms(now, sink),
    )
    relay.exchange.on_watching = relay.note_watching
    relay.exchange.on_watchers = relay.rooms.tell_watchers
    relay.rooms.on_talk = relay.note_talk
    return relay
