"""Voice: who is in which session, who talks to whom, and each listener's few packets. Pure: no I/O, time given.

The relay mixes nothing: every listener gets every talker's packets under a number of his own and mixes them himself.
What nobody may hear is dropped here, not there; each session hears what was decided for it (`central.relay.floor`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from central.command.session_rights import OpenSession, Voice
from central.relay import bounds
from central.relay.fanout import with_stream
from central.relay.floor import carries, find_floor, read_key, voice_of
from central.relay.line import Line
from central.relay.sink import NoSink, Sink
from central.relay.talkers import make_table
from contract.live import (
    CLOSE_ENDED,
    CLOSE_REPLACED,
    Frame,
    LiveError,
    Mode,
    Talk,
    Talkers,
    Type,
    Watcher,
    Watchers,
    read_control,
)

_STREAMS: Final = 65_536
_LOUDEST: Final[tuple[Voice, ...]] = ("duplex", "ptt")


class Participant:
    """Somebody with a voice connection: a kit in all its sessions, a person in one."""

    def __init__(
        self, id_: str, name: str, line: Line, *, session_id: str = "", may_talk: bool = True, audit_name: str = ""
    ) -> None:
        self.id, self.name, self.line, self.audit_name = id_, name, line, audit_name
        self.session_id = session_id
        """The one session of a person; "" for a kit."""
        self.sessions: frozenset[str] = frozenset()
        self.may_talk = may_talk
        self.stream = 0
        self.talks_in: frozenset[str] = frozenset()
        """The sessions in which he talks now."""
        self.to: tuple[str, ...] = ()
        self.key = False
        """Whether he talks by a press, as he said last."""
        self.tells_key = False
        self.mode: Voice | None = None
        self.heard_s = float("-inf")
        self.begins: bounds.Bucket | None = None
        self.dropped = 0
        self.reached: dict[str, tuple[str, ...]] = {}
        """Who heard him last, by session."""
        self._queue: deque[bytes] = deque()
        self._told: Talkers | None = None

    @property
    def is_kit(self) -> bool:
        """Whether this is a kit rather than a person."""
        return not self.session_id

    @property
    def is_on(self) -> bool:
        """Whether he talks now, in any session."""
        return bool(self.talks_in)

    def offer(self, message: bytes) -> None:
        """Queue a packet; what is half a second old is dropped rather than heard late."""
        if len(self._queue) >= bounds.VOICE_QUEUE:
            self._queue.popleft()
            self.dropped += 1
        self._queue.append(message)
        self.line.stir()

    def take(self) -> bytes | None:
        """The next packet to send, if any."""
        return self._queue.popleft() if self._queue else None

    def tell(self, talkers: Talkers) -> None:
        """Say who is there and who talks, when that is news."""
        if talkers != self._told:
            self._told = talkers
            self.line.tell(talkers)


class Rooms:
    """All voices of this relay. ``now`` gives monotonic seconds."""

    def __init__(
        self,
        now: Callable[[], float],
        sink: Sink | None = None,
        on_talk: Callable[[Participant, str, bool, tuple[str, ...]], None] | None = None,
    ) -> None:
        """``on_talk`` gets participant, session, whether he begins, and to whom he talks."""
        self._now = now
        self._sink: Sink = sink or NoSink()
        self.on_talk = on_talk or (lambda _who, _session, _begins, _to: None)
        self._sessions: dict[str, OpenSession] = {}
        self.people: set[Participant] = set()
        self._next_stream = 1

    def apply(self, sessions: Iterable[OpenSession]) -> None:
        """These sessions are open from now on; who is in none of them any more is closed."""
        self._sessions = {session.id: session for session in sessions}
        for participant in list(self.people):
            self._place(participant)
            if not participant.sessions:
                participant.line.end(CLOSE_ENDED, "ended")
                self.leave(participant)
        self._tell_all()

    def join(self, participant: Participant) -> None:
        """Somebody's voice connection stands; an older one of the same in the same session gives way."""
        for other in list(self.people):
            if (other.id, other.session_id) == (participant.id, participant.session_id):
                other.line.close(CLOSE_REPLACED, "replaced")
                self.leave(other)
        participant.stream = self._pick_stream()
        self.people.add(participant)
        participant.line.take_next = participant.take
        self._place(participant)
        self._tell_all()

    def leave(self, participant: Participant) -> None:
        """A voice connection ended."""
        if participant in self.people:
            self._turn(participant, on=False)
            self.people.discard(participant)
            self._tell_all()

    def take(self, participant: Participant, message: bytes, frame: Frame) -> None:
        """A frame of a participant; raises LiveError for what is not sent on a voice connection."""
        if participant not in self.people:
            return
        if frame.type is Type.AUDIO:
            self._take_sound(participant, message, frame)
            return
        if frame.type is not Type.CONTROL:
            raise LiveError(f"A voice connection does not carry frames of type {frame.type.name}.")
        control = read_control(frame)
        if isinstance(control, Talk):
            if control.on:
                participant.tells_key = participant.is_kit and control.key is not None
            key = read_key(participant, control)
            self._turn(participant, on=control.on, to=tuple(dict.fromkeys(control.to)), key=key)
            self._tell_all()
        elif not isinstance(control, Mode):  # a kit's answer to the mode that was ordered: its page says it
            raise LiveError(f"A voice connection does not carry {type(control).__name__}.")

    def tell_watchers(self, kit_id: str, watchers: tuple[Watcher, ...]) -> None:
        """Who watches a kit, on its voice connection too: it may have no picture."""
        for participant in self.people:
            if participant.is_kit and participant.id == kit_id:
                participant.line.tell(Watchers(people=list(watchers)))

    def tick(self) -> None:
        """Call twice a second: who says nothing for long has let go of the button without our hearing of it.

        A session that had no room for somebody who is heard in another one takes him as soon as it has.
        """
        now_s = self._now()
        before = {who: who.talks_in for who in self.people if who.is_on}
        for who in before:
            key = who.key
            self._turn(who, on=now_s - who.heard_s <= bounds.SILENT_TALKER_S, to=who.to, key=key)
            who.key = key  # his last word holds if he is heard again
        if any(who.talks_in != talked for who, talked in before.items()):
            self._tell_all()

    def listeners_of(self, participant: Participant, session_id: str) -> list[Participant]:
        """Who hears this participant in a session now: those spoken to, or everybody but himself."""
        return [
            other
            for other in self.people
            if other is not participant
            and other.id != participant.id
            and session_id in other.sessions
            and (not participant.to or other.id in participant.to)
        ]

    def _take_sound(self, participant: Participant, message: bytes, frame: Frame) -> None:
        if not 0 < len(frame.payload) <= bounds.MAX_PACKET_BYTES:
            raise LiveError(f"A voice packet has 1 to {bounds.MAX_PACKET_BYTES} bytes, not {len(frame.payload)}.")
        if not participant.is_on:
            if participant.mode != "duplex":
                return  # the button was let go of while this was on its way
            # An open microphone that was silent for a while: whoever it was meant for is still meant.
            self._turn(participant, on=True, to=participant.to, key=participant.key)
            if not participant.is_on:
                return
            self._tell_all()
        participant.heard_s = self._now()
        numbered = with_stream(message, participant.stream)
        heard: set[Participant] = set()
        for session_id in participant.talks_in:
            if not carries(participant, frame, voice_of(self._sessions, session_id)):
                continue
            listeners = self.listeners_of(participant, session_id)
            if listeners:
                heard.update(listeners)
                self._note_reached(participant, session_id, listeners)
                self._sink.frame(session_id, participant.id, numbered)
        for listener in heard:
            listener.offer(numbered)

    def _note_reached(self, participant: Participant, session_id: str, listeners: Iterable[Participant]) -> None:
        ids = tuple(sorted(listener.id for listener in listeners))
        if participant.reached.get(session_id) != ids:
            participant.reached[session_id] = ids
            self._sink.reached(session_id, participant.id, ids)

    def _turn(self, participant: Participant, *, on: bool, to: tuple[str, ...] = (), key: bool = False) -> None:
        """Let somebody begin or end, in each session by its rule; refused without a word to others where he may not
        or too many talk already. A line of its own in the record of each session in which that changes something.
        """
        before, participant.key = participant.to, on and key
        if on:
            participant.to = to
        floor = find_floor(participant, self._sessions, self.people) if on else frozenset()
        kept = floor & participant.talks_in if participant.to == before else frozenset()
        if floor - kept and not self._is_in_measure(participant):
            floor = kept
        ended, participant.talks_in = participant.talks_in - kept, floor
        for session_id in sorted(ended):
            self.on_talk(participant, session_id, False, before)
        for session_id in sorted(floor - kept):
            participant.heard_s = self._now()
            self.on_talk(participant, session_id, True, to)

    def _is_in_measure(self, participant: Participant) -> bool:
        """Each beginning is a line of the session's record for ever; nobody fills it with his button."""
        if participant.begins is None:
            participant.begins = bounds.Bucket(bounds.MAX_BEGINS_PER_S, bounds.BEGINS_AT_ONCE, self._now())
        return participant.begins.take(self._now())

    def set_may_talk(self, line: Line, may_talk: bool) -> None:
        """Whoever speaks over this connection got or lost the right to; one who lost it is silent at once."""
        for participant in self.people:
            if participant.line is line and participant.may_talk != may_talk:
                participant.may_talk = may_talk
                if participant.is_on and not may_talk:
                    self._turn(participant, on=False)
                    self._tell_all()

    def _place(self, participant: Participant) -> None:
        """Bring a participant to the sessions that are open now."""
        if participant.is_kit:
            found = {session.id for session in self._sessions.values() if participant.id in session.kits}
        else:
            found = {participant.session_id} & self._sessions.keys()
        participant.sessions = frozenset(found)
        modes = {voice_of(self._sessions, session_id) for session_id in found}
        mode: Voice = next((one for one in _LOUDEST if one in modes), "off")
        if mode != participant.mode:
            participant.mode = mode
            if participant.is_kit and not participant.tells_key:
                participant.key = False  # what it said was by the mode of before
            participant.line.tell(Mode(mode=mode, keys=participant.is_kit))
        if participant.is_on:
            self._turn(participant, on=True, to=participant.to, key=participant.key)

    def _tell_all(self) -> None:
        for participant in self.people:
            participant.tell(make_table(participant, self.people))

    def _pick_stream(self) -> int:
        used = {participant.stream for participant in self.people}
        while self._next_stream in used or self._next_stream == 0:
            self._next_stream = (self._next_stream + 1) % _STREAMS
        picked, self._next_stream = self._next_stream, (self._next_stream + 1) % _STREAMS
        return picked

    def count(self) -> Mapping[str, int]:
        """How many voice connections there are now, and how many talk."""
        return {"voices": len(self.people), "talkers": sum(participant.is_on for participant in self.people)}

    def end_all(self, code: int, reason: str) -> None:
        """The relay goes down: everybody is told to come back."""
        for participant in self.people:
            participant.line.close(code, reason)
