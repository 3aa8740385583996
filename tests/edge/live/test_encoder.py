"""Pictures made smaller: real H.264 in, real H.264 out; garbage, haste and changed plans in between."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import pytest

from contract.live import KEY, LOW, MAIN, Frame, Type
from edge.live.encoder import Encoded, Encoder
from edge.live.plans import Plan
from edge.live.shaper import read_codec
from tests.waiting import wait_until

SMALL = Plan(200, 320, 180, 25)


def film(count: int, *, garbage_at: int = -1, key_every: int = 25) -> list[Frame]:
    """``count`` pictures of a grey that grows lighter, 25 a second, one in ``key_every`` a key frame."""
    codec: Any = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt = 640, 360, "yuv420p"
    codec.time_base, codec.framerate, codec.gop_size = Fraction(1, 1_000_000), Fraction(25), key_every
    codec.options = {"preset": "ultrafast", "tune": "zerolatency", "threads": "1"}
    frames = []
    for number in range(count):
        picture = av.VideoFrame(640, 360, "yuv420p")
        for plane, level in zip(picture.planes, (40 + number * 2 % 180, 128, 128), strict=True):
            plane.update(bytes([level]) * plane.buffer_size)
        picture.pts, picture.time_base = number * 40_000, Fraction(1, 1_000_000)
        for packet in codec.encode(picture):
            data = b"\xff" * 100 if number == garbage_at else bytes(packet)
            flags = KEY if packet.is_keyframe else 0
            frames.append(Frame(Type.VIDEO, flags, 0, number, 1_000_000_000 + number * 40_000, memoryview(data)))
    return frames


class Bench:
    def __init__(self) -> None:
        self.made: queue.SimpleQueue[Encoded] = queue.SimpleQueue()
        self.errors: list[str] = []
        self.encoder = Encoder(self.made.put, self.errors.append)
        self.got: list[Encoded] = []

    def feed(self, frames: list[Frame]) -> None:
        """At the speed the encoder takes them, as a camera would."""
        for frame in frames:
            self.encoder.put(frame)
            wait_until(lambda: self.encoder._waiting.qsize() == 0, 20)

    def collect(self, least: int) -> list[Encoded]:
        while len(self.got) < least:
            self.got.append(self.made.get(timeout=20))
        return self.got


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.encoder.close()
    assert bench.encoder.join(20)


def decode(made: list[Encoded]) -> list[Any]:
    codec: Any = av.CodecContext.create("h264", "r")
    codec.thread_count = 1
    return [picture for one in made for picture in codec.decode(av.Packet(one.data))] + codec.decode(None)


def test_one_picture_in_one_small_picture_out_at_once_with_its_own_time(bench: Bench) -> None:
    bench.encoder.set_plans({MAIN: SMALL})
    frames = film(60)
    bench.feed(frames)
    made = bench.collect(60)
    assert [one.time_us for one in made] == [frame.time_us for frame in frames]
    assert made[0].key and read_codec(made[0].data) is not None
    # A key frame every two seconds, whatever the camera's own are.
    assert [number for number, one in enumerate(made) if one.key] == [0, 50]
    assert {(picture.width, picture.height) for picture in decode(made)} == {(320, 180)}


def test_two_streams_at_their_own_rates_and_a_key_frame_when_asked(bench: Bench) -> None:
    bench.encoder.set_plans({MAIN: SMALL, LOW: Plan(100, 160, 90, 12.5)})
    frames = film(45)
    bench.feed(frames[:30])
    bench.encoder.ask_key(MAIN)
    bench.feed(frames[30:])
    wait_until(lambda: bench.made.qsize() >= 68, 20)
    made = bench.collect(68)
    by_stream = {stream: [one for one in made if one.stream == stream] for stream in (MAIN, LOW)}
    assert len(by_stream[MAIN]) == 45 and 20 <= len(by_stream[LOW]) <= 25
    assert by_stream[MAIN][30].key or by_stream[MAIN][31].key


def test_garbage_is_left_out_and_the_next_key_frame_is_a_new_beginning(bench: Bench) -> None:
    bench.encoder.set_plans({MAIN: SMALL})
    frames = film(60, garbage_at=10)
    bench.feed(frames)
    wait_until(lambda: bench.made.qsize() >= 35, 20)
    assert bench.errors == []
    assert bench.collect(35)[-1].time_us > frames[24].time_us


def test_nothing_can_be_made_before_a_key_frame(bench: Bench) -> None:
    bench.encoder.set_plans({MAIN: SMALL})
    frames = film(30)
    bench.feed(frames[5:30])
    assert bench.collect(5)[0].time_us == frames[25].time_us


def test_far_behind_the_newest_picture_is_made_and_not_all_of_them(bench: Bench) -> None:
    bench.encoder.set_plans({MAIN: Plan(800, 640, 360, 25)})
    frames = film(300)
    began_s = time.monotonic()
    for frame in frames:
        bench.encoder.put(frame)
    wait_until(lambda: bench.encoder._waiting.qsize() == 0, 20)
    bench.feed(film(2, key_every=1))
    made = bench.collect(3)
    print(f"{len(made)} of 300 made in {time.monotonic() - began_s:.2f} s")
    wait_until(lambda: bench.made.qsize() == 0 or bench.collect(len(bench.got) + 1), 20)
    assert len(bench.got) < 150
