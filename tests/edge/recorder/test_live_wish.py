"""While a session of remote command is on, the kit records; after it only what somebody else wants goes on."""

from __future__ import annotations

from edge.recorder.moment import Moment
from edge.recorder.wish import Live, Sos, Wish, Wishes, settle

NOW = Moment(1_800_000_000_000, 500_000)
SESSION = Live("a" * 32, "样本指挥")


def settled(**facts: object) -> Wishes:
    said = {"recording": Wish(), "sos": None, "mark": None, "on_duty": False, **facts}
    return settle(Wishes(**said), NOW, boot="boot", hold_ms=1_000_000)  # type: ignore[arg-type]


def test_a_session_starts_the_recording_also_off_duty() -> None:
    assert settled(live=SESSION).recording == Wish(on=True, cause="live", by="样本指挥")


def test_a_recording_of_another_cause_keeps_it() -> None:
    own = Wish(on=True, cause="officer", by="button")
    assert settled(live=SESSION, recording=own).recording == own


def test_neither_button_nor_centre_stops_it_before_the_session_ends() -> None:
    for cause in ("officer", "centre"):
        assert settled(live=SESSION, recording=Wish(on=False, cause=cause)).recording.cause == "live"
        assert not settled(recording=Wish(on=False, cause=cause)).recording.on


def test_an_sos_that_holds_goes_before() -> None:
    sos = Sos("b" * 32, NOW.wall_ms, "boot", NOW.monotonic_ms - 10)
    wishes = settled(live=SESSION, sos=sos)
    assert wishes.held and wishes.recording.cause == "sos"


def test_a_lost_kit_records_nothing() -> None:
    assert not settled(live=SESSION, lost=True).recording.on


def test_desk_records_the_session_and_a_while_longer(make_desk) -> None:
    desk = make_desk(segments={"pre_event_s": 0})
    desk.spool.state.set("live_sessions", [{"session": "a" * 32, "by": "样本指挥"}])
    desk.turn(rung=True)
    desk.shoot(30)
    opening = desk.chain()[0].extra
    # An order's name is a person's: it stands under the encryption, not in the open record.
    assert (opening["cause"], opening["by"]) == ("live", "live")
    desk.spool.state.set("live_sessions", [])
    desk.want(on=False, cause="live")
    desk.shoot(10)
    assert desk.status["recording"]
    desk.clocks.advance(31_000)
    desk.turn()
    assert (desk.chain()[-1].kind.name, desk.chain()[-1].cause) == ("FINAL", "live")
