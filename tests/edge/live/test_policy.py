"""The pace of a live picture: what is late is thrown away, the rate falls and rises, silence is an end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.live.policy import CUT, FLOOR_KBPS, LATE_S, MAX_KBPS, RAISE, SILENT_S, Pace, Verdict

FRAME_BYTES = 5_000


def flow(pace: Pace, now_s: float, seconds: float, *, delay_s: float = 0.05, first: int = 1) -> tuple[float, int]:
    """25 pictures a second, each acknowledged ``delay_s`` later; the time and the next number."""
    seq = first
    end_s = now_s + seconds
    while now_s < end_s:
        pace.handed(seq, FRAME_BYTES, now_s)
        pace.acked(seq, now_s + delay_s)
        assert pace.judge(now_s + delay_s) is Verdict.FLOW
        now_s, seq = now_s + 0.04, seq + 1
    return now_s, seq


class TestPace:
    def test_before_the_link_was_ever_late_the_rate_rises_fast(self) -> None:
        pace = Pace(1000, 0.0)
        flow(pace, 0.0, 4.3)
        assert pace.kbps == pytest.approx(1000 * 1.5 * 1.5)

    def test_a_late_picture_clears_the_queue_and_cuts_the_rate_to_what_got_through(self) -> None:
        pace = Pace(3000, 0.0)
        now_s, seq = flow(pace, 0.0, 1.3)
        pace.handed(seq, FRAME_BYTES, now_s)
        assert pace.judge(now_s + LATE_S - 0.01) is Verdict.FLOW
        late_s = now_s + LATE_S + 0.01
        assert pace.judge(late_s) is Verdict.CLEAR
        # 25 pictures of 5000 bytes a second are 1000 kbit/s.
        assert pace.kbps < 1000 * 0.95
        assert pace.judge(late_s) is Verdict.DRAIN
        pace.acked(seq, late_s + 0.1)
        assert pace.judge(late_s + 0.1) is Verdict.FLOW

    def test_what_waits_in_the_kit_is_late_too_and_only_what_was_handed_over_drains(self) -> None:
        pace = Pace(1000, 0.0)
        assert pace.judge(1.0, waiting_since_s=0.3) is Verdict.CLEAR
        assert pace.kbps == pytest.approx(1000 * CUT)
        assert pace.judge(1.0) is Verdict.FLOW

    def test_after_a_cut_six_good_seconds_raise_it(self) -> None:
        pace = Pace(1000, 0.0)
        assert pace.judge(1.0, waiting_since_s=0.3) is Verdict.CLEAR
        flow(pace, 1.0, 5.8)
        assert pace.kbps == pytest.approx(600)
        flow(pace, 6.8, 0.4, first=1000)
        assert pace.kbps == pytest.approx(600 * RAISE)

    def test_silence_is_the_end_but_not_where_nothing_was_said(self) -> None:
        pace = Pace(1000, 0.0)
        assert pace.judge(100.0) is Verdict.FLOW
        pace.handed(1, FRAME_BYTES, 100.0)
        assert pace.judge(100.0 + SILENT_S - 0.01) is not Verdict.ABORT
        assert pace.judge(100.0 + SILENT_S + 0.01) is Verdict.ABORT

    def test_a_far_link_is_not_a_late_one(self) -> None:
        pace = Pace(1000, 0.0)
        flow(pace, 0.0, 5.0, delay_s=0.55)
        now_s = 10.0
        pace.handed(9000, FRAME_BYTES, now_s)
        assert pace.judge(now_s + 0.9) is Verdict.FLOW

    def test_little_is_given_to_the_socket_ahead(self) -> None:
        pace = Pace(1000, 0.0)
        handed = 0
        while pace.has_room:
            handed += 1
            pace.handed(handed, FRAME_BYTES, 0.0)
        assert handed * FRAME_BYTES < 1000 * 125 * 0.5

    def test_where_it_gets_thin_the_picture_goes(self) -> None:
        pace = Pace(100, 0.0)
        for second in range(1, 5):
            assert pace.judge(float(second), waiting_since_s=second - 0.9) is Verdict.CLEAR
        assert pace.is_thin and pace.kbps == FLOOR_KBPS


@given(
    st.integers(1, 50_000),
    st.lists(
        st.tuples(
            st.sampled_from(["hand", "ack", "judge", "cap"]),
            st.floats(0, 3, allow_nan=False),
            st.integers(0, 40),
        ),
        max_size=120,
    ),
)
def test_whatever_happens_the_books_stay_in_order(start: int, steps: list[tuple[str, float, int]]) -> None:
    now_s, seq = 0.0, 0
    pace = Pace(start, now_s)
    sizes: dict[int, int] = {}
    for what, wait_s, number in steps:
        now_s += wait_s
        if what == "hand":
            seq += 1
            sizes[seq] = number * 1000
            pace.handed(seq, number * 1000, now_s)
        elif what == "ack":
            pace.acked(number, now_s)
            sizes = {key: size for key, size in sizes.items() if key > number}
        elif what == "cap":
            pace.cap(number * 100)
        else:
            before = pace.kbps
            verdict = pace.judge(now_s, now_s - number / 10 if number else None)
            assert verdict is not Verdict.ABORT or sizes
            assert pace.kbps <= before or verdict is Verdict.FLOW
            if verdict is Verdict.CLEAR and before > FLOOR_KBPS:
                assert pace.kbps < before
        assert FLOOR_KBPS <= pace.kbps <= MAX_KBPS
        assert pace.outstanding_bytes == sum(sizes.values())
