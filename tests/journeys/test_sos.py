"""The SOS journey: a thumb at the kit, an operator at the screen, and back into the officer's hand."""

import json

import pytest
from playwright.sync_api import expect
from sqlmodel import select

from central.audit.models import AuditEntry
from central.devices.models import Kit, KitState
from central.incidents.models import Incident, IncidentEntry
from edge.spool import open_spool
from tests.journeys.conftest import make_part, site
from tests.waiting import wait_until

pytestmark = [pytest.mark.journey, pytest.mark.browser]


def test_an_sos_is_seen_taken_and_felt(stand, page):
    part = make_part(stand, "dl-sos-01")
    stand.enrol_kit(part)
    stand.start_kit(part, segments={"record_at_start": False})
    stand.wait_until(lambda: read_state(stand, part, "last_fix"), "the first fix")
    stand.wait_until(lambda: is_heard(stand, part), "the kit to be heard")

    alarm_id = stand.press(part.kit_id, "sos")["alarm_id"]

    # The operator sees it without touching anything.
    alarm = page.locator("#alarms li.alarm.open", has_text=part.kit_id)
    expect(alarm).to_be_visible(timeout=10_000)
    incident = find_incident(stand, alarm_id)
    assert incident.lat is not None, "an SOS carries the kit's last fix"
    # The kit has the centre's receipt and has begun to record, bound to the alarm.
    stand.wait_until(lambda: (read_state(stand, part, "sos") or {}).get("receipted"), "the centre's receipt")
    stand.wait_until(lambda: (read_state(stand, part, "recorder_status") or {}).get("recording"), "recording")

    alarm.get_by_role("button", name="受理").click()
    felt = page.locator("#alarms li.alarm", has_text=part.kit_id).locator("[data-felt=yes]")
    expect(felt).to_be_visible(timeout=15_000)

    page.goto(f"{site(stand)}/incidents/{incident.id}")
    expect(page.locator("body")).to_contain_text("已被警官感知")
    kinds = timeline_kinds(stand, incident.id)
    assert [kinds.index(kind) for kind in ("opened", "acknowledged", "felt")] == sorted(
        kinds.index(kind) for kind in ("opened", "acknowledged", "felt")
    )
    with stand.store.read() as session:
        actions = {event.action for event in session.exec(select(AuditEntry)) if incident.id in event.subject}
    assert any("acknowledge" in action for action in actions), actions
    stand.end_child(part.kit_id)


def test_a_withdrawn_sos_stays_and_is_marked(stand, page):
    part = make_part(stand, "dl-sos-02")
    stand.enrol_kit(part)
    stand.start_kit(part, segments={"record_at_start": False})
    alarm_id = stand.press(part.kit_id, "sos")["alarm_id"]
    assert stand.press(part.kit_id, "withdraw") == {"done": "withdraw", "alarm_id": alarm_id}
    alarm = page.locator("#alarms li.alarm", has_text=part.kit_id)
    expect(alarm).to_contain_text("警官已撤回", timeout=15_000)
    incident = find_incident(stand, alarm_id)
    assert incident.state == "open", "a withdrawal never closes what a person has not looked at"
    stand.end_child(part.kit_id)


def test_an_sos_pressed_in_darkness_arrives_with_its_own_time(stand, page):
    """The kit is cut off when the officer presses; nothing is lost, and the press keeps its time."""
    part = make_part(stand, "dl-sos-03")
    stand.enrol_kit(part)
    dead = {"mqtt": {"host": "127.0.0.1", "port": 9}}
    stand.start_kit(part, segments={"record_at_start": False}, **dead)
    alarm_id = stand.press(part.kit_id, "sos")["alarm_id"]
    pressed_ms = read_state(stand, part, "sos")["pressed_ms"]
    stand.end_child(part.kit_id)
    with open_spool(stand.stage.kit_dir(part) / "spool.db") as spool:
        waiting = [entry for entry in spool.outbox.pending(50) if entry.kind == "alarm"]
    assert alarm_id in {json.loads(entry.body)["alarm_id"] for entry in waiting}

    stand.start_kit(part, segments={"record_at_start": False})
    expect(page.locator("#alarms li.alarm", has_text=part.kit_id)).to_be_visible(timeout=30_000)
    assert find_incident(stand, alarm_id).pressed_ms == pressed_ms
    # The kit learns the centre's time, says in its health what it believes, and the centre then is sure to a second.
    known = wait_until(lambda: find_sure_incident(stand, alarm_id), 40, "the press is told to a second")
    assert known.happened_by in {"centre", "ntp"}
    assert abs(known.happened_ms - pressed_ms) <= known.happened_error_ms + 50
    stand.end_child(part.kit_id)


def find_sure_incident(stand, alarm_id):
    incident = find_incident(stand, alarm_id)
    return incident if incident.happened_error_ms is not None and incident.happened_error_ms <= 1_000 else None


def read_state(stand, part, key):
    with open_spool(stand.stage.kit_dir(part) / "spool.db") as spool:
        return spool.state.get(key)


def is_heard(stand, part):
    with stand.store.read() as session:
        kit = session.exec(select(Kit).where(Kit.kit_id == part.kit_id)).first()
        state = session.get(KitState, kit.kit_no) if kit else None
    return state is not None and state.last_heard_ms is not None


def find_incident(stand, alarm_id):
    found = []

    def look():
        with stand.store.read() as session:
            found[:] = session.exec(select(Incident).where(Incident.alarm_id == alarm_id)).all()
        return bool(found)

    stand.wait_until(look, "the incident", timeout_s=30)
    assert len(found) == 1
    return found[0]


def timeline_kinds(stand, incident_id):
    with stand.store.read() as session:
        rows = session.exec(select(IncidentEntry).where(IncidentEntry.incident_id == incident_id)).all()
    return [row.kind for row in sorted(rows, key=lambda row: row.id)]
