"""The live wire between releases: what a newer side says besides does not disturb an older one."""

import msgspec
import pytest

from contract.live import PRESSED, WANTS_ACK, Mode, Talk, Type, pack, pack_control, read_control, unpack


class OldTalk(msgspec.Struct, frozen=True, tag="talk"):
    """As 0.4.0 had it."""

    on: bool
    to: list[str] = []


class OldMode(msgspec.Struct, frozen=True, tag="mode"):
    """As 0.4.0 had it."""

    mode: str
    reason: str = ""


@pytest.mark.parametrize("key", [True, False, None])
def test_the_key_is_read_as_it_was_said_and_an_older_relay_reads_past_it(key):
    frame = unpack(pack_control(Talk(True, ["p:1"], key=key)))
    assert read_control(frame) == Talk(True, ["p:1"], key=key)
    assert msgspec.json.decode(frame.payload, type=OldTalk) == OldTalk(True, ["p:1"])


def test_what_an_older_kit_says_names_no_key():
    assert read_control(unpack(pack(Type.CONTROL, msgspec.json.encode(OldTalk(True, []))))) == Talk(True, key=None)
    old = msgspec.json.encode(Talk(True, ["p:1"]))
    assert b"key" not in old, "who does not tell sends what it always sent"


def test_a_relay_says_that_it_tells_keys_and_an_older_kit_reads_past_it():
    frame = unpack(pack_control(Mode("duplex", keys=True)))
    assert read_control(frame) == Mode("duplex", keys=True)
    assert msgspec.json.decode(frame.payload, type=OldMode) == OldMode("duplex")
    assert not read_control(unpack(pack(Type.CONTROL, msgspec.json.encode(OldMode("duplex"))))).keys


def test_pressed_sound_asks_for_no_answer_and_is_no_key_frame():
    frame = unpack(pack(Type.AUDIO, b"opus", flags=PRESSED))
    assert not frame.flags & WANTS_ACK and not frame.is_key and frame.flags == PRESSED
