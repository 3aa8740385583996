import pytest

from central.base.errors import NotFoundError
from central.incidents import queries
from central.incidents import service as incidents
from central.incidents.models import Incident

pytestmark = pytest.mark.both_databases

ALARM_ID = "a" * 32


@pytest.fixture
def incident(store, clock, kit):
    with store.write() as uow:
        return incidents.open_incident(
            uow,
            Incident(
                kit_no=kit.kit_no,
                kit_id=kit.kit_id,
                court_code=kit.court_code,
                kind="sos",
                alarm_id=ALARM_ID,
                received_ms=clock.now_ms(),
                pressed_ms=clock.now_ms(),
            ),
            {},
        )


def kinds(store, actor, incident):
    with store.read() as session:
        return [entry.kind for entry in queries.list_timeline(session, actor, incident.id)]


def test_feeling_and_withdrawing_are_noted_once(store, clock, kit, operator, incident):
    first_ms = clock.now_ms()
    for _ in range(2):
        with store.write() as uow:
            found = incidents.find_incident_of_alarm(uow, kit.kit_no, ALARM_ID)
            incidents.mark_withdrawn(uow, found, {})
            incidents.note_felt(uow, kit, ALARM_ID, {})
        clock.advance(s=1)
    assert kinds(store, operator, incident) == ["opened", "withdrawn", "felt"]
    with store.read() as session:
        found = queries.get_incident(session, operator, incident.id)
    assert (found.withdrawn_ms, found.felt_ms) == (first_ms, first_ms)


def test_another_kits_receipt_is_not_this_incidents(store, kits, operator, incident):
    with store.write() as uow:
        assert incidents.note_felt(uow, kits["yb-2922-01"], ALARM_ID, {}) is None
    assert kinds(store, operator, incident) == ["opened"]


def test_an_act_on_what_never_was(store):
    with pytest.raises(NotFoundError), store.write() as uow:
        incidents.change_state(uow, "f" * 32, "acknowledge", by="x", note="")


def test_screens_get_plain_values(store, incident):
    described = queries.describe(incident)
    assert described["kit_id"] == "dl-2901-01"
    assert "kit_no" not in described
    assert all(isinstance(value, str | int | float | bool | None) for value in described.values())
