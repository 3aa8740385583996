import pytest

from central.base.errors import InvalidInputError
from central.devices import rules
from contract.messages import Fix

NOW = 1_795_500_000_000
YEAR_MS = 365 * 24 * 3600 * 1000


@pytest.mark.parametrize(
    ("silent_s", "changes", "state", "reason"),
    [
        (0, {}, "live", "heard"),
        (7, {}, "live", "heard"),
        (8, {}, "late", "delayed"),
        (60, {}, "late", "delayed"),
        (61, {}, "stale", "link_lost"),
        (600, {}, "stale", "link_lost"),
        (601, {}, "dark", "silent"),
        (601, {"duty": False}, "dark", "off_duty"),
        (3, {"duty": False}, "live", "off_duty"),
        (3, {"gps": "none"}, "live", "no_fix"),
        (3, {"has_fix": False}, "live", "no_fix"),
        (3, {"revoked": True}, "dark", "revoked"),
        (-30, {}, "live", "heard"),
    ],
)
def test_presence(silent_s, changes, state, reason):
    values = {"revoked": False, "duty": True, "gps": "fix", "has_fix": True}
    view = rules.judge_presence(now_ms=NOW, last_heard_ms=NOW - silent_s * 1000, **{**values, **changes})
    assert (view.state, view.reason) == (state, reason)


@pytest.mark.parametrize(
    ("silent_s", "word", "gone_s", "changes", "state", "reason"),
    [
        (2, "up", 100, {}, "live", "heard"),
        (2, "lost", 100, {}, "live", "heard"),  # heard again since, by whatever session
        (2, "lost", 2, {}, "stale", "link_lost"),  # the end of a session counts at once
        (700, "lost", 690, {}, "dark", "silent"),
        (700, "lost", 690, {"duty": False}, "dark", "off_duty"),
        (2, "lost", 2, {"battery_pct": 3.0}, "stale", "battery_empty"),
        (30, "up", 100, {"battery_pct": 3.0}, "late", "delayed"),
        (90, "up", 100, {"battery_pct": 3.0}, "stale", "battery_empty"),
        (2, "switched_off", 1, {}, "dark", "switched_off"),
        (9000, "switched_off", 9000, {}, "dark", "switched_off"),
        (2, "battery_empty", 1, {}, "dark", "battery_empty"),
        (2, "restarting", 1, {}, "late", "restarting"),
        (32, "restarting", 31, {}, "stale", "link_lost"),
        (20, "up", 100, {"is_deaf": True}, "late", "centre_deaf"),
        (100, "up", 100, {"is_deaf": True}, "stale", "centre_deaf"),
        (2, "lost", 1, {"is_deaf": True}, "stale", "link_lost"),  # the broker said it before the intake fell silent
        (2, "lost", 1, {"revoked": True}, "dark", "revoked"),
    ],
)
def test_presence_by_what_was_last_said_of_the_session(silent_s, word, gone_s, changes, state, reason):
    values = {"revoked": False, "duty": True, "gps": "fix", "has_fix": True, **changes}
    link = rules.LinkWord(word, NOW - gone_s * 1000)
    view = rules.judge_presence(now_ms=NOW, last_heard_ms=NOW - silent_s * 1000, link=link, **values)
    assert (view.state, view.reason) == (state, reason)


def test_never_heard():
    view = rules.judge_presence(now_ms=NOW, last_heard_ms=None, revoked=False, duty=None, gps="", has_fix=False)
    assert (view.state, view.reason, view.since_ms) == ("dark", "never_heard", None)


@pytest.mark.parametrize(
    ("fix_ms", "at_ms", "expected"),
    [
        (NOW - 5000, NOW, NOW - 5000),
        (None, NOW - 7000, NOW - 7000),
        (NOW - 24 * 3600_000, NOW, NOW - 24 * 3600_000),  # a day offline is no error
        (None, NOW + YEAR_MS, NOW),
        (None, NOW - 8 * YEAR_MS, NOW),
        (0, NOW, NOW),
        (NOW - 1024 * 7 * 24 * 3600_000, NOW, NOW),  # a receiver past its week rollover
    ],
)
def test_a_wrong_clock_does_not_move_a_fix_out_of_the_trail(fix_ms, at_ms, expected):
    assert rules.trail_time_ms(fix_ms, at_ms, NOW) == expected


def test_the_row_follows_the_columns_of_the_table():
    from central.devices.models import Position

    assert list(rules.PositionRow._fields) == [column.name for column in Position.__table__.columns]
    fix = Fix(lat=25.6, lon=100.2, fix_ms=NOW, alt_m=1.0, speed_mps=2.0, course_deg=3.0, accuracy_m=4.0, suspect="s")
    row = rules.position_row(1, 2, 3, NOW + 5, fix, digest=b"d", received_ms=NOW + 9)
    assert row._asdict() == {
        "kit_no": 1,
        "spool_no": 2,
        "seq": 3,
        "digest": b"d",
        "trail_ms": NOW,
        "received_ms": NOW + 9,
        "at_ms": NOW + 5,
        "fix_ms": NOW,
        "lat": 25.6,
        "lon": 100.2,
        "mode": 3,
        "alt_m": 1.0,
        "speed_mps": 2.0,
        "course_deg": 3.0,
        "accuracy_m": 4.0,
        "source": "gpsd",
        "suspect": "s",
    }


def test_digests_tell_items_apart():
    a, b = Fix(lat=25.6, lon=100.2), Fix(lat=25.600001, lon=100.2)
    assert rules.digest_fix(1, a) == rules.digest_fix(1, Fix(lat=25.6, lon=100.2))
    assert len({rules.digest_fix(1, a), rules.digest_fix(2, a), rules.digest_fix(1, b)}) == 3
    assert len(rules.digest_item(b"x")) == 8


@pytest.mark.parametrize(
    ("current", "reported", "after"),
    [
        ("waiting", "received", "received"),
        ("received", "felt", "felt"),
        ("felt", "received", "felt"),
        ("felt", "done", "done"),
        ("done", "received", "done"),
        ("done", "felt", "felt"),
        ("accepted", "felt", "accepted"),
        ("failed", "felt", "failed"),
        ("expired", "received", "received"),
        ("waiting", "nonsense", "waiting"),
    ],
)
def test_mailbox_states_only_go_on(current, reported, after):
    assert rules.next_mailbox_state(current, reported) == after


def test_a_task_that_is_done_stays_done():
    assert rules.next_mailbox_state("done", "felt", "task") == "done"
    assert rules.next_mailbox_state("done", "felt", "sos_ack") == "felt"
    assert rules.next_mailbox_state("refused", "accepted", "task") == "accepted"


def test_unknown_directives_are_refused():
    with pytest.raises(InvalidInputError, match="sos_ack"):
        rules.check_directive_kind("self_destruct")
