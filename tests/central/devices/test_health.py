"""How kits' words on their health are judged, kept by the hour, and sorted."""

from __future__ import annotations

import pytest
from sqlmodel import select

from central.base.errors import ForbiddenError
from central.base.outbox import KIT_CHANGED, OutboxEntry
from central.courts.permissions import Actor
from central.devices import service as devices
from central.devices.health import HOUR_MS, OF_WARNING, OLD_MS, ROWS, HealthLimits, judge_health
from central.devices.health_history import count_versions, list_fleet, list_hours, prune_hours
from central.devices.rules import DAY_MS
from contract.health import WARNINGS, Health

pytestmark = pytest.mark.both_databases

NOW_MS = 1_800_000_000_000
LIMITS = HealthLimits()
ADMIN = Actor("1", "guanli", "样例管理员", "system_admin", "云29")


def judge(limits=LIMITS, *, received_ms=NOW_MS, **health):
    return judge_health(health, now_ms=NOW_MS, received_ms=received_ms, limits=limits)


def test_every_warning_of_a_kit_has_its_place():
    assert {*OF_WARNING} == {*WARNINGS}
    assert {row for row, _ in OF_WARNING.values()} <= {*ROWS}


@pytest.mark.parametrize(
    ("health", "row", "tone", "codes"),
    [
        ({"battery_pct": 31}, "battery", "ok", ()),
        ({"battery_pct": 30}, "battery", "warn", ("battery_low",)),
        ({"battery_pct": 10}, "battery", "bad", ("battery_critical",)),
        ({"battery_pct": 5, "power": "charging"}, "battery", "ok", ()),
        ({"battery_pct": 25, "warnings": ["battery_critical"]}, "battery", "bad", ("battery_critical",)),
        ({}, "battery", "off", ()),
        ({"temp_c": 80}, "temperature", "bad", ("too_hot",)),
        ({"memory_pct": 92}, "memory", "warn", ("memory_low",)),
        ({"card": "ok"}, "card", "ok", ()),
        ({"card": "read_only", "warnings": ["card_read_only"]}, "card", "bad", ("card_read_only",)),
        ({"card_wear_pct": 110}, "wear", "bad", ("card_worn_out",)),
        ({"queue_segments": 300}, "segments", "warn", ("segments_many",)),
        ({"clock_source": "rtc", "clock_error_ms": 10_000}, "clock", "warn", ("clock_unsure",)),
        ({"certificate_until_ms": NOW_MS + 29 * DAY_MS}, "certificate", "warn", ("certificate_ending",)),
        ({"certificate_until_ms": NOW_MS - 1}, "certificate", "bad", ("certificate_ended",)),
        ({"warnings": ["of_a_newer_kit"]}, "programs", "warn", ("of_a_newer_kit",)),
    ],
)
def test_a_value_and_its_tone(health, row, tone, codes):
    found = judge(duty=True, **health).find(row)
    assert (found.tone, found.codes) == (tone, codes)


def test_limits_are_settable():
    assert judge(HealthLimits(battery_warn_pct=50), battery_pct=45).tone == "warn"


def test_an_old_report_is_old_and_none_is_none():
    assert not judge(received_ms=NOW_MS - OLD_MS, battery_pct=80).is_old
    assert judge(received_ms=NOW_MS - OLD_MS - 1, battery_pct=80).is_old
    nothing = judge_health(None, now_ms=NOW_MS, received_ms=None, limits=LIMITS)
    assert nothing.is_old and nothing.age_ms is None and nothing.tone == "off" and not nothing.needs_attention


def test_a_clock_that_differs_from_the_centre_s():
    view = judge_health({"duty": True}, now_ms=NOW_MS, received_ms=NOW_MS, limits=LIMITS, clock_offset_ms=-3_600_000)
    assert view.find("clock").codes == ("clock_wrong",)


def make_report(**values):
    facts = {"queue_outbox": 0, "queue_segments": 0, "free_bytes": 10**9, "vault_bytes": 0, "uptime_s": 60}
    return Health(recording=False, duty=True, version="0.3.0", **{**facts, **values})


def report(store, kit, clock, **values):
    with store.write() as uow:
        now_ms = clock.now_ms()
        devices.record_health(uow, kit, make_report(**values), at_ms=now_ms, received_ms=now_ms)


def test_the_worst_of_each_hour_is_kept(store, kits, clock):
    kit = kits["dl-2901-01"]
    clock.advance(ms=HOUR_MS - clock.now_ms() % HOUR_MS)
    report(store, kit, clock, battery_pct=60, temp_c=40, queue_segments=7, free_bytes=900)
    report(store, kit, clock, battery_pct=None, temp_c=55, queue_segments=2, free_bytes=800)
    report(store, kit, clock, battery_pct=80, temp_c=41, queue_segments=1, free_bytes=950)
    clock.advance(ms=HOUR_MS)
    report(store, kit, clock, battery_pct=20)
    with store.read() as session:
        hours = list_hours(session, ADMIN, "dl-2901-01", now_ms=clock.now_ms())
    assert [(row.battery_min_pct, row.temp_max_c, row.segments_max) for row in hours] == [(60, 55, 7), (20, None, 0)]
    clock.advance(ms=24 * HOUR_MS)
    with store.read() as session:
        assert len(list_hours(session, ADMIN, "dl-2901-01", now_ms=clock.now_ms())) == 0
    with store.write() as uow:
        assert prune_hours(uow, before_ms=hours[0].hour_ms) == 0
        assert prune_hours(uow, before_ms=clock.now_ms()) == 2


def test_the_fleet_worst_first_and_by_version(store, kits, clock):
    report(store, kits["dl-2901-01"], clock, battery_pct=90)
    report(store, kits["yb-2922-01"], clock, battery_pct=8, temp_c=75)
    with store.read() as session:
        lines = list_fleet(session, ADMIN, now_ms=clock.now_ms(), limits=LIMITS)
        assert [line.view.kit.kit_id for line in lines] == ["yb-2922-01", "dl-2901-01"]
        assert lines[0].health.codes == ("battery_critical", "hot")
        assert count_versions(lines) == [("0.3.0", 2)]
        county = Actor("2", "c", "样例", "duty_operator", "云2901")
        assert [
            line.view.kit.kit_id for line in list_fleet(session, county, now_ms=clock.now_ms(), limits=LIMITS)
        ] == ["dl-2901-01"]
        with pytest.raises(ForbiddenError):
            list_fleet(session, Actor("3", "j", "样例", "judge", "云29"), now_ms=clock.now_ms(), limits=LIMITS)


def test_screens_hear_of_a_new_warning(store, kits, clock):
    kit = kits["dl-2901-01"]
    report(store, kit, clock)
    report(store, kit, clock)
    report(store, kit, clock, warnings=["battery_low"])
    with store.read() as session:
        rows = session.exec(select(OutboxEntry).where(OutboxEntry.kind == KIT_CHANGED)).all()
    told = [row.payload["health"].get("warnings", []) for row in rows if row.payload["change"] == "health"]
    assert told[-2:] == [[], ["battery_low"]]
