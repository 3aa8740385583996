"""Pure parts of the upload: how much may be on its way, and answers that trickle in."""

from __future__ import annotations

import random
from collections import deque

import pytest

from edge.uplink.http_answers import AnswerReader, MalformedAnswerError
from edge.uplink.link_policy import judge_metered, judge_thin
from edge.uplink.pace import LEAST_BYTES, LOSSY_FACTOR, QUEUE_S, Pace, Speed

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nKit-Nonce: n1\r\n\r\nhello"
CONFLICT = b"HTTP/1.1 409 Conflict\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\nUpload-Offset: 7\r\n\r\n"
EMPTY = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"


class TestAnswers:
    def test_in_pieces_of_any_size_they_are_the_same(self) -> None:
        chance = random.Random(3)
        stream = OK + CONFLICT + HEAD + OK + EMPTY
        for _ in range(60):
            reader = AnswerReader(1000)
            for method in ("PUT", "PUT", "HEAD", "GET", "PUT"):
                reader.expect(method)
            at, got = 0, []
            while at < len(stream):
                step = chance.randrange(1, 40)
                reader.feed(stream[at : at + step])
                at += step
                while (answer := reader.take()) is not None:
                    got.append(answer)
            assert [(one.status, one.body, one.closes) for one in got] == [
                (200, b"hello", False),
                (409, b"abcde", False),
                (200, b"", False),
                (200, b"hello", False),
                (204, b"", True),
            ]
            assert got[0].headers["kit-nonce"] == "n1" and got[2].headers["upload-offset"] == "7"

    def test_an_answer_ahead_of_its_turn_is_known_by_its_number(self) -> None:
        reader = AnswerReader(1000)
        first, second = reader.expect("PUT"), reader.expect("PUT")
        reader.feed(OK)
        assert reader.is_answered(first) and not reader.is_answered(second)
        assert reader.outstanding == 2
        reader.take()
        reader.feed(OK)
        assert reader.is_answered(second) and reader.outstanding == 1

    def test_without_a_length_the_body_ends_with_the_connection(self) -> None:
        reader = AnswerReader(1000)
        reader.expect("GET")
        reader.feed(b"HTTP/1.0 502 Bad\r\nConnection: close\r\n\r\n<html>")
        assert reader.take() is None
        reader.feed(b"")
        answer = reader.take()
        assert answer is not None and (answer.body, answer.closes) == (b"<html>", True)

    def test_an_endless_body_is_cut(self) -> None:
        reader = AnswerReader(1000)
        reader.expect("GET")
        reader.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n" + b"x" * 2000)
        answer = reader.take()
        assert answer is not None and answer.closes and len(answer.body) == 1000

    @pytest.mark.parametrize(
        "data",
        [
            b"SSH-2.0-OpenSSH\r\n",
            b"HTTP/1.1 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"HTTP/1.1 200 OK\r\nX: " + b"y" * 40_000,
        ],
        ids=range(5),
    )
    def test_what_is_no_answer_is_malformed(self, data: bytes) -> None:
        reader = AnswerReader(1000)
        reader.expect("GET")
        with pytest.raises(MalformedAnswerError):
            reader.feed(data)


class Line:
    """A link of so many bytes a second and so long a way, and a sender that keeps to its pace."""

    def __init__(self, rate: float, round_s: float, speed: Speed | None = None, *, is_lossy: bool = False) -> None:
        self.rate, self.round_s, self.is_lossy = rate, round_s, is_lossy
        self.speed = speed or Speed()
        self.pace = Pace(self.speed)
        self.now_s = self.sent = 0.0
        self.free_s = 0.0  # when the link has carried all it was given
        self.acks: deque[tuple[float, int]] = deque()
        self.acked = 0
        self.pace.begin()
        self.worst_queue_s = 0.0

    def run(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            while self.acks and self.acks[0][0] <= self.now_s:
                self.acked += self.acks.popleft()[1]
            outstanding = round(self.sent) - self.acked
            self.pace.note(
                self.now_s,
                acked=self.acked,
                outstanding=outstanding,
                least_round_s=self.round_s,
                is_lossy=self.is_lossy,
            )
            if room := self.pace.room(outstanding):
                self.sent += room
                self.free_s = max(self.free_s, self.now_s)
                for piece in [1448] * (room // 1448) + [room % 1448]:
                    self.free_s += piece / self.rate
                    self.acks.append((self.free_s + self.round_s, piece))
                self.worst_queue_s = max(self.worst_queue_s, self.free_s - self.now_s)
                continue
            self.now_s += 0.02


class TestPace:
    @pytest.mark.parametrize("round_s", [0.02, 0.1, 0.6])
    @pytest.mark.parametrize("kbit_s", [64, 512, 4_000, 50_000])
    def test_the_link_is_full_and_its_queue_is_short(self, kbit_s: int, round_s: float) -> None:
        line = Line(kbit_s * 125, round_s)
        line.run(15)  # to learn it
        line.worst_queue_s = 0.0
        before = line.acked
        line.run(20)
        assert (line.acked - before) / 20 > 0.93 * line.rate
        blocks_s = (LEAST_BYTES + 4096) / line.rate
        assert line.worst_queue_s < max(1.9 * (QUEUE_S + round_s), 1.3 * blocks_s)

    def test_a_link_that_grows_thin_is_noticed(self) -> None:
        line = Line(500_000, 0.1)
        line.run(10)
        line.rate = 8_000
        line.run(60)  # what is on its way cannot be called back
        line.worst_queue_s = 0.0
        line.run(10)
        assert line.worst_queue_s < 2.5
        assert line.speed.bytes_per_s == pytest.approx(8_000, rel=0.15)

    def test_the_next_connection_begins_where_the_last_stood(self) -> None:
        line = Line(500_000, 0.1)
        line.run(10)
        assert Pace(line.speed).full_bytes() > 10 * Pace(Speed()).full_bytes() / 2

    def test_where_packets_are_lost_more_is_on_its_way(self) -> None:
        calm, lossy = Line(8_000, 0.6), Line(8_000, 0.6, is_lossy=True)
        calm.run(5)
        lossy.run(5)
        assert lossy.pace.full_bytes() >= LOSSY_FACTOR * calm.pace.full_bytes() * 0.9


class TestPolicy:
    @pytest.mark.parametrize(
        ("setting", "officer", "centre", "told"),
        [
            ("auto", None, None, (False, "")),
            ("yes", None, None, (True, "setting")),
            ("no", None, None, (False, "")),
            ("no", {"on": True, "at_ms": 5}, None, (True, "officer")),
            ("yes", {"on": False, "at_ms": 5}, None, (False, "officer")),
            ("auto", {"on": True, "at_ms": 5}, {"on": False, "at_ms": 6}, (False, "centre")),
            ("auto", {"on": True, "at_ms": 7}, {"on": False, "at_ms": 6}, (True, "officer")),
            ("yes", None, {"on": None, "at_ms": 9}, (True, "setting")),
            ("auto", "nonsense", 7, (False, "")),
        ],
    )
    def test_the_newest_word_counts(self, setting: str, officer: object, centre: object, told: object) -> None:
        assert judge_metered(setting, officer, centre) == told

    def test_thin_changes_only_when_clearly_so(self) -> None:
        assert judge_thin(False, 300, 256) is False
        assert judge_thin(False, 200, 256) is True
        assert judge_thin(True, 300, 256) is True
        assert judge_thin(True, 600, 256) is False
        assert judge_thin(True, 0, 256) is True and judge_thin(False, 0, 256) is False
