"""The recorder's tap: what a reader gets, and that no reader costs the recorder anything."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.live import Frame, Type, read_init, unpack
from edge.recorder.sources import AudioFormat, AudioPacket, EncodedFrame
from edge.recorder.tapping import MAX_READERS, MAX_WAITING_BYTES, Tapping
from edge.tap import LENGTH, PICTURE, SOUND, TAP_NAME, connect_tap
from tests.waiting import wait_until

# The beginning of a key frame: an SPS of level 3.1, a PPS, an IDR slice.
KEY = bytes.fromhex("0000000167 42c01f da 00000001 68ce 00000001 65".replace(" ", ""))
DELTA = bytes.fromhex("0000000141")


class Source:
    name, fps, missed, watermarked = "made up", 25.0, 0, False
    audio: AudioFormat | None = AudioFormat(b"init", "mp4a.40.2", 48_000)

    def open(self) -> None: ...

    def items(self) -> Iterator[EncodedFrame | AudioPacket]:
        yield from ()

    def close(self) -> None: ...


@pytest.fixture
def tapping(tmp_path: Path) -> Iterator[Tapping]:
    tapping = Tapping(tmp_path, size=(1280, 720), clock_us=lambda: 77)
    tapping.begin(Source())
    yield tapping
    tapping.close()


def frame(*, key: bool = False, size: int = 0) -> EncodedFrame:
    return EncodedFrame((KEY if key else DELTA) + b"\x80" * size, key, 0)


class Reader:
    def __init__(self, folder: Path) -> None:
        self.socket = connect_tap(folder)
        self.socket.settimeout(20)
        self._file = self.socket.makefile("rb")

    def read(self) -> Frame:
        (length,) = LENGTH.unpack(self._file.read(LENGTH.size))
        return unpack(self._file.read(length))

    def close(self) -> None:
        self._file.close()
        self.socket.close()


@pytest.fixture
def reader(tmp_path: Path, tapping: Tapping) -> Iterator[Reader]:
    tapping.offer(frame(key=True))
    tapping.offer(frame())
    reader = Reader(tmp_path)
    yield reader
    reader.close()


def test_a_reader_begins_with_what_the_present_group_needs(tapping: Tapping, reader: Reader) -> None:
    came = [reader.read() for _ in range(5)]
    assert [(item.type, item.stream, item.is_key) for item in came] == [
        (Type.INIT, SOUND, False),
        (Type.AUDIO, SOUND, True),
        (Type.INIT, PICTURE, False),
        (Type.VIDEO, PICTURE, True),
        (Type.VIDEO, PICTURE, False),
    ]
    init = read_init(came[2])
    assert (init.codec, init.width, init.height, init.fps) == ("avc1.42C01F", 1280, 720, 25)
    assert (bytes(came[1].payload), came[3].time_us) == (b"init", 77)
    tapping.offer(AudioPacket(b"sound", 0, 21_333))
    tapping.offer(frame())
    assert [bytes(reader.read().payload) for _ in range(2)] == [b"sound", DELTA]


def test_one_who_does_not_read_holds_nobody_and_begins_again_at_a_key_frame(tapping: Tapping, reader: Reader) -> None:
    for _ in range(5):
        reader.read()
    began_s = time.monotonic()
    for _ in range(12):
        tapping.offer(frame(size=1_000_000))
    assert time.monotonic() - began_s < 1.0
    # The kernel held some, the queue 4 MB; the rest was left out, and what comes then is a key frame.
    seen = [reader.read()]
    while not seen[-1].is_key:
        tapping.offer(frame(key=True))
        seen.append(reader.read())
    assert 4 <= sum(len(item.payload) > 1_000_000 for item in seen) < 12
    tapping.offer(frame())
    while bytes(reader.read().payload) != DELTA:
        pass


def test_garbage_and_an_abrupt_end_are_no_fault(tmp_path: Path, tapping: Tapping, reader: Reader) -> None:
    reader.socket.sendall(b"\xff" * 1000)
    second = Reader(tmp_path)
    second.read()
    reader.close()
    for _ in range(200):
        tapping.offer(frame(size=50_000))
    wait_until(lambda: len(tapping._readers) == 1, 20)
    second.close()


def test_readers_are_bounded(tmp_path: Path, tapping: Tapping) -> None:
    readers = [connect_tap(tmp_path) for _ in range(MAX_READERS + 1)]
    readers[-1].settimeout(20)
    tapping.offer(frame(key=True))
    assert readers[-1].recv(1) == b""
    for one in readers:
        one.close()


def test_the_file_of_a_dead_recorder_is_taken_over_and_nobody_else_may_read(tmp_path: Path) -> None:
    stale = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stale.bind(str(tmp_path / TAP_NAME))
    stale.close()
    tapping = Tapping(tmp_path)
    try:
        assert (tmp_path / TAP_NAME).stat().st_mode & 0o777 == 0o600
        connect_tap(tmp_path).close()
    finally:
        tapping.close()
    assert not (tmp_path / TAP_NAME).exists()


def test_without_readers_it_costs_the_note_of_a_picture(tapping: Tapping) -> None:
    frames = [frame(key=number % 25 == 0, size=8_000) for number in range(1000)]
    began_s = time.thread_time()
    for item in frames:
        tapping.offer(item)
    # 25 a second are a thousandth of a core at this bound; measured 2 microseconds each.
    assert (time.thread_time() - began_s) / len(frames) < 40e-6
    assert tapping._group_size < MAX_WAITING_BYTES
    assert threading.active_count() < 50
