"""A call for help and the kits beside it: they record together, and each ends for its own reason."""

import pytest
from playwright.sync_api import expect
from sqlmodel import select

from central.evidence.models import Recording
from central.incidents.models import Incident
from edge.spool import open_spool
from tests.journeys.conftest import make_part, site

pytestmark = [pytest.mark.journey, pytest.mark.browser]


def test_neighbours_record_with_a_call_for_help_and_stop_with_it(stand, page):
    caller, beside, own = (make_part(stand, f"dl-near-0{number}") for number in (1, 2, 3))
    for part in (caller, beside, own):
        stand.enrol_kit(part)
        stand.start_kit(part, segments={"record_at_start": False, "post_event_s": 1.0, "pre_event_s": 2.0})
    for part in (caller, beside, own):
        stand.wait_until(lambda part=part: read_state(stand, part, "last_fix"), f"a fix of {part.kit_id}")
        stand.wait_until(lambda part=part: has_marker(stand, part), f"{part.kit_id} to be on the map")
    assert stand.press(own.kit_id, "record")["recording_wanted"] is True
    stand.wait_until(lambda: is_recording(stand, own), "an officer's own recording")

    alarm_id = stand.press(caller.kit_id, "sos")["alarm_id"]
    for part in (caller, beside):
        stand.wait_until(lambda part=part: is_recording(stand, part), f"{part.kit_id} to record")
    assert read_state(stand, beside, "recording_wanted")["cause"] == "neighbour"

    # Whoever holds the caller's kit cannot end it while nobody has taken the call.
    assert stand.press(caller.kit_id, "record")["recording_wanted"] is False
    stand.wait_until(lambda: "until the centre" in read_state(stand, caller, "recorder_status")["note"], "the hold")
    with stand.store.read() as session:
        incident = session.exec(select(Incident).where(Incident.alarm_id == alarm_id)).one()
    page.goto(f"{site(stand)}/incidents/{incident.id}")
    expect(page.locator("#incident-steps")).to_contain_text("附近装备联动录像")
    page.locator("main").get_by_role("button", name="受理").click()
    stand.wait_until(lambda: not is_recording(stand, caller), "the caller's recording to end")
    assert is_recording(stand, beside)

    page.goto(f"{site(stand)}/incidents/{incident.id}")
    page.fill("#note", "现场已控制")
    page.get_by_role("button", name="以此办结").click()
    stand.wait_until(lambda: not is_recording(stand, beside), "the neighbour's recording to end")
    assert is_recording(stand, own), "an officer's own recording is nobody else's to stop"
    assert stand.press(own.kit_id, "record")["recording_wanted"] is False

    ends = {part.kit_id: None for part in (caller, beside, own)}

    def all_ended():
        with stand.store.read() as session:
            rows = session.exec(select(Recording).where(Recording.kit_id.in_(ends))).all()
        ends.update({row.kit_id: (row.cause, row.end_cause, row.together) for row in rows if row.closed_ms})
        return all(ends.values())

    stand.wait_until(all_ended, "every end at the centre")
    assert ends == {
        caller.kit_id: ("sos", "officer", ""),
        beside.kit_id: ("neighbour", "neighbour", alarm_id),
        own.kit_id: ("officer", "officer", ""),
    }
    for part in (caller, beside, own):
        stand.end_child(part.kit_id)


def read_state(stand, part, key):
    with open_spool(stand.stage.kit_dir(part) / "spool.db") as spool:
        return spool.state.get(key)


def is_recording(stand, part):
    return bool((read_state(stand, part, "recorder_status") or {}).get("recording"))


def has_marker(stand, part):
    from central.devices.queries import find_kit_ref, find_state

    with stand.store.read() as session:
        kit = find_kit_ref(session, part.kit_id)
        state = find_state(session, kit.kit_no) if kit else None
        return state is not None and state.lat is not None
