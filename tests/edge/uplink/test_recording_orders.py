"""An order of the centre or of a neighbour's call: what it changes, and what it leaves alone."""

import pytest

from contract.orders import RecordOrder
from edge.spool import open_spool
from edge.uplink.recording_orders import obey_record_order

A, B = "a" * 32, "b" * 32
OWN = {"on": True, "cause": "officer", "by": "button"}


@pytest.fixture
def spool(tmp_path):
    with open_spool(tmp_path / "spool.db") as opened:
        yield opened


def order(spool, *, on, call=None):
    return obey_record_order(spool, RecordOrder(cause="SOS dl-2901-02", by="", for_alarm=call), on=on)


def wanted(spool):
    return spool.state.get("recording_wanted")


class TestStart:
    def test_a_persons_order_counts_at_once(self, spool):
        spool.state.set("recording_wanted", OWN)
        order(spool, on=True)
        assert wanted(spool) == {"on": True, "cause": "centre", "by": "SOS dl-2901-02"}

    def test_a_neighbours_call_starts_an_idle_kit(self, spool):
        assert order(spool, on=True, call=A) == "handed to the recorder"
        assert wanted(spool) == {
            "on": True, "cause": "neighbour", "by": "SOS dl-2901-02", "together": A, "calls": [A],
        }  # fmt: skip

    @pytest.mark.parametrize("cause", ["officer", "sos", "centre", "start"])
    def test_it_leaves_a_running_recording_alone(self, spool, cause):
        spool.state.set("recording_wanted", {**OWN, "cause": cause})
        assert order(spool, on=True, call=A) == "already recording, for another reason"
        assert wanted(spool) == {**OWN, "cause": cause}

    def test_repeated_it_changes_nothing(self, spool):
        order(spool, on=True, call=A)
        before = wanted(spool)
        assert order(spool, on=True, call=A) == "already recording for this call"
        assert wanted(spool) == before


class TestStop:
    def test_the_call_that_started_it_ends_it(self, spool):
        order(spool, on=True, call=A)
        assert order(spool, on=False, call=A) == "handed to the recorder"
        assert wanted(spool) == {"on": False, "cause": "neighbour", "by": "SOS dl-2901-02"}

    def test_two_calls_at_once_both_have_to_end(self, spool):
        order(spool, on=True, call=A)
        order(spool, on=True, call=B)
        assert order(spool, on=False, call=A) == "goes on for another call"
        assert wanted(spool)["on"] is True
        order(spool, on=False, call=B)
        assert wanted(spool)["on"] is False

    @pytest.mark.parametrize("cause", ["officer", "centre", "start"])
    def test_an_officers_own_recording_is_never_ended_by_it(self, spool, cause):
        order(spool, on=True, call=A)
        spool.state.set("recording_wanted", {**OWN, "cause": cause})
        assert "another reason" in order(spool, on=False, call=A)
        assert wanted(spool) == {**OWN, "cause": cause}

    def test_another_call_ends_nothing(self, spool):
        order(spool, on=True, call=A)
        order(spool, on=False, call=B)
        assert wanted(spool)["on"] is True

    def test_an_sos_of_the_kit_itself_ends_with_its_own_call_only(self, spool):
        own = {"on": True, "cause": "sos", "by": "button", "alarm_id": A, "recording_id": B}
        spool.state.set("recording_wanted", own)
        order(spool, on=False, call=B)
        assert wanted(spool) == own
        order(spool, on=False, call=A)
        assert (wanted(spool)["on"], wanted(spool)["cause"]) == (False, "centre")

    def test_a_person_may_always_stop_it(self, spool):
        spool.state.set("recording_wanted", OWN)
        order(spool, on=False)
        assert (wanted(spool)["on"], wanted(spool)["cause"]) == (False, "centre")
