"""Two halls on one kit, one by the key and one always open: each hears and records what was decided for it alone."""

from __future__ import annotations

import pytest

from central.relay import bounds
from central.relay.room import Participant
from contract.live import PRESSED, Mode, Talk, Talkers, Type, pack, pack_control, unpack
from tests.central.relay.test_room import Stage, session, wire

HALL, OTHER = "p:7", "p:8"


class Halls(Stage):
    """k1 is in both; HALL is where he is heard by the key, OTHER where his microphone is open."""

    def __init__(self, *, kits: tuple[str, ...] = ("k1",)) -> None:
        super().__init__(session("key", kits, "ptt"), session("open", kits, "duplex"))
        self.kit = self.join("k1")
        self.hall, self.other = self.join(HALL, "key"), self.join(OTHER, "open")

    def word(self, *to: str, key: bool | None, on: bool = True, who: Participant | None = None) -> None:
        message = pack_control(Talk(on=on, to=list(to), key=key))
        self.rooms.take(who or self.kit, message, unpack(message))

    def sound(self, text: bytes, *, pressed: bool, who: Participant | None = None) -> None:
        message = pack(Type.AUDIO, text, flags=PRESSED if pressed else 0)
        self.rooms.take(who or self.kit, message, unpack(message))

    def heard(self) -> tuple[list[bytes], list[bytes]]:
        """What came to the hall of the key and to the other one."""
        key, other = ([text for _, text in wire(who).heard()] for who in (self.hall, self.other))
        return key, other

    def is_shown(self, who: Participant) -> bool:
        return next(row.on for row in wire(who).last(Talkers).talkers if row.id == "k1")


@pytest.fixture
def halls() -> Halls:
    return Halls()


def test_the_hall_of_the_key_hears_and_records_the_pressed_alone(halls: Halls) -> None:
    assert wire(halls.kit).last(Mode) == Mode(mode="duplex", keys=True)
    halls.word(HALL, OTHER, key=False)
    halls.sound(b"open", pressed=False)
    assert halls.heard() == ([], [b"open"])
    assert (halls.is_shown(halls.hall), halls.is_shown(halls.other)) == (False, True)
    halls.word(HALL, OTHER, key=True)
    halls.sound(b"said before the press", pressed=False)
    halls.sound(b"pressed", pressed=True)
    assert halls.heard() == ([b"pressed"], [b"said before the press", b"pressed"])
    assert (halls.is_shown(halls.hall), halls.is_shown(halls.other)) == (True, True)
    halls.word(HALL, OTHER, key=False)
    halls.sound(b"on its way as he let go", pressed=True)
    halls.sound(b"after", pressed=False)
    assert halls.heard() == ([], [b"on its way as he let go", b"after"])
    assert [one for one, _ in halls.sink.frames].count("key") == 1
    assert halls.sink.listeners == [("open", "k1", (OTHER,)), ("key", "k1", (HALL,))]
    both = (HALL, OTHER)
    assert halls.talks == [
        ("k1", "open", True, both),
        ("k1", "key", True, both),
        ("k1", "key", False, both),
    ]


def test_what_one_hall_is_told_of_its_talkers_says_nothing_of_the_other(halls: Halls) -> None:
    halls.word(OTHER, key=False)
    row = next(row for row in wire(halls.hall).last(Talkers).talkers if row.id == "k1")
    assert (row.on, row.to) == (False, [])


def test_a_kit_that_does_not_tell_the_key_is_heard_where_its_microphone_is_open_alone(halls: Halls) -> None:
    halls.word(key=None)
    halls.sound(b"old", pressed=False)
    assert halls.heard() == ([], [b"old"])
    halls.rooms.apply([session("key", ("k1",), "ptt")])
    halls.sound(b"microphone still open", pressed=False)
    assert halls.heard()[0] == []
    halls.word(key=None)
    halls.sound(b"by the key", pressed=False)
    assert halls.heard()[0] == [b"by the key"], "with press-to-talk alone its word is a press"
    halls.rooms.apply([session("key", ("k1",), "ptt"), session("more", ("k1",), "duplex")])
    halls.sound(b"opened meanwhile", pressed=False)
    assert halls.heard()[0] == []


def test_officer_to_officer_is_by_the_key_where_that_is_the_rule() -> None:
    stage = Stage(session("key", ("k1", "k2"), "ptt"), session("open", ("k1", "k3"), "duplex"))
    one, two, three = stage.join("k1"), stage.join("k2"), stage.join("k3")

    def word(*to: str, key: bool) -> None:
        message = pack_control(Talk(on=True, to=list(to), key=key))
        stage.rooms.take(one, message, unpack(message))
        message = pack(Type.AUDIO, b"x", flags=PRESSED if key else 0)
        stage.rooms.take(one, message, unpack(message))

    word("k2", key=False)
    assert (wire(two).heard(), wire(three).heard()) == ([], [])
    word("k2", key=True)
    assert (len(wire(two).heard()), wire(three).heard()) == (1, [])
    word(key=False)  # to the whole team
    assert (wire(two).heard(), len(wire(three).heard())) == ([], 1)


def test_a_press_meant_for_one_hall_is_no_line_of_the_other() -> None:
    stage = Stage(session("s1", ("k1", "k2"), "ptt"), session("s2", ("k1", "k3"), "ptt"))
    one = stage.join("k1")
    stage.talk(one, "k3")
    assert stage.talks == [("k1", "s2", True, ("k3",))]
    stage.talk(one, "p:")  # nobody of the centre is there: the records alone have it
    assert {where for _, where, begins, to in stage.talks if begins and to == ("p:",)} == {"s1", "s2"}


def test_an_open_microphone_takes_nobodys_turn_in_the_hall_of_the_key() -> None:
    kits = tuple(f"k{number}" for number in range(1, bounds.MAX_KITS_TALKING + 3))
    stage = Halls(kits=kits)
    more = [stage.join(kit_id) for kit_id in kits[1:]]
    for kit in more[: bounds.MAX_KITS_TALKING]:
        stage.word(key=False, who=kit)
    assert not stage.kit.is_on
    stage.word(key=True)
    assert stage.kit.talks_in == {"key"}, "one is full of open microphones, the other is not"
    stage.word(on=False, key=None, who=more[0])
    stage.rooms.tick()
    assert stage.kit.talks_in == {"key", "open"}


def test_a_full_hall_of_the_key_does_not_cut_him_off_in_the_other_one() -> None:
    kits = tuple(f"k{number}" for number in range(1, bounds.MAX_KITS_TALKING + 2))
    stage = Stage(session("key", kits, "ptt"), session("open", ("k1",), "duplex"))
    one, *more = [stage.join(kit_id) for kit_id in kits]
    stage.join(OTHER, "open")
    for kit in more:
        stage.talk(kit)
    for key in (False, True):
        message = pack_control(Talk(on=True, key=key))
        stage.rooms.take(one, message, unpack(message))
        assert one.talks_in == {"open"}
    stage.talk(more[0], on=False)
    stage.rooms.tick()
    assert one.talks_in == {"key", "open"}


def test_the_open_session_ends_while_the_key_is_held_and_nothing_hangs(halls: Halls) -> None:
    halls.word(HALL, OTHER, key=True)
    halls.rooms.apply([session("key", ("k1",), "ptt")])
    halls.sound(b"held", pressed=True)
    assert halls.heard()[0] == [b"held"]
    assert wire(halls.kit).last(Mode).mode == "ptt"
    halls.word(on=False, key=None)
    halls.sound(b"let go", pressed=False)
    assert halls.heard()[0] == []
    assert_all_closed(halls)


def test_the_session_of_the_key_ends_while_it_is_held_and_nothing_hangs(halls: Halls) -> None:
    halls.word(HALL, OTHER, key=True)
    halls.rooms.apply([session("open", ("k1",), "duplex")])
    assert halls.kit.talks_in == {"open"}
    halls.word(OTHER, key=False)
    halls.sound(b"open", pressed=False)
    assert halls.heard()[1] == [b"open"]
    halls.rooms.leave(halls.kit)
    assert_all_closed(halls)


def test_the_open_session_becomes_one_of_the_key_and_the_open_microphone_is_cut(halls: Halls) -> None:
    halls.word(key=False)
    halls.rooms.apply([session("key", ("k1",), "ptt"), session("open", ("k1",), "ptt")])
    halls.sound(b"open", pressed=False)
    assert halls.heard() == ([], [])
    assert_all_closed(halls)


def test_after_an_outage_with_the_key_held_both_halls_hear_him_again(halls: Halls) -> None:
    halls.word(key=True)
    halls.now_s += bounds.SILENT_TALKER_S + 1
    halls.rooms.tick()
    assert not halls.kit.is_on
    halls.sound(b"back", pressed=True)
    assert halls.heard() == ([b"back"], [b"back"])
    halls.word(on=False, key=None)
    halls.sound(b"late", pressed=True)
    assert halls.heard()[0] == [], "the key is up: what is on its way opens nothing there"


def test_what_was_meant_for_one_and_found_no_room_never_goes_to_all() -> None:
    kits = tuple(f"k{number}" for number in range(1, bounds.MAX_KITS_TALKING + 2))
    stage = Stage(session("open", kits, "duplex"))
    one, *more = [stage.join(kit_id) for kit_id in kits]
    for kit in more:
        stage.talk(kit)
    stage.talk(one, "k2")
    assert not one.is_on
    stage.talk(more[-1], on=False)
    stage.say(one)
    assert len(wire(more[0]).heard()) == 1 and not any(wire(kit).heard() for kit in more[1:])


def assert_all_closed(halls: Halls) -> None:
    """Each line of a beginning has its end in the same record."""
    for name in ("key", "open"):
        lines = [begins for _, where, begins, _ in halls.talks if where == name]
        assert lines == [True, False] * (len(lines) // 2), name
