"""What runs for a neighbour's call becomes the officer's own by his hand or by his own call for help."""

import pytest

from edge.options import PanelSettings
from edge.panel.gestures import Act
from edge.panel.panel import Panel
from edge.spool import open_spool
from tests.edge.test_officer_cannot_delete import Silent
from tests.fakes.hand import Clocks

BESIDE = {"on": True, "cause": "neighbour", "by": "SOS dl-2901-02", "together": "a" * 32, "calls": ["a" * 32]}


@pytest.fixture
def spool(tmp_path):
    with open_spool(tmp_path / "spool.db") as opened:
        opened.state.set("recording_wanted", BESIDE)
        opened.state.set("recorder_status", {"state": "recording", "recording": True, "recording_id": "b" * 32})
        yield opened


@pytest.fixture
def panel(spool):
    return Panel(spool, PanelSettings(), Silent(), Clocks().panel_clock())


def test_switched_on_by_hand_it_is_his_own(spool, panel):
    panel.perform(Act.RECORD_ON, by="slide")
    assert spool.state.get("recording_wanted") == {"on": True, "cause": "officer", "by": "slide"}


def test_his_own_call_for_help_takes_it_over_in_the_same_recording(spool, panel):
    told = panel.perform(Act.SOS, by="button")
    wanted = spool.state.get("recording_wanted")
    assert (wanted["cause"], wanted["alarm_id"], wanted["recording_id"]) == ("sos", told["alarm_id"], "b" * 32)


def test_a_recording_of_his_own_stays_what_it_is(spool, panel):
    own = {"on": True, "cause": "officer", "by": "button"}
    spool.state.set("recording_wanted", own)
    panel.perform(Act.RECORD_ON, by="slide")
    panel.perform(Act.SOS, by="button")
    assert spool.state.get("recording_wanted") == own
