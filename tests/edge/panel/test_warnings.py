"""Trouble with card and camera is felt, once, and not felt again by a panel that was started anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.options import PanelSettings
from edge.panel.feedback import NoOutputs
from edge.panel.panel import Panel
from edge.spool import Spool, open_spool
from tests.fakes.hand import Clocks


class Officer:
    """What the officer of one kit feels."""

    def __init__(self, spool: Spool) -> None:
        self.spool, self.clocks = spool, Clocks()
        self.panel = self.make_panel()

    def make_panel(self) -> Panel:
        return Panel(self.spool, PanelSettings(), NoOutputs(), self.clocks.panel_clock())

    def feel(self, key: str, value: object) -> list[str]:
        before = len(self.panel.played)
        self.spool.state.set(key, value)
        self.panel.attend()
        return [entry["pattern"] for entry in self.panel.played[before:]]


@pytest.fixture
def officer(tmp_path: Path) -> Iterator[Officer]:
    with open_spool(tmp_path / "spool.db") as spool:
        yield Officer(spool)


def test_each_worse_level_of_storage_is_felt_once(officer: Officer) -> None:
    felt = [officer.feel("storage_level", {"level": level}) for level in ("low", "low", "critical", "low", "full")]
    assert felt == [["little_room"], [], ["little_room"], [], ["little_room"]]


def test_a_card_in_trouble_is_felt_and_its_recovery_is_not(officer: Officer) -> None:
    assert officer.feel("card", {"state": "slow"}) == ["little_room"]
    assert officer.feel("card", {"state": "ok"}) == []
    assert officer.feel("card", {"state": "slow"}) == ["little_room"]


def test_a_recording_that_stops_although_it_is_wanted_is_felt_loudly(officer: Officer) -> None:
    officer.feel("recording_wanted", {"on": True, "cause": "officer", "by": "button"})
    assert officer.feel("recorder_status", {"state": "recording"}) == []
    assert officer.feel("recorder_status", {"state": "storage_full"}) == ["recording_lost"]
    assert officer.feel("recorder_status", {"state": "storage_full", "note": "still"}) == []
    assert officer.feel("recorder_status", {"state": "camera_fault"}) == ["recording_lost"]


def test_a_kit_that_is_not_to_record_says_nothing_of_its_camera(officer: Officer) -> None:
    assert officer.feel("recorder_status", {"state": "camera_fault"}) == []


def test_a_panel_started_anew_does_not_repeat_it(officer: Officer) -> None:
    officer.feel("storage_level", {"level": "critical"})
    officer.panel = officer.make_panel()
    assert officer.feel("storage_level", {"level": "critical"}) == []
    assert officer.feel("storage_level", {"level": "full"}) == ["little_room"]
