"""Two command halls on one kit at the same time, with all parts as they are: the kit's live process, relay, records.

One hall's session is press-to-talk, the other's full duplex; the kit's microphone (a tone) is open all the time.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from contract.chain import Kind
from contract.live import PRESSED, Frame, Mode, Talk, Talkers, Type, pack, unpack
from contract.session_record import Item, ItemKind
from tests.central.relay.stand import KIT, SECOND, Socket, Stand
from tests.central.relay.test_kit_voice import keep_pressed
from tests.central.relay.test_record_of_relay import chain_of, items_of
from tests.central.relay.test_with_kit import Enrolled, url
from tests.edge.live.live_kit import LiveKit, run_kit
from tests.edge.live.test_voice import Mouth
from tests.waiting import wait_until

pytestmark = pytest.mark.journey
LONG_S = 40


@pytest.fixture
def kit(stand: Stand, tmp_path: Path) -> Iterator[LiveKit]:
    with run_kit(
        Enrolled(stand, tmp_path),  # type: ignore[arg-type]
        start=lambda command: subprocess.Popen(command, env=dict(os.environ)),
        live={"speaker": "none"},
    ) as kit:
        kit.run("live")
        yield kit


@contextmanager
def holding(kit: LiveKit) -> Iterator[None]:
    """The officer's key is held for this long."""
    released = threading.Event()
    thumb = threading.Thread(target=keep_pressed, args=(kit, released))
    thumb.start()
    try:
        yield
    finally:
        released.set()
        thumb.join()


def sounds(socket: Socket, for_s: float) -> list[Frame]:
    return [one for one in socket.drain(for_s) if one.type is Type.AUDIO]


def hear(socket: Socket, count: int) -> list[Frame]:
    return [socket.picture(lambda one: one.type is Type.AUDIO, LONG_S) for _ in range(count)]


def wait_talks(socket: Socket, is_on: bool) -> None:
    """Until the table says of the kit whether it talks in this session."""

    def says(told: Talkers) -> bool:
        return any(one.id == KIT and one.on is is_on for one in told.talkers)

    socket.control(Talkers, says, LONG_S)


def read_voice(stand: Stand, session_id: str) -> list[Item]:
    """What the session's sealed record has of the kit's voice, once it is closed."""

    def is_closed() -> bool:
        records = chain_of(stand, session_id)
        return bool(records) and records[-1].kind is Kind.FINAL

    wait_until(is_closed, 60, "the record to be closed")
    items = items_of(stand, session_id, chain_of(stand, session_id))
    return [
        item
        for item in items
        if item.kind is ItemKind.REACHED or (item.kind is ItemKind.FRAME and unpack(item.body).type is Type.AUDIO)
    ]


def lines(stand: Stand, session_id: str) -> list[str]:
    return [kind for kind, actor, _ in stand.entries(session_id) if kind.startswith("talk_") and KIT in actor]


def is_paired(kinds: list[str]) -> bool:
    return bool(kinds) and kinds == ["talk_begun", "talk_ended"] * (len(kinds) // 2)


def test_each_hall_hears_and_records_what_was_decided_for_it(stand: Stand, kit: LiveKit) -> None:
    by_key, open_ = stand.begin(voice="ptt"), stand.begin(voice="duplex")
    with Mouth(kit.folder):
        hall, other = stand.voice(by_key), stand.voice(open_, by="zhiban")
        kit.begin_all(url(stand), {"voice": "ptt"}, {"voice": "duplex"})
        hear(other, 30)
        assert sounds(hall, 0.5) == [], "his microphone is open, and not for this hall"
        wait_until(lambda: kit.state("voice_status").get("mode") == "duplex", LONG_S)
        with holding(kit):
            wait_talks(hall, True)
            pressed = hear(hall, 30)
            other.drain(0.1)
            hear(other, 10)
        wait_talks(hall, False)
        sounds(hall, 0.5)  # what was under way
        assert sounds(hall, 0.7) == [], "let go of"
        other.drain(0.1)
        hear(other, 10)
        assert all(one.flags & PRESSED for one in pressed)
        stand.end(open_)
        kit.begin_all(url(stand), {"voice": "ptt"})
        wait_until(lambda: kit.state("voice_status").get("mode") == "ptt", LONG_S)
        assert sounds(hall, 0.7) == []
        stand.end(by_key)
        kit.end()
    assert lines(stand, by_key) == ["talk_begun", "talk_ended"]
    wait_until(lambda: is_paired(lines(stand, open_)), LONG_S, "the end of each beginning")
    check_records(stand, by_key, open_)


def check_records(stand: Stand, by_key: str, open_: str) -> None:
    kept = [unpack(item.body) for item in read_voice(stand, by_key) if item.kind is ItemKind.FRAME]
    assert len(kept) >= 30 and all(one.flags & PRESSED for one in kept), "the sealed record has the pressed alone"
    whole = [unpack(item.body) for item in read_voice(stand, open_) if item.kind is ItemKind.FRAME]
    assert {one.seq for one in kept} < {one.seq for one in whole}
    assert {bool(one.flags & PRESSED) for one in whole} == {True, False}
    reached = {item.body for item in read_voice(stand, by_key) if item.kind is ItemKind.REACHED}
    assert reached == {f'["p:{stand.actors["zhihui"].user_id}"]'.encode()}


@pytest.mark.parametrize("ends", ["ptt", "duplex"])
def test_one_session_ends_while_the_key_is_held_and_nothing_hangs_open(stand: Stand, kit: LiveKit, ends: str) -> None:
    by_key, open_ = stand.begin(voice="ptt"), stand.begin(voice="duplex")
    gone, stays = (by_key, open_) if ends == "ptt" else (open_, by_key)
    with Mouth(kit.folder):
        hall, other = stand.voice(gone), stand.voice(stays, by="zhiban")
        kit.begin_all(url(stand), {"voice": "ptt"}, {"voice": "duplex"})
        with holding(kit):
            hear(hall, 5), hear(other, 5)
            stand.end(gone)
            hall.closed()
            kit.begin_all(url(stand), {"voice": "duplex" if ends == "ptt" else "ptt"})
            wait_talks(other, True)
            hear(other, 5)
            assert stand.wait_entry(gone, "talk_ended")
        if ends == "duplex":
            wait_talks(other, False)
            sounds(other, 0.5)  # what was under way
            assert sounds(other, 0.7) == []
            wait_until(lambda: kit.state("voice_status")["talking"] is None, LONG_S)
        else:
            hear(other, 10)
        stand.end(stays)
        kit.end()
        wait_until(lambda: kit.state("voice_status").get("mode") == "off", LONG_S)
    for session_id in (gone, stays):
        wait_until(lambda at=session_id: is_paired(lines(stand, at)), LONG_S, "the end of each beginning")


def test_officer_to_officer_and_a_kit_of_before(stand: Stand) -> None:
    by_key, open_ = stand.begin(KIT, SECOND, voice="ptt"), stand.begin(voice="duplex")
    hall, other = stand.voice(by_key), stand.voice(open_, by="zhiban")
    officer, colleague = stand.voice_of_kit(), stand.voice_of_kit(SECOND)
    assert officer.control(Mode) == Mode("duplex", keys=True)
    officer.tell(Talk(True, [SECOND], key=False))
    officer.send(pack(Type.AUDIO, b"open", seq=1))
    officer.tell(Talk(True, [SECOND], key=True))
    officer.send(pack(Type.AUDIO, b"pressed", flags=PRESSED, seq=2))
    assert bytes(hear(colleague, 1)[0].payload) == b"pressed"
    officer.tell(Talk(True))  # as a kit of 0.4.0 says it
    officer.send(pack(Type.AUDIO, b"before", seq=3))
    assert bytes(hear(other, 1)[0].payload) == b"before"
    assert sounds(hall, 0.3) == sounds(colleague, 0.3) == []
