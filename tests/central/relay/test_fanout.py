"""The exchange without a network: its clock is set, its connections are lists (a double: `Wire`)."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from central.command.session_rights import OpenSession
from central.relay import bounds
from central.relay.exchange import Exchange
from central.relay.fanout import Outflow, Viewer
from central.relay.sink import NoSink
from central.relay.sources import Looker
from contract.live import (
    KEY,
    LOW,
    MAIN,
    WANTS_ACK,
    Control,
    State,
    Type,
    Want,
    Watcher,
    Watchers,
    pack,
    read_control,
    unpack,
)

SESSION = OpenSession("s1", "云29", (), ("k1", "k2"), 10**13, "ptt")
OTHER = OpenSession("s2", "云2901", (), ("k2",), 10**13, "ptt")


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@dataclass(eq=False)
class Wire:
    told: list[Control] = field(default_factory=list)
    put_frames: list[bytes] = field(default_factory=list)
    code: int | None = None

    def tell(self, message: Control) -> None:
        self.told.append(message)

    def put(self, message: bytes) -> None:
        frame = unpack(message)
        if frame.type is Type.CONTROL:
            self.told.append(read_control(frame))
        self.put_frames.append(message)

    def end(self, code: int, reason: str) -> None:
        self.close(code, reason)

    def close(self, code: int, reason: str = "") -> None:
        self.code = self.code or code

    def last(self, kind: type) -> Control | None:
        return next((one for one in reversed(self.told) if isinstance(one, kind)), None)


class Recorded(NoSink):
    def __init__(self) -> None:
        self.frames: list[tuple[str, str, int, int]] = []
        self.ended: list[str] = []

    def frame(self, session_id: str, source: str, message: bytes) -> None:
        frame = unpack(message)
        self.frames.append((session_id, source, int(frame.type), frame.seq))

    def end(self, session_id: str) -> None:
        self.ended.append(session_id)


class Stage:
    def __init__(self) -> None:
        self.clock = Clock()
        self.sink = Recorded()
        self.exchange = Exchange(self.clock, self.sink)
        self.exchange.apply([SESSION, OTHER])
        self.seq = 0

    def look(self, source: str = "k1", session: str = "s1", stream: int = MAIN, name: str = "甲") -> Looker:
        looker = Looker(source, Viewer(session, stream, lambda: None), Wire(), Watcher(name), name)
        self.exchange.add_looker(looker)
        return looker

    def come(self, source: str = "k1") -> Wire:
        wire = Wire()
        self.exchange.attach(source, wire)
        return wire

    def show(self, wire: Wire, source: str = "k1", *, key: bool = False, stream: int = MAIN) -> int:
        self.seq += 1
        message = pack(Type.VIDEO, b"x", flags=WANTS_ACK | (KEY if key else 0), stream=stream, seq=self.seq)
        self.exchange.take(self.exchange.find_source(source), wire, message, unpack(message))
        return self.seq

    def describe(self, wire: Wire, source: str = "k1", stream: int = MAIN) -> None:
        message = pack(Type.INIT, b'{"codec":"avc1.42C01F"}', stream=stream)
        self.exchange.take(self.exchange.find_source(source), wire, message, unpack(message))

    def seen(self, looker: Looker) -> list[int]:
        found = []
        while (message := looker.viewer.outflow.take(self.clock())) is not None:
            frame = unpack(message)
            if frame.type is Type.VIDEO:
                found.append(frame.seq)
                looker.viewer.outflow.acknowledge(frame.seq, self.clock())
        return found


class TestWanting:
    def test_a_stream_runs_while_looked_at_and_a_little_longer(self) -> None:
        stage = Stage()
        kit = stage.come()
        assert kit.last(Want) == Want()
        looker = stage.look()
        assert kit.last(Want) == Want(streams=[MAIN], key=True)
        stage.exchange.remove_looker(looker)
        stage.clock.now_s += bounds.LINGER_S - 0.1
        stage.exchange.tick()
        assert kit.last(Want) == Want(streams=[MAIN], key=True)
        stage.clock.now_s += 0.2
        stage.exchange.tick()
        assert kit.last(Want) == Want()

    def test_what_was_shown_before_a_pause_is_shown_to_nobody(self) -> None:
        stage = Stage()
        kit, looker = stage.come(), stage.look()
        stage.describe(kit)
        stage.show(kit, key=True)
        stage.exchange.remove_looker(looker)
        stage.clock.now_s += bounds.LINGER_S + 0.1
        stage.exchange.tick()
        assert stage.seen(stage.look()) == []
        assert kit.last(Want) == Want(streams=[MAIN], key=True)

    def test_a_picture_that_nobody_asked_for_goes_nowhere(self) -> None:
        stage = Stage()
        kit, looker = stage.come(), stage.look(stream=MAIN)
        stage.show(kit, key=True, stream=LOW)
        assert stage.seen(looker) == []
        assert stage.sink.frames == []

    def test_a_person_or_camera_has_one_stream_whatever_is_asked(self) -> None:
        stage = Stage()
        session = OpenSession("s1", "云29", (), (), 10**13, "ptt", cameras=("gate",))
        stage.exchange.apply([session])
        camera, looker = stage.come("c:gate"), stage.look("c:gate", stream=LOW)
        assert camera.last(Want) == Want(streams=[MAIN], key=True)
        stage.show(camera, "c:gate", key=True)
        assert len(stage.seen(looker)) == 1

    def test_the_switch_waits_for_the_other_streams_key_frame(self) -> None:
        stage = Stage()
        kit, looker = stage.come(), stage.look(stream=LOW)
        stage.show(kit, key=True, stream=LOW)
        stage.exchange.switch(looker, Want(streams=[MAIN]))
        assert kit.last(Want) == Want(streams=[MAIN, LOW], key=True)
        low = stage.show(kit, stream=LOW)
        stage.show(kit, stream=MAIN)
        assert stage.seen(looker) == [low - 1, low]
        main = stage.show(kit, key=True, stream=MAIN)
        stage.show(kit, stream=LOW)
        assert stage.seen(looker) == [main]
        stage.clock.now_s += bounds.LINGER_S + 0.1
        stage.exchange.tick()
        assert kit.last(Want) == Want(streams=[MAIN])


class TestStates:
    def test_waiting_live_stale_gone(self) -> None:
        stage = Stage()
        looker = stage.look()
        assert looker.line.last(State) == State(state="waiting")
        kit = stage.come()
        stage.show(kit, key=True)
        assert looker.line.last(State) == State(state="live")
        stage.clock.now_s += bounds.STALE_S + 0.1
        stage.exchange.tick()
        assert looker.line.last(State) == State(state="stale")
        stage.show(kit)
        assert looker.line.last(State) == State(state="live")
        stage.exchange.detach("k1", kit, "revoked")
        assert looker.line.last(State) == State(state="gone", reason="revoked")

    def test_no_key_frame_for_ten_seconds_is_said_and_one_is_asked_for(self) -> None:
        stage = Stage()
        kit, looker = stage.come(), stage.look()
        for _ in range(25):
            stage.show(kit)
            stage.clock.now_s += 0.45
            stage.exchange.tick()
        assert stage.seen(looker) == []
        assert looker.line.last(State) == State(state="stale", reason="no_key_frame")
        assert sum(isinstance(one, Want) and one.key for one in kit.told) > 5
        stage.show(kit, key=True)
        stage.exchange.tick()
        assert looker.line.last(State) == State(state="live")

    def test_an_older_connection_that_ends_late_takes_nothing_away(self) -> None:
        stage = Stage()
        older, looker = stage.come(), stage.look()
        newer = stage.come()
        assert older.code is not None and newer.code is None
        stage.exchange.detach("k1", older)
        stage.show(older, key=True)
        wanted = stage.show(newer, key=True)
        assert stage.seen(looker) == [wanted]


class TestSessions:
    def test_a_kit_is_seen_in_its_sessions_alone(self) -> None:
        stage = Stage()
        assert stage.exchange.is_in("k2", "s2") and not stage.exchange.is_in("k1", "s2")
        looker = stage.look("k1", "s1")
        kit = stage.come()
        without = OpenSession("s1", "云29", (), ("k2",), 10**13, "ptt")
        stage.exchange.apply([without, OTHER])
        assert looker.line.code is not None and kit.code is not None
        stage.show(kit, key=True)
        assert stage.seen(looker) == []

    def test_two_halls_see_one_kit_and_each_has_its_record(self) -> None:
        stage = Stage()
        kit = stage.come("k2")
        first = stage.look("k2", "s1")
        stage.describe(kit, "k2")
        one = stage.show(kit, "k2", key=True)
        two = stage.show(kit, "k2")
        second = stage.look("k2", "s2", name="乙")
        three = stage.show(kit, "k2")
        assert stage.seen(first) == stage.seen(second) == [one, two, three]
        watchers = kit.last(Watchers)
        assert isinstance(watchers, Watchers) and [one.name for one in watchers.people] == ["乙", "甲"]
        for session in ("s1", "s2"):
            recorded = [(kind, seq) for at, _, kind, seq in stage.sink.frames if at == session]
            assert recorded == [(Type.INIT, 0), (Type.VIDEO, one), (Type.VIDEO, two), (Type.VIDEO, three)]
        stage.exchange.apply([SESSION])
        assert stage.sink.ended == ["s2"]
        assert second.line.code is not None and first.line.code is None


STEPS = ("key", "frame", "take", "ack", "wait")


class TestOutflow:
    def test_a_reader_that_says_nothing_keeps_a_window_and_then_waits_for_a_key_frame(self) -> None:
        outflow = Outflow()
        sent = []
        for number in range(100):
            now_s = number / 25
            message = pack(Type.VIDEO, b"x", flags=WANTS_ACK | (KEY if number == 0 else 0), seq=number)
            outflow.offer(message, now_s, is_key=number == 0, init=None)
            while (taken := outflow.take(now_s)) is not None:
                sent.append(unpack(taken).seq)
        assert sent == list(range(bounds.WINDOW))
        assert outflow.is_stuck(4 + bounds.TOO_SLOW_S)
        outflow.acknowledge(sent[-1], 5.0)
        assert not outflow.is_stuck(60.0)
        assert outflow.offer(pack(Type.VIDEO, b"x", flags=KEY, seq=100), 5.0, is_key=True, init=b"init")
        assert outflow.take(5.0) == b"init"

    @settings(max_examples=200, deadline=None)
    @given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(1, 30)), max_size=80))
    def test_whatever_happens_what_is_sent_decodes_and_memory_is_bounded(self, steps: list[tuple[str, int]]) -> None:
        outflow, now_s, seq = Outflow(), 0.0, 0
        sent: list[int] = []
        keys: set[int] = set()
        for step, count in steps:
            for _ in range(count):
                if step in ("key", "frame"):
                    seq += 1
                    if step == "key":
                        keys.add(seq)
                    flags = WANTS_ACK | (KEY if step == "key" else 0)
                    message = pack(Type.VIDEO, b"x", flags=flags, seq=seq)
                    outflow.offer(message, now_s, is_key=step == "key", init=None)
                elif step == "take" and (taken := outflow.take(now_s)) is not None:
                    sent.append(unpack(taken).seq)
                elif step == "ack" and sent:
                    outflow.acknowledge(sent[-1], now_s)
                elif step == "wait":
                    now_s += 0.1
            assert outflow.in_flight <= bounds.QUEUE_FRAMES + bounds.WINDOW + 1
        for before, after in zip([None, *sent], sent, strict=False):
            assert after in keys or (before is not None and after == before + 1)
