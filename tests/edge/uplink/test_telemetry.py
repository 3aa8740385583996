"""What leaves the outbox when, and what alone frees it."""

from __future__ import annotations

from typing import cast

import pytest

from contract import messages
from edge.reach.trusted_time import TrustedTime
from edge.spool import Spool
from edge.uplink.link import Link
from edge.uplink.telemetry import BEAT_S, REFILL_S, RESEND_S, SOS_LONG_AFTER_S, SOS_REPEAT_S, WINDOW, Telemetry
from edge.uplink.window import FIRST_BYTES
from tests.fakes.recording_link import RecordingLink

FIX = messages.encode(messages.Fix(lat=25.6, lon=100.2))
A = "a" * 32


class Desk:
    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self.link = RecordingLink()
        self.now_s = 1000.0
        self.telemetry = Telemetry(spool, cast(Link, self.link), monotonic_s=lambda: self.now_s)

    def connect(self) -> None:
        self.telemetry.on_connected(version="0.1.0", trust_epoch=3)

    def drain(self, after_s: float = 0.0) -> list[tuple[str, list[int], int]]:
        self.now_s += after_s
        self.telemetry.drain()
        return [(heard.kind, heard.seqs, heard.qos) for heard in self.link.take()]

    def add(self, count: int, kind: str = "position", body: bytes = FIX) -> list[int]:
        with self.spool.transaction():
            return [self.spool.outbox.append(kind, body) for _ in range(count)]

    def alarm(self, kind: str, alarm_id: str = A) -> int:
        alarm = messages.Alarm(alarm_id=alarm_id, kind=kind, pressed_ms=1)  # type: ignore[arg-type]
        return self.spool.outbox.append("alarm", messages.encode(alarm), urgent=True)

    def receipt(self, *ranges: tuple[int, int], spool: str | None = None, unpacks: bool = False) -> list[str]:
        told = messages.TelemetryReceipt(spool=spool or self.spool.id, ranges=list(ranges), unpacks=unpacks)
        return self.telemetry.on_receipt(messages.encode(told))


@pytest.fixture
def desk(spool: Spool) -> Desk:
    return Desk(spool)


def test_nothing_leaves_before_the_hello(desk: Desk) -> None:
    desk.add(2)
    assert desk.drain() == []
    desk.spool.inbox.put(1, "trust", b"{}", 1)
    desk.connect()
    (hello,) = desk.link.take()
    body = messages.decode(hello.message.items[0].body, messages.Hello)
    assert (hello.kind, hello.seqs, hello.qos) == ("hello", [0], 1)
    assert (body.have, body.version, body.trust_epoch) == (1, "0.1.0", 3)
    assert desk.drain() == [("position", [1], 0), ("position", [2], 0)]


def test_a_receipt_tells_the_centres_time_and_how_exactly(spool: Spool) -> None:
    desk = Desk(spool)
    time = TrustedTime(0, clock_ms=lambda: 0, monotonic_ms=lambda: round(desk.now_s * 1000))
    desk.telemetry = Telemetry(spool, cast(Link, desk.link), monotonic_s=lambda: desk.now_s, trusted_time=time)

    def receipt(seq: int, now_ms: int) -> None:
        told = messages.TelemetryReceipt(spool=spool.id, ranges=[(seq, seq)], now_ms=now_ms)
        desk.telemetry.on_receipt(messages.encode(told))

    first, second = desk.add(2, "health", b"{}")
    desk.connect()
    desk.drain()
    desk.now_s += 0.6
    receipt(first, 1_795_500_000_000)
    told = time.find_reading()
    assert told is not None and told.error_ms == 301
    assert told.offset_ms == 1_795_500_000_300 - 1_000_600
    desk.drain(RESEND_S + 1)  # the second goes out once more: a receipt may now be for either
    desk.now_s += 0.1
    receipt(second, 1_795_500_000_000 + 30_000)
    assert time.find_reading() == told
    assert time.floor_ms() == 1_795_500_030_000, "that much has surely passed"


def test_sos_overtakes_everything(desk: Desk) -> None:
    desk.add(50)
    desk.add(3, "health", b"{}")
    sos = desk.alarm("sos")
    desk.connect()
    desk.link.take()
    assert desk.drain() == [
        ("alarm", [sos], 1),
        ("position", [48], 0),  # where the officer is, before where he was
        ("position", [49], 0),
        ("position", [50], 0),
        ("health", [51, 52, 53], 1),
        ("position", list(range(1, 48)), 0),
    ]


def test_only_a_receipt_frees_and_silence_sends_again(desk: Desk) -> None:
    desk.connect()
    (seq,) = desk.add(1, "receipt", b"{}")
    assert desk.drain(1)[-1] == ("receipt", [seq], 1)
    assert desk.drain(RESEND_S / 2) == []
    assert desk.drain(RESEND_S / 2) == [("receipt", [seq], 1)]
    assert desk.drain(RESEND_S) == [], "the second pause is longer"
    assert desk.drain(RESEND_S) == [("receipt", [seq], 1)]
    desk.receipt((seq, seq))
    assert desk.drain(10_000) == [] and desk.spool.outbox.count() == 0


def test_what_a_deaf_centre_did_not_hear_goes_anew_with_its_first_answer(desk: Desk) -> None:
    """A centre whose intake is being started again: the session stands, nobody hears, pauses grow meanwhile."""
    desk.connect()
    mark, order = desk.alarm("mark"), desk.add(1, "receipt", b"{}")[0]
    for _ in range(4):
        desk.drain(RESEND_S * 4)
    (fix,) = desk.add(1)
    assert desk.drain(1) == [("position", [fix], 0)]
    desk.now_s += 0.1
    desk.receipt((fix, fix))
    assert desk.drain() == [("alarm", [mark], 1), ("receipt", [order], 1)]
    # What it will not have is tried with growing pauses, though it answers for everything else.
    for _ in range(4):
        (fix,) = desk.add(1)
        assert ("alarm", [mark], 1) not in desk.drain(1)
        desk.receipt((fix, fix))


def test_receipt_for_another_spool_frees_nothing(desk: Desk) -> None:
    desk.connect()
    desk.add(3)
    desk.receipt((1, 3), spool="f" * 32)
    assert desk.spool.outbox.count() == 3
    with pytest.raises(messages.MessageError):
        desk.telemetry.on_receipt(b'{"spool": 7}')


def test_a_lost_link_sends_everything_anew(desk: Desk) -> None:
    desk.connect()
    desk.add(2)
    desk.drain()
    desk.telemetry.on_disconnected()
    assert desk.drain(1) == []
    desk.connect()
    desk.link.take()
    assert [seqs for _, seqs, _ in desk.drain()] == [[1], [2]]


def test_a_link_that_takes_nothing_counts_nothing_as_sent(desk: Desk) -> None:
    desk.connect()
    desk.add(1)
    desk.link.up = False
    desk.drain()
    desk.link.up = True
    desk.link.take()
    assert desk.drain() == [("position", [1], 0)]


def test_a_backlog_goes_oldest_first_as_fast_as_it_is_carried_away(desk: Desk) -> None:
    seqs = desk.add(WINDOW + 500)
    desk.connect()
    desk.link.take()
    old: list[int] = []
    for turn in range(40):
        sent = desk.drain(0.5)
        assert all(len(batch) <= messages.MAX_ITEMS for _, batch, _ in sent)
        in_order = [seq for _, batch, _ in sent for seq in batch if seq not in seqs[-3:]]
        assert in_order == sorted(in_order)
        old += in_order
        if turn == 0:
            assert sum(len(batch) for _, batch, _ in sent) < 200, "a second of a thin link, no more"
            assert [batch for _, batch, _ in sent[:3]] == [[seqs[-3]], [seqs[-2]], [seqs[-1]]]
        desk.receipt(*((seq, seq) for _, batch, _ in sent for seq in batch))
    assert old == seqs[:-3] and desk.spool.outbox.count() == 0


def test_while_the_link_carries_nothing_away_only_alarms_and_the_newest_fixes_join_the_queue(desk: Desk) -> None:
    desk.add(WINDOW)
    desk.connect()
    desk.drain()
    desk.link.unacknowledged = 20_000
    assert desk.drain(1) == []
    mark, (fresh,) = desk.alarm("mark"), desk.add(1)
    assert desk.drain(1) == [("alarm", [mark], 1), ("position", [fresh], 0)]
    assert desk.telemetry.drain() <= REFILL_S, "it looks again soon"
    desk.link.unacknowledged = 0
    assert desk.drain(1)[-1][0] == "position"


def test_what_the_centre_never_receipts_does_not_block_the_rest(desk: Desk) -> None:
    desk.connect()
    stuck = desk.add(WINDOW)
    for _ in range(30):
        desk.drain(REFILL_S)
    assert len(desk.telemetry._flights) == WINDOW
    last = desk.add(1, "chain", b"{}")
    assert desk.drain() == []
    for _ in range(6):
        desk.drain(RESEND_S)
    assert last[0] in desk.telemetry._flights
    assert desk.spool.outbox.count() == len(stuck) + 1


def test_an_alarm_waits_for_no_window(desk: Desk) -> None:
    desk.connect()
    desk.add(WINDOW + 10)
    for _ in range(30):
        desk.drain(REFILL_S)
    mark = desk.alarm("mark")
    assert ("alarm", [mark], 1) in desk.drain(REFILL_S)


def test_it_says_something_every_few_seconds(desk: Desk) -> None:
    desk.connect()
    assert desk.telemetry.drain() == BEAT_S and desk.link.beats == 0, "the hello was just said"
    desk.drain(BEAT_S)
    assert desk.link.beats == 1
    desk.add(1)
    desk.drain(BEAT_S - 1)
    desk.drain(BEAT_S - 1)
    assert desk.link.beats == 1, "what else is said counts"
    desk.drain(1)
    assert desk.link.beats == 2
    desk.link.up = False
    desk.drain(BEAT_S)
    assert desk.link.beats == 2


def test_a_goodbye_says_why(desk: Desk) -> None:
    desk.telemetry.say_goodbye("switched_off")
    assert desk.link.take() == [], "nobody is there to hear it"
    desk.connect()
    desk.link.take()
    desk.telemetry.say_goodbye("restarting")
    (heard,) = desk.link.take()
    assert (heard.kind, heard.seqs) == ("beat", [0])
    assert messages.decode(heard.message.items[0].body, messages.Beat).bye == "restarting"


def test_large_bodies_make_small_batches(desk: Desk) -> None:
    desk.connect()
    desk.link.take()
    desk.add(100, "chain", b'{"record":"%s","sig":"s"}' % (b"r" * 5000))
    sent = [batch for _ in range(9) for batch in desk.drain(1)]
    assert len(sent) > 4 and sum(len(batch) for _, batch, _ in sent) == 100
    assert max(len(batch) for _, batch, _ in sent) <= 20  # 96 KiB


def test_entries_of_an_earlier_boot_keep_theirs(desk: Desk) -> None:
    desk.add(1)
    desk.spool._store.boot = "e" * 32
    desk.add(1)
    desk.add(8)
    desk.connect()
    desk.link.take()
    desk.telemetry.drain()
    sent = desk.link.take()
    assert [(heard.message.boot == "e" * 32, heard.seqs) for heard in sent] == [
        (True, [8]),
        (True, [9]),
        (True, [10]),
        (False, [1]),
        (True, list(range(2, 8))),
    ]


def test_sos_repeats_after_its_receipt_until_acknowledged(desk: Desk) -> None:
    desk.connect()
    desk.link.take()
    seq = desk.alarm("sos")
    assert desk.drain() == [("alarm", [seq], 1)]
    assert desk.drain(SOS_REPEAT_S - 0.1) == []
    assert desk.drain(0.1) == [("alarm", [seq], 1)]
    assert desk.receipt((seq, seq)) == [A]
    assert desk.receipt((seq, seq)) == [], "told once"
    assert desk.drain(SOS_REPEAT_S) == [("alarm", [seq], 1)]
    desk.drain(SOS_LONG_AFTER_S)
    assert desk.drain(SOS_REPEAT_S) == [], "after ten minutes less often"
    assert desk.drain(60) == [("alarm", [seq], 1)], "but never given up"
    desk.spool.outbox.settle_sos(A)
    assert desk.drain(60) == []


def test_a_withdrawn_sos_is_marked_and_no_longer_repeated(desk: Desk) -> None:
    desk.connect()
    desk.link.take()
    sos = desk.alarm("sos")
    desk.drain()
    desk.receipt((sos, sos))
    withdrawal = desk.alarm("sos_withdrawn")
    assert ("alarm", [withdrawal], 1) in desk.drain(1)
    assert desk.drain(SOS_REPEAT_S) == [("alarm", [sos], 1)], "until the centre knows"
    assert desk.receipt((withdrawal, withdrawal)) == []
    assert desk.drain(60) == []


def test_two_sos_repeat_each_for_itself(desk: Desk) -> None:
    desk.connect()
    desk.link.take()
    first, second = desk.alarm("sos", A), desk.alarm("sos", "b" * 32)
    desk.spool.outbox.settle_sos(A)
    desk.drain()
    desk.receipt((first, second))
    assert desk.drain(SOS_REPEAT_S) == [("alarm", [second], 1)]


def test_it_packs_only_for_a_centre_that_unpacks_and_only_what_the_link_is_too_thin_for(desk: Desk) -> None:
    desk.connect()
    desk.add(60)
    desk.drain()
    assert desk.link.packed == 0, "an old centre would set it aside and never receipt it"
    desk.receipt((1, 60), unpacks=True)
    desk.add(1)
    desk.drain(1)
    assert desk.link.packed == 0, "a single fix on a good link is read as it is"
    desk.link.unacknowledged = 1
    desk.add(1)
    assert desk.drain(1) == [("position", [62], 0)] and desk.link.packed == 1
    desk.link.unacknowledged, desk.link.round_trip = 0, 700
    desk.add(1)
    assert desk.drain(1) == [("position", [63], 0)] and desk.link.packed == 2
    assert desk.drain(RESEND_S)[0] == ("position", [61, 62, 63], 0) and desk.link.packed == 2, (
        "the second try is open"
    )
    sos = desk.alarm("sos")
    desk.drain(1)
    assert desk.link.packed == 2, f"an SOS ({sos}) goes as it is"


def test_a_packed_backlog_fills_the_window_and_no_more(desk: Desk) -> None:
    desk.connect()
    desk.receipt(unpacks=True)
    desk.link.take()
    desk.add(590)
    desk.link.sizes.clear()
    sent = [seq for _, seqs, _ in desk.drain() for seq in seqs]
    assert sorted(sent) == list(range(1, 591)), "eight kilobytes packed hold ten minutes of fixes"
    assert sum(desk.link.sizes) < FIRST_BYTES * 1.5
