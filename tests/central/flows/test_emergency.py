"""What is begun in an emergency calls the kits that it is about; any other is named one by one, with a reason."""

import pytest
from sqlmodel import select

from central.audit.models import AuditEntry
from central.command import queries, rules, service
from central.command.models import CommandRequest
from central.command.service import Terms
from central.courts.permissions import Actor
from central.devices import rules as devices_rules
from central.devices import service as devices
from central.devices.mailbox import put_directive
from central.devices.queries import find_kit_ref
from central.flows import command
from contract.messages import Fix
from contract.trust import KitEntry, Registry
from tests.central.flows.conftest import FIX

pytestmark = pytest.mark.both_databases
URL = "https://relay.test:8445"
LEADER = Actor("u6", "zhihui1", "样例县指挥长", "commander", "云2901")
METRE = 1 / 111_195
"""Degrees of latitude, near enough."""
CALLER, NEAR, FAR, OLD = "dl-2901-01", "dl-2901-02", "dl-2901-03", "dl-2901-04"
METRES = {CALLER: 0, NEAR: 900, FAR: 1100, OLD: 10}


@pytest.fixture
def crew(store, kits):
    """Four kits of one court: the caller, one near, one too far, one that was near two minutes ago."""
    entries = [
        KitEntry(kit_id=name, court_code="云2901", label="", officer="", serials=[f"c{no}"], revoked_serials=[])
        for no, name in enumerate(METRES)
    ]
    with store.write() as uow:
        devices.apply_registry(uow, Registry(epoch=2, issued_ms=1, kits=entries))
        for name, metres in METRES.items():
            at_ms = uow.now_ms - (120_000 if name == OLD else 0)
            kit = find_kit_ref(uow.session, name)
            fix = Fix(lat=FIX.lat + metres * METRE, lon=FIX.lon, fix_ms=at_ms)
            row = devices_rules.position_row(kit.kit_no, 1, 900, at_ms, fix, digest=b"x" * 8, received_ms=at_ms)
            devices.store_positions(uow, [row])
            devices.save_markers(uow, [row])
    with store.read() as session:
        return {name: find_kit_ref(session, name) for name in METRES}


def begin(store, actor, incident_id, *kits):
    with store.write() as uow:
        return command.begin_at_once(
            uow, actor, incident_id=incident_id, kits=kits, terms=Terms(reason="样例告急"), url=URL
        )


def add(store, actor, session, kit_id, reason=""):
    with store.write() as uow:
        return command.add_kit(uow, actor, session.id, kit_id, url=URL, reason=reason)


@pytest.mark.parametrize("stranger", [FAR, OLD])
def test_a_kit_that_the_sos_is_not_about_is_not_called_at_once(store, crew, raise_alarm, operator, stranger):
    incident_id = raise_alarm(of=crew[CALLER]).incident_id
    with pytest.raises(rules.EmergencyKitError) as told:
        begin(store, operator, incident_id, CALLER, NEAR, stranger)
    assert told.value.params == {"name": stranger}
    with store.read() as session:
        assert session.exec(select(CommandRequest)).all() == [], "refused as a whole"
    session = begin(store, operator, incident_id, CALLER, NEAR)
    with store.read() as reading:
        assert queries.find_open(reading, session.id).kits == (CALLER, NEAR)


def test_a_further_one_is_added_with_a_reason_that_is_on_record(store, crew, raise_alarm, operator):
    session = begin(store, operator, raise_alarm(of=crew[CALLER]).incident_id)
    add(store, operator, session, NEAR)  # the SOS is about it
    for reason in ("", "  "):
        with pytest.raises(rules.EmergencyKitError):
            add(store, operator, session, FAR, reason)
    with pytest.raises(rules.EmergencyKitError), store.write() as uow:  # nor by a door that asks nobody
        service.add_kit(uow, operator, session.id, FAR, url=URL)
    add(store, operator, session, FAR, "样例：携带破拆工具")
    with store.read() as reading:
        lines = [line for line in queries.list_entries(reading, session.id) if line.kind == "kit_joined"]
        audited = reading.exec(select(AuditEntry).where(AuditEntry.action == "command:session:add_kit")).all()
    assert [(line.detail["kit"], line.detail.get("reason")) for line in lines] == [
        (CALLER, None), (NEAR, None), (FAR, "样例：携带破拆工具"),
    ]  # fmt: skip
    assert [row.purpose for row in audited][-1] == "样例：携带破拆工具"


def test_once_ratified_only_who_decides_goes_further(store, crew, raise_alarm, operator):
    session = begin(store, operator, raise_alarm(of=crew[CALLER]).incident_id)
    with store.read() as reading:
        request = queries.get_session(reading, operator, session.id).request
    with store.write() as uow:
        command.ratify(uow, LEADER, request.id, verdict="confirmed", reason="")
    with pytest.raises(rules.DecisionError):
        add(store, operator, session, FAR, "样例：携带破拆工具")
    add(store, LEADER, session, FAR)


def test_who_works_on_the_same_task_s_case_is_of_it(store, crew, raise_alarm, operator):
    incident_id = raise_alarm(of=crew[CALLER]).incident_id
    with store.write() as uow:
        for kit_id, case_no in ((CALLER, 1), (FAR, 1), (OLD, 2)):
            body = {"title": "样例任务", "case_no": f"（2026）云2901执{case_no}号"}
            put_directive(uow, crew[kit_id], kind="task", body=body)
    with pytest.raises(rules.EmergencyKitError):
        begin(store, operator, incident_id, CALLER, OLD)
    begin(store, operator, incident_id, CALLER, FAR)


def test_who_records_together_with_it_is_of_it_wherever_he_has_gone(store, crew, raise_alarm, operator, clock):
    incident_id = raise_alarm(of=crew[CALLER], radius_m=1000).incident_id
    clock.advance(ms=120_000)  # nobody's fix is new enough any more
    begin(store, operator, incident_id, CALLER, NEAR)


def test_a_commander_decides_and_is_not_bound(store, crew, raise_alarm):
    begin(store, LEADER, raise_alarm(of=crew[CALLER]).incident_id, CALLER, FAR)


def test_an_officer_s_wish_is_about_his_own_kit(store, crew, raise_alarm, operator):
    raise_alarm("watch_me", of=crew[CALLER], alarm_id="c" * 32)
    with store.read() as session:
        [view] = command.list_watch_me(session, operator)
    with store.write() as uow:
        session = command.answer_watch_me(uow, operator, view.request.id, terms=Terms(), url=URL)
    with pytest.raises(rules.EmergencyKitError):
        add(store, operator, session, OLD)
    add(store, operator, session, NEAR)
