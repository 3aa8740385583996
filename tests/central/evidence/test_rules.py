from __future__ import annotations

import pytest

from central.evidence import rules
from central.evidence.rules import SegmentFacts
from contract.chain import Kind


def segment(seq: int, monotonic_ms: int, *, stored: bool = True, duration_ms: int = 2000) -> SegmentFacts:
    return SegmentFacts(seq, Kind.SEGMENT, 1_000_000 + monotonic_ms, monotonic_ms, duration_ms, "", stored)


class TestContinuity:
    def test_a_closed_recording_without_holes_is_whole(self) -> None:
        found = rules.state_continuity([segment(1, 0), segment(2, 2040)], closed=True, waiting=False)
        assert found.whole
        assert found.gaps == ()

    def test_an_open_recording_is_not_whole(self) -> None:
        assert not rules.state_continuity([segment(1, 0)], closed=False, waiting=False).whole

    def test_a_stated_gap_carries_its_cause(self) -> None:
        gap = SegmentFacts(2, Kind.GAP, 1_002_000, 2000, 7000, "camera_stall", False)
        found = rules.state_continuity([segment(1, 0), gap, segment(3, 9000)], closed=True, waiting=False)
        assert [(item.seq, item.cause, item.stated) for item in found.gaps] == [(2, "camera_stall", True)]

    @pytest.mark.parametrize(("next_ms", "silent_ms"), [(9000, 7000), (0, -2000)])
    def test_a_jump_nobody_signed_for_is_named(self, next_ms: int, silent_ms: int) -> None:
        found = rules.state_continuity([segment(1, 0), segment(2, next_ms)], closed=True, waiting=False)
        assert [(item.cause, item.duration_ms) for item in found.gaps] == [("unstated", silent_ms)]

    def test_a_segment_that_never_came_is_named(self) -> None:
        found = rules.state_continuity([segment(1, 0), segment(2, 2000, stored=False)], closed=True, waiting=False)
        assert [(item.seq, item.cause) for item in found.gaps] == [(2, "not_received")]

    def test_missing_records_are_named(self) -> None:
        found = rules.state_continuity([segment(1, 0)], closed=False, waiting=True)
        assert [(item.seq, item.cause) for item in found.gaps] == [(2, "records_missing")]


class TestPurpose:
    def test_is_trimmed(self) -> None:
        assert rules.check_purpose("  核实警情 ") == "核实警情"

    @pytest.mark.parametrize("purpose", ["", "   ", "长" * 201])
    def test_must_be_stated(self, purpose: str) -> None:
        with pytest.raises(rules.PurposeMissingError):
            rules.check_purpose(purpose)
