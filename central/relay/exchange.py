"""The exchange: which sources are here, who looks at them in which session, and what they are asked to send.

Belongs to the event loop; knows no database and no clock but the one it is given. A frame reaches a viewer only
within a session that both are in; what the sessions are is told by `apply`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from central.command.session_rights import OpenSession
from central.relay import bounds
from central.relay.fanout import Record, Viewer, ack_of
from central.relay.sink import NoSink, Sink
from central.relay.sources import CAMERA, PERSON, Looker, Source, Wire, channel_of, judge, waits_for_switch
from contract.live import (
    CLOSE_ENDED,
    CLOSE_REPLACED,
    CLOSE_TOO_SLOW,
    Frame,
    LiveError,
    State,
    Told,
    Type,
    Want,
    Watcher,
    Watchers,
    read_control,
    read_init,
)

_MAX_WATCHERS: Final = 64


class Exchange:
    """All sources and viewers of this relay. ``now`` gives monotonic seconds."""

    def __init__(self, now: Callable[[], float], sink: Sink | None = None) -> None:
        self._now = now
        self._sink: Sink = sink or NoSink()
        self.sessions: dict[str, OpenSession] = {}
        self.sources: dict[str, Source] = {}
        self.relayed_bytes = 0
        self.on_watching: Callable[[Looker, bool], None] = lambda _looker, _begins: None
        self.on_watchers: Callable[[str, tuple[Watcher, ...]], None] = lambda _source_id, _watchers: None

    # -- sessions

    def sources_of(self, session: OpenSession) -> set[str]:
        """Ids of everything that may be looked at in a session."""
        shown = {source.id for source in self.sources.values() if source.session_id == session.id}
        return {*session.kits, *(CAMERA + camera for camera in session.cameras), *shown}

    def is_in(self, source_id: str, session_id: str) -> bool:
        """Whether a source is part of an open session."""
        session = self.sessions.get(session_id)
        if session is None:
            return False
        if source_id.startswith(PERSON):
            source = self.sources.get(source_id)
            return source is None or source.session_id in ("", session_id)
        return source_id in self.sources_of(session)

    def sessions_of(self, source_id: str) -> list[OpenSession]:
        """The open sessions a source is part of."""
        return [session for session in self.sessions.values() if source_id in self.sources_of(session)]

    def apply(self, sessions: Iterable[OpenSession]) -> None:
        """These sessions are open from now on; what is in none of them any more ends at once."""
        before, self.sessions = self.sessions, {session.id: session for session in sessions}
        for source in list(self.sources.values()):
            self._end_strangers(source)
            if source.line is not None and not source.id.startswith(CAMERA) and not self.sessions_of(source.id):
                source.line.end(CLOSE_ENDED, "ended")
                self.detach(source.id, source.line)
        for session_id in before.keys() - self.sessions.keys():
            for source in self.sources.values():
                for channel in source.channels.values():
                    channel.forget_session(session_id)
            self._sink.end(session_id)

    def _end_strangers(self, source: Source) -> None:
        """Nobody looks at a source that is not in his session (any more)."""
        for looker in list(source.lookers):
            if not self.is_in(source.id, looker.viewer.session_id):
                looker.line.tell(State(state="ended"))
                looker.line.end(CLOSE_ENDED, "ended")
                self.remove_looker(looker)

    # -- sources

    def find_source(self, source_id: str) -> Source:
        """The source of this id, made when it is not known yet."""
        return self.sources.setdefault(source_id, Source(source_id))

    def attach(self, source_id: str, line: Wire, *, session_id: str = "") -> Source:
        """A source's connection stands; an older one of the same source gives way."""
        source = self.find_source(source_id)
        if source.line is not None:
            source.line.close(CLOSE_REPLACED, "replaced")
        source.line, source.session_id, source.was_here, source.gone_reason = line, session_id, True, ""
        self._end_strangers(source)
        for channel in source.channels.values():
            channel.reset()
        source.asked, source.told = frozenset(), None
        source.needed_s.clear()
        self._ask(source, is_first=True)
        line.tell(Watchers(people=list(source.watchers)))
        self._tell_states(source)
        return source

    def detach(self, source_id: str, line: Wire, reason: str = "") -> None:
        """A source's connection ended; nothing happens when another one has taken its place."""
        source = self.sources.get(source_id)
        if source is None or source.line is not line:
            return
        source.line, source.told, source.gone_reason = None, None, reason
        for channel in source.channels.values():
            channel.reset()
        self._tell_states(source)
        self._drop_unused(source)

    def take(self, source: Source, line: Wire, message: bytes, frame: Frame) -> None:
        """A frame of a source's own connection; raises LiveError for what a source does not send."""
        if source.line is not line:
            return
        if frame.type is Type.VIDEO:
            self._take_picture(source, line, message, frame)
        elif frame.type is Type.INIT:
            read_init(frame)
            channel = channel_of(source, frame)
            channel.take_init(message, self._now(), self._recorder_of(source.id))
        elif frame.type is Type.CONTROL:
            control = read_control(frame)
            if not isinstance(control, Told):
                raise LiveError(f"A source does not send {type(control).__name__}.")
            source.told = message
            for looker in list(source.lookers):
                looker.line.put(message)
        else:
            raise LiveError(f"A source of pictures does not send frames of type {frame.type.name}.")

    def _take_picture(self, source: Source, line: Wire, message: bytes, frame: Frame) -> None:
        channel = channel_of(source, frame)
        if bounds.wants_ack(frame):
            line.put(ack_of(frame))
        if not len(frame.payload):
            raise LiveError("A picture is empty.")
        if frame.stream not in source.asked:
            return  # was on its way when nobody looked any more
        self._settle_switches(source, frame)
        is_news = channel.last_s is None or self._now() - channel.last_s > bounds.STALE_S
        self.relayed_bytes += len(message) * len(channel.viewers)
        channel.publish(message, frame, self._now(), self._recorder_of(source.id))
        if is_news:
            self._tell_states(source)

    def _recorder_of(self, source_id: str) -> Record:
        return lambda session_id, message: self._sink.frame(session_id, source_id, message)

    def _settle_switches(self, source: Source, frame: Frame) -> None:
        """A viewer goes over to the other stream at its key frame, so that there is a picture all the time."""
        if not frame.is_key:
            return
        for looker in source.lookers:
            viewer = looker.viewer
            if viewer.target == frame.stream and viewer.showing != frame.stream:
                self._show(source, viewer)

    def _show(self, source: Source, viewer: Viewer) -> None:
        if viewer.showing is not None:
            source.channels[viewer.showing].viewers.discard(viewer)
        viewer.showing = None
        if viewer.target is not None:
            source.channels[viewer.target].add(viewer, self._now())

    # -- viewers

    def add_looker(self, looker: Looker) -> None:
        """Somebody looks at a source: the state first, then the current group of pictures."""
        source = self.find_source(looker.source_id)
        looker.viewer.target = None if looker.viewer.target is None else source.pick(looker.viewer.target)
        source.lookers.add(looker)
        self._show(source, looker.viewer)
        self._tell_state(source, looker)
        if source.told is not None:
            looker.line.put(source.told)
        self._note_watchers(source)
        self._ask(source)
        self.on_watching(looker, True)

    def remove_looker(self, looker: Looker) -> None:
        """Somebody looks no more."""
        source = self.sources.get(looker.source_id)
        if source is None or looker not in source.lookers:
            return
        source.lookers.discard(looker)
        for channel in source.channels.values():
            channel.viewers.discard(looker.viewer)
        self._note_watchers(source)
        self.on_watching(looker, False)
        self._drop_unused(source)

    def switch(self, looker: Looker, want: Want) -> None:
        """A viewer says which stream it looks at, or that it looks at none for the time being."""
        source = self.sources[looker.source_id]
        viewer = looker.viewer
        viewer.target = source.pick(want.streams[0]) if want.streams else None
        is_ready = viewer.target is None or viewer.showing is None or bool(source.channels[viewer.target].group)
        if is_ready and viewer.target != viewer.showing:
            self._show(source, viewer)
        self._note_watchers(source)
        self._ask(source, wants_key=want.key)
        self._tell_state(source, looker)

    # -- time

    def tick(self) -> None:
        """Call twice a second: what is silent is told, what nobody looks at stops, who does not read is closed."""
        now_s = self._now()
        for source in list(self.sources.values()):
            self._tell_states(source)
            self._ask(source)
            for looker in list(source.lookers):
                if looker.viewer.outflow.is_stuck(now_s):
                    looker.line.close(CLOSE_TOO_SLOW, "too slow")
                    self.remove_looker(looker)

    def _ask(self, source: Source, *, wants_key: bool = False, is_first: bool = False) -> None:
        """Tell the source what is looked at: more at once, less after a while, a key frame when one is lacking."""
        now_s = self._now()
        for looker in source.lookers:
            source.needed_s.update(dict.fromkeys(looker.viewer.streams, now_s))
        needed = frozenset(stream for stream, seen_s in source.needed_s.items() if now_s - seen_s < bounds.LINGER_S)
        if source.line is None:
            return
        has_new = bool(needed - source.asked)
        lacks_key = wants_key or any(
            source.channels[stream].key_missing_since_s is not None or waits_for_switch(source, stream)
            for stream in needed & source.asked
        )
        may_ask_key = lacks_key and now_s - source.key_asked_s >= bounds.KEY_AGAIN_S
        if needed == source.asked and not may_ask_key and not is_first:
            return
        for stream in source.asked - needed:
            source.channels[stream].stop()
        source.asked = needed
        is_key = bool(needed) and (may_ask_key or has_new)
        if is_key:
            source.key_asked_s = now_s
        source.line.tell(Want(streams=sorted(needed), key=is_key))

    def _note_watchers(self, source: Source) -> None:
        found = {looker.person: None for looker in source.lookers if looker.viewer.streams}
        watchers = tuple(sorted(found, key=lambda person: (person.court, person.name)))[:_MAX_WATCHERS]
        if watchers != source.watchers:
            source.watchers = watchers
            self.on_watchers(source.id, watchers)
            if source.line is not None:
                source.line.tell(Watchers(people=list(watchers)))

    def _tell_states(self, source: Source) -> None:
        for looker in list(source.lookers):
            self._tell_state(source, looker)

    def _tell_state(self, source: Source, looker: Looker) -> None:
        state = judge(source, looker.viewer, self._now())
        if state != looker.told_state:
            looker.told_state = state
            looker.line.tell(state)

    def _drop_unused(self, source: Source) -> None:
        if source.line is None and not source.lookers and not self.sessions_of(source.id):
            self.sources.pop(source.id, None)

    def count(self) -> Mapping[str, int]:
        """How many sources and viewers there are now."""
        return {
            "sources": sum(source.line is not None for source in self.sources.values()),
            "viewers": sum(len(source.lookers) for source in self.sources.values()),
        }

    def end_all(self, code: int, reason: str) -> None:
        """The relay goes down: everybody is told to come back."""
        for source in list(self.sources.values()):
            if source.line is not None:
                source.line.close(code, reason)
            for looker in list(source.lookers):
                looker.line.close(code, reason)
