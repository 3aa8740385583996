"""The people's door of the relay: browsers that watch, talk and show their own camera in a session.

Who comes is known by the pages' log-in cookie; a foreign page cannot use it, for the Origin must be ours. What he may
is judged at the door and again twice a second (`central.relay.rights`).
"""

from __future__ import annotations

import asyncio
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import urlsplit

from central.command.session_rights import OpenSession
from central.people.queries import Login
from central.relay import bounds, wire
from central.relay.bounds import Bucket, guard_pictures, guard_viewer, guard_voice
from central.relay.fanout import Viewer
from central.relay.gateway import show_by_gateway
from central.relay.line import Receive, Send
from central.relay.relay import Guest, Relay
from central.relay.rights import may_listen, may_publish, may_talk, may_watch
from central.relay.room import Participant
from central.relay.sources import PERSON, Looker
from central.relay.wire import Closed, Scope
from central.web.security import SESSION_COOKIE
from contract.live import (
    CLOSE_ENDED,
    CLOSE_REFUSED,
    CLOSE_TOO_SLOW,
    CLOSE_UNPROVEN,
    LOW,
    MAIN,
    Frame,
    LiveError,
    Type,
    Want,
    Watcher,
    read_control,
)

PICTURE: Final = "picture"
VOICE: Final = "voice"
PUBLISH: Final = "publish"
WEBRTC: Final = "webrtc"
"""A picture by way of the gateway: judged as any picture, and only its signalling passes here."""


class PeopleDoor:
    """The application of the people's listener (ASGI)."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or connection."""
        if scope["type"] == "http":
            await wire.respond(send, 404, b"{}")
            return
        if scope["type"] != "websocket":
            return
        parts = scope["path"].strip("/").split("/")
        is_picture = len(parts) == 4 and parts[0] == "live" and parts[1] in (PICTURE, WEBRTC)
        if is_picture:
            act, session_id, source_id = PICTURE, parts[2], parts[3]
        elif len(parts) == 3 and parts[0] == "live" and parts[1] in (VOICE, PUBLISH):
            act, session_id, source_id = parts[1], parts[2], ""
        else:
            await wire.reject(send, 404, b"{}")
            return
        try:
            login, session = await self._admit(scope, act, session_id, source_id)
        except Closed as closed:
            await wire.refuse(scope, receive, send, self.relay, closed)
            return
        line = await wire.accept(scope, receive, send)
        guest = Guest(line, _token(scope), login.actor, session.id, act)
        self.relay.guests.add(guest)
        try:
            if act == PICTURE:
                stream = LOW if wire.query(scope, "stream") == "1" else MAIN
                await self._show(guest, source_id, stream, by_gateway=parts[1] == WEBRTC)
            elif act == VOICE:
                await self._speak(guest, is_talker=may_talk(login.actor, session))
            else:
                await self._publish(guest)
        finally:
            self.relay.guests.discard(guest)

    async def _admit(self, scope: Scope, act: str, session_id: str, source_id: str) -> tuple[Login, OpenSession]:
        """Who asks, and in which session; raises Closed."""
        wire.check_room(self.relay)
        if not self._is_own_page(scope):
            raise Closed(CLOSE_REFUSED, "foreign_page")
        login = await self.relay.rights.find_login(_token(scope))
        if login is None:
            raise Closed(CLOSE_UNPROVEN, "logged_out")
        own = sum(guest.actor.user_id == login.actor.user_id for guest in self.relay.guests)
        if own >= bounds.MAX_SOCKETS_OF_PERSON:
            raise Closed(CLOSE_TOO_SLOW, "too_many")
        session = self.relay.session(session_id)
        if session is None or (source_id and not self.relay.exchange.is_in(source_id, session_id)):
            await self.relay.refresh()  # it may be younger than the last look
            session = self.relay.session(session_id)
        if session is None:
            raise Closed(CLOSE_ENDED, "ended")
        allowed = {PICTURE: may_watch, VOICE: may_listen, PUBLISH: may_publish}[act](login.actor, session)
        if not allowed or (source_id and not self.relay.exchange.is_in(source_id, session_id)):
            raise Closed(CLOSE_REFUSED, "not_allowed")
        return login, session

    def _is_own_page(self, scope: Scope) -> bool:
        """Whether the page that connects is ours: the host's or the pages' own address; ports may differ."""
        try:
            origin = urlsplit(wire.header(scope, "origin"))
            own = {urlsplit(f"//{wire.header(scope, 'host')}").hostname}
        except ValueError:
            return False
        own.add(urlsplit(self.relay.settings.web_url).hostname)
        return origin.scheme in ("http", "https") and bool(origin.hostname) and origin.hostname in own

    async def _show(self, guest: Guest, source_id: str, stream: int, *, by_gateway: bool) -> None:
        exchange, line, actor = self.relay.exchange, guest.line, guest.actor
        now = asyncio.get_running_loop().time
        viewer = Viewer(guest.session_id, stream, line.stir)
        person = Watcher(actor.name[:100], self.relay.rights.court_name(actor.court_code))
        looker = Looker(source_id, viewer, line, person, actor.user_id, actor.audit_name)
        line.take_next = lambda: viewer.outflow.take(now())
        wants = Bucket(bounds.MAX_WANTS_PER_S, bounds.WANTS_AT_ONCE, now())

        def take(_message: bytes, frame: Frame) -> None:
            control = read_control(frame) if frame.type is Type.CONTROL else None
            if not isinstance(control, Want):
                raise LiveError(f"A viewer does not send frames of type {frame.type.name}.")
            if wants.take(now()):  # each may be word to the kit
                exchange.switch(looker, control)

        try:
            if by_gateway:
                await show_by_gateway(self.relay, looker, line, stream)
                return
            exchange.add_looker(looker)
            await self.relay.put_on_record()  # nothing leaves before the line is read and written, below
            await wire.read(
                self.relay, line, guard_viewer(now()), take, lambda seq: viewer.outflow.acknowledge(seq, now())
            )
        finally:
            exchange.remove_looker(looker)
            self.relay.ledger.count("total.live.sent.dropped_frames", viewer.outflow.dropped)

    async def _speak(self, guest: Guest, *, is_talker: bool) -> None:
        rooms, actor = self.relay.rooms, guest.actor
        person = Participant(
            PERSON + actor.user_id,
            actor.name[:100],
            guest.line,
            session_id=guest.session_id,
            may_talk=is_talker,
            audit_name=actor.audit_name,
        )
        rooms.join(person)
        self.relay.note_listening(actor, guest.session_id, True)
        guard = guard_voice(asyncio.get_running_loop().time())
        try:
            await self.relay.put_on_record()
            await wire.read(self.relay, guest.line, guard, lambda message, frame: rooms.take(person, message, frame))
        finally:
            rooms.leave(person)
            self.relay.note_listening(actor, guest.session_id, False)

    async def _publish(self, guest: Guest) -> None:
        exchange, line, actor = self.relay.exchange, guest.line, guest.actor
        source_id = PERSON + actor.user_id
        source = exchange.attach(source_id, line, session_id=guest.session_id)
        self.relay.note_publishing(actor, guest.session_id, True)
        guard = guard_pictures(asyncio.get_running_loop().time())
        try:
            await wire.read(
                self.relay, line, guard, lambda message, frame: exchange.take(source, line, message, frame)
            )
        finally:
            exchange.detach(source_id, line)
            self.relay.note_publishing(actor, guest.session_id, False)


def _token(scope: Scope) -> str:
    """The log-in's token in the cookies."""
    try:
        morsel = SimpleCookie(wire.header(scope, "cookie")).get(SESSION_COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel is not None else ""
