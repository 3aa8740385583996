"""Voice rooms without a network: the clock is set, connections are lists (a double)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from central.command.session_rights import OpenSession
from central.relay import bounds
from central.relay.room import Participant, Rooms
from central.relay.sink import NoSink
from contract.live import (
    CLOSE_ENDED,
    CLOSE_REPLACED,
    Control,
    LiveError,
    Mode,
    Talk,
    Talkers,
    Type,
    pack,
    pack_control,
    read_control,
    unpack,
)


def session(id_: str = "s1", kits: tuple[str, ...] = ("k1", "k2", "k3"), voice: Any = "ptt") -> OpenSession:
    return OpenSession(id_, "云29", (), kits, 10**13, voice)


@dataclass(eq=False)
class Wire:
    told: list[Control] = field(default_factory=list)
    code: int | None = None
    take_next: Any = None

    def tell(self, message: Control) -> None:
        self.told.append(message)

    def stir(self) -> None:
        pass

    def end(self, code: int, reason: str) -> None:
        self.close(code)

    def close(self, code: int, reason: str = "") -> None:
        self.code = self.code or code

    def heard(self) -> list[tuple[int, bytes]]:
        found = []
        while (message := self.take_next()) is not None:
            found.append((unpack(message).stream, bytes(unpack(message).payload)))
        return found

    def last(self, kind: type) -> Any:
        return next((one for one in reversed(self.told) if isinstance(one, kind)), None)


class Kept(NoSink):
    def __init__(self) -> None:
        self.frames: list[tuple[str, str]] = []
        self.listeners: list[tuple[str, str, tuple[str, ...]]] = []

    def frame(self, session_id: str, source: str, message: bytes) -> None:
        self.frames.append((session_id, source))

    def reached(self, session_id: str, source: str, listeners: Any) -> None:
        self.listeners.append((session_id, source, tuple(listeners)))


class Stage:
    def __init__(self, *sessions: OpenSession) -> None:
        self.now_s = 10.0
        self.sink = Kept()
        self.talks: list[tuple[str, str, bool, tuple[str, ...]]] = []
        self.rooms = Rooms(lambda: self.now_s, self.sink, lambda who, *rest: self.talks.append((who.id, *rest)))
        self.rooms.apply(sessions or [session()])

    def join(self, id_: str, session_id: str = "", *, may_talk: bool = True) -> Participant:
        participant = Participant(id_, f"{id_}先生", Wire(), session_id=session_id, may_talk=may_talk)  # type: ignore[arg-type]
        self.rooms.join(participant)
        return participant

    def talk(self, who: Participant, *to: str, on: bool = True) -> None:
        message = pack_control(Talk(on=on, to=list(to)))
        self.rooms.take(who, message, unpack(message))

    def say(self, who: Participant, text: bytes = b"opus", kind: Type = Type.AUDIO) -> None:
        message = pack(kind, text)
        self.rooms.take(who, message, unpack(message))


def wire(participant: Participant) -> Wire:
    found: Any = participant.line
    return found


def test_everybody_hears_a_talker_under_his_own_number_and_he_does_not() -> None:
    stage = Stage()
    one, two, person = stage.join("k1"), stage.join("k2"), stage.join("p:7", "s1")
    stage.talk(one)
    stage.say(one)
    assert wire(two).heard() == wire(person).heard() == [(one.stream, b"opus")]
    assert wire(one).heard() == []
    assert stage.sink.frames == [("s1", "k1")]
    assert stage.sink.listeners == [("s1", "k1", ("k2", "p:7"))]
    table = wire(two).last(Talkers)
    assert table.you == "k2"
    assert [(row.id, row.on) for row in table.talkers] == [("k1", True), ("k2", False), ("p:7", False)]


def test_a_word_to_some_reaches_and_records_them_alone() -> None:
    stage = Stage()
    one, two, three = stage.join("k1"), stage.join("k2"), stage.join("k3")
    stage.talk(one, "k3")
    stage.say(one)
    assert (wire(two).heard(), wire(three).heard()) == ([], [(one.stream, b"opus")])
    assert stage.sink.listeners == [("s1", "k1", ("k3",))]
    assert stage.talks == [("k1", "s1", True, ("k3",))]


def test_sessions_do_not_hear_each_other_but_a_kit_of_both_hears_both() -> None:
    stage = Stage(session("s1", ("k1", "k2")), session("s2", ("k2", "k3")))
    one, both, three = stage.join("k1"), stage.join("k2"), stage.join("k3")
    hall = stage.join("p:7", "s2")
    stage.talk(one)
    stage.say(one)
    assert (wire(both).heard(), wire(three).heard(), wire(hall).heard()) == ([(one.stream, b"opus")], [], [])
    stage.talk(both)
    stage.say(both)
    assert wire(one).heard() == wire(three).heard() == wire(hall).heard() == [(both.stream, b"opus")]
    assert {"k3", "p:7"}.isdisjoint(row.id for row in wire(one).last(Talkers).talkers)


def test_without_the_button_nothing_is_heard_unless_voice_is_open() -> None:
    stage = Stage()
    one, two = stage.join("k1"), stage.join("k2")
    stage.say(one)
    assert wire(two).heard() == []
    stage.rooms.apply([session(voice="duplex")])
    assert wire(one).last(Mode) == Mode(mode="duplex", keys=True)
    stage.say(one)
    assert wire(two).heard() == [(one.stream, b"opus")]
    stage.rooms.apply([session(voice="off")])
    stage.talk(one)
    stage.say(one)
    assert wire(two).heard() == []
    assert wire(one).last(Mode) == Mode(mode="off", keys=True)


def test_who_may_not_talk_is_not_heard_and_a_fifth_talker_waits() -> None:
    stage = Stage()
    mute = stage.join("p:7", "s1", may_talk=False)
    stage.talk(mute)
    people = [stage.join(f"p:1{number}", "s1") for number in range(6)]
    for person in people:
        stage.talk(person)
    assert [person.is_on for person in people] == [True] * bounds.MAX_TALKERS + [False, False]
    assert not mute.is_on
    stage.talk(people[0], on=False)
    stage.talk(people[4])
    assert people[4].is_on


def test_open_microphones_of_a_large_team_never_keep_the_centre_from_speaking() -> None:
    ids = tuple(f"k{number}" for number in range(bounds.MAX_KITS_TALKING + 1))
    stage = Stage(session(kits=ids, voice="duplex"))
    kits = [stage.join(kit_id) for kit_id in ids]
    for kit in kits:
        stage.talk(kit, "p:7")
    assert [kit.is_on for kit in kits] == [True] * bounds.MAX_KITS_TALKING + [False]
    person = stage.join("p:7", "s1")
    stage.talk(person)
    stage.say(person)
    assert all(wire(kit).heard() == [(person.stream, b"opus")] for kit in kits)


def test_an_open_microphone_that_was_silent_goes_on_for_those_it_was_meant_for() -> None:
    stage = Stage(session(voice="duplex"))
    one, two, person = stage.join("k1"), stage.join("k2"), stage.join("p:7", "s1")
    stage.talk(one, "p:7")
    stage.now_s += bounds.SILENT_TALKER_S + 1
    stage.rooms.tick()
    assert not one.is_on
    stage.say(one)
    assert (wire(person).heard(), wire(two).heard()) == ([(one.stream, b"opus")], [])


def test_a_talker_who_falls_silent_or_leaves_ends() -> None:
    stage = Stage()
    one, two, three = stage.join("k1"), stage.join("k2"), stage.join("k3")
    stage.talk(one)
    stage.talk(two)
    stage.now_s += bounds.SILENT_TALKER_S - 0.1
    stage.say(two)
    stage.now_s += 0.2
    stage.rooms.tick()
    assert (one.is_on, two.is_on) == (False, True)
    stage.rooms.leave(two)
    assert not any(row.on for row in wire(three).last(Talkers).talkers)
    assert [(who, begins) for who, _, begins, _ in stage.talks] == [
        ("k1", True), ("k2", True), ("k1", False), ("k2", False),
    ]  # fmt: skip


def test_one_voice_a_kit_and_one_a_person_and_session() -> None:
    stage = Stage(session("s1"), session("s2"))
    older, elsewhere = stage.join("p:7", "s1"), stage.join("p:7", "s2")
    newer = stage.join("p:7", "s1")
    assert wire(older).code == CLOSE_REPLACED
    assert wire(newer).code is wire(elsewhere).code is None
    stage.rooms.leave(older)
    assert newer in stage.rooms.people


def test_the_end_of_a_session_ends_its_voices() -> None:
    stage = Stage(session("s1", ("k1",)), session("s2", ("k1", "k2")))
    one, two, person = stage.join("k1"), stage.join("k2"), stage.join("p:7", "s1")
    stage.rooms.apply([session("s2", ("k1", "k2"))])
    assert (wire(one).code, wire(two).code, wire(person).code) == (None, None, CLOSE_ENDED)


def test_old_sound_is_dropped_rather_than_heard_late() -> None:
    stage = Stage()
    one, two = stage.join("k1"), stage.join("k2")
    stage.talk(one)
    for number in range(100):
        stage.say(one, str(number).encode())
    assert [text for _, text in wire(two).heard()] == [str(number).encode() for number in range(75, 100)]


@pytest.mark.parametrize(("kind", "payload"), [(Type.VIDEO, b"x"), (Type.AUDIO, b""), (Type.AUDIO, b"x" * 2000)])
def test_what_is_no_voice_is_refused(kind: Type, payload: bytes) -> None:
    stage = Stage(session(voice="duplex"))
    one = stage.join("k1")
    with pytest.raises(LiveError):
        stage.say(one, payload, kind)


def test_who_loses_the_right_to_talk_in_the_middle_of_a_word_is_silent_at_once() -> None:
    stage = Stage()
    kit, person = stage.join("k1"), stage.join("p:7", "s1")
    stage.talk(person)
    stage.say(person)
    stage.rooms.set_may_talk(person.line, False)
    stage.say(person)
    stage.talk(person)
    stage.say(person)
    assert wire(kit).heard() == [(person.stream, b"opus")]
    assert [began for _, _, began, _ in stage.talks] == [True, False]
    stage.rooms.set_may_talk(person.line, True)
    stage.talk(person)
    stage.say(person)
    assert wire(kit).heard() == [(person.stream, b"opus")]


def test_a_button_that_is_hammered_does_not_fill_the_record() -> None:
    stage = Stage()
    person = stage.join("p:7", "s1")
    for _ in range(500):
        stage.talk(person)
        stage.talk(person, on=False)
    begun = sum(began for _, _, began, _ in stage.talks)
    assert begun == bounds.BEGINS_AT_ONCE
    stage.now_s += 1.0
    stage.talk(person)
    assert sum(began for _, _, began, _ in stage.talks) == begun + 1


def test_a_table_of_talkers_is_never_too_long_to_be_read() -> None:
    kits = tuple(f"yb-2922-{number:02d}" for number in range(64))
    stage = Stage(session(kits=kits))
    talkers = [stage.join(kit) for kit in kits]
    people = [stage.join("p:" + f"{number:036d}", "s1") for number in range(60)]
    for talker in [*talkers[:16], *people[:4]]:
        stage.talk(talker, *("x" * 60 + f"{number:04d}" for number in range(64)))
    frame = unpack(pack_control(wire(talkers[-1]).last(Talkers)))
    table = read_control(frame)
    assert isinstance(table, Talkers)
    assert sum(row.on for row in table.talkers) == 20
