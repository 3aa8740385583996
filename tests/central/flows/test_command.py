"""Remote command from an SOS, a task, an officer's press; emergencies; what kits answer."""

from datetime import date

import pytest

from central.base.errors import ForbiddenError, NotFoundError
from central.cases.models import CaseRecusal, EnforcementCase
from central.command import queries, rules, service, session_rights
from central.command.service import Ask, Terms
from central.courts.permissions import Actor
from central.devices.mailbox import put_directive
from central.devices.task_rules import TaskDraft
from central.flows import acknowledge, command, felt, tasks
from central.incidents import queries as incidents
from central.people.models import User
from contract.messages import CommandReceipt

pytestmark = pytest.mark.both_databases
URL = "https://relay.test:8445"
LEADER = Actor("u6", "zhihui1", "样例县指挥长", "commander", "云2901")


def begin_at_once(store, actor, incident_id, **terms):
    with store.write() as uow:
        return command.begin_at_once(uow, actor, incident_id=incident_id, kits=[], terms=Terms(**terms), url=URL)


def test_an_open_sos_is_watched_at_once_and_ratified_afterwards(store, raise_alarm, operator, clock):
    incident_id = raise_alarm().incident_id
    session = begin_at_once(store, operator, incident_id)
    with store.read() as reading:
        view = queries.get_session(reading, operator, session.id)
        timeline = incidents.list_timeline(reading, operator, incident_id)
        assert queries.find_open(reading, session.id).kind == "emergency"
    assert (view.decision.kind, view.decision.ratify_due_ms) == ("emergency", clock.now_ms() + 86_400_000)
    assert (timeline[-1].kind, timeline[-1].detail) == ("command", {"session": session.id})
    with store.write() as uow:  # his own numbered orders, because it is an emergency
        service.give_order(uow, operator, session.id, "原地待援")
    with store.write() as uow:
        command.ratify(uow, LEADER, view.request.id, verdict="confirmed", reason="样例：情况属实")
    with store.read() as reading:
        assert queries.find_open(reading, session.id) is not None
        assert [line.kind for line in queries.list_entries(reading, session.id)][-1] == "ratified"


def test_what_is_disapproved_ends_at_once(store, raise_alarm, operator):
    session = begin_at_once(store, operator, raise_alarm().incident_id)
    with store.read() as reading:
        request = queries.get_session(reading, operator, session.id).request
    with store.write() as uow:
        command.ratify(uow, LEADER, request.id, verdict="disapproved", reason="样例：误触")
    with store.read() as reading:
        assert queries.find_open(reading, session.id) is None
        assert [line.kind for line in queries.list_entries(reading, session.id)][-3:] == [
            "ratified", "kit_left", "ended",
        ]  # fmt: skip


def test_a_commander_needs_no_ratification(store, raise_alarm, commander):
    session = begin_at_once(store, commander, raise_alarm().incident_id)
    with store.read() as reading:
        decision = queries.get_session(reading, commander, session.id).decision
    assert (decision.kind, decision.ratify_due_ms, decision.court_code) == ("own_motion", None, "云29")


def test_no_emergency_without_an_sos_that_goes_on(store, raise_alarm, operator, neighbour):
    fault = raise_alarm("fault", alarm_id="b" * 32).incident_id
    with pytest.raises(rules.NoEmergencyError):
        begin_at_once(store, operator, fault)
    sos = raise_alarm().incident_id
    with pytest.raises(NotFoundError):
        begin_at_once(store, neighbour, sos)
    with pytest.raises(ForbiddenError):
        begin_at_once(store, Actor("u", "x", "样例", "bureau_chief", "云2901"), sos)
    with store.write() as uow:
        acknowledge.acknowledge_incident(uow, LEADER, sos)
        acknowledge.close_incident(uow, LEADER, sos, "样例：处置完毕")
    with pytest.raises(rules.NoEmergencyError):
        begin_at_once(store, operator, sos)


def waiting(store, actor):
    with store.read() as session:
        return [view.request for view in command.list_watch_me(session, actor)]


def test_an_officer_asks_to_be_watched_and_is(store, raise_alarm, operator, commander, kit):
    assert raise_alarm("watch_me", alarm_id="c" * 32).incident_id is None
    raise_alarm("watch_me", alarm_id="c" * 32)  # resent until it is receipted
    [request] = waiting(store, operator)
    assert (request.requested_by, request.kits, request.ground_ref) == (f"kit:{kit.kit_id}", [kit.kit_id], "c" * 32)
    assert [row.id for row in waiting(store, commander)] == [request.id]
    with store.write() as uow:
        session = command.answer_watch_me(uow, operator, request.id, terms=Terms(), url=URL)
    with store.read() as reading:
        assert queries.get_session(reading, operator, session.id).decision.kind == "emergency"
    assert waiting(store, operator) == []
    with pytest.raises(rules.RequestStateError), store.write() as uow:
        command.answer_watch_me(uow, LEADER, request.id, terms=Terms(), url=URL)


def test_a_superior_answers_where_the_own_court_does_not(store, raise_alarm, commander, neighbour):
    raise_alarm("watch_me", alarm_id="c" * 32)
    [request] = waiting(store, commander)
    with pytest.raises(NotFoundError), store.write() as uow:
        command.answer_watch_me(uow, neighbour, request.id, terms=Terms(), url=URL)
    with store.write() as uow:
        session = command.answer_watch_me(uow, commander, request.id, terms=Terms(), url=URL)
    with store.read() as reading:
        view = queries.get_session(reading, commander, session.id)
    assert (view.session.court_code, view.session.requesting_court) == ("云29", "云2901")
    assert view.decision.kind == "ordinary"


def test_withdrawn_by_a_second_press_also_when_that_comes_first(store, raise_alarm, operator):
    raise_alarm("watch_me", alarm_id="c" * 32)
    raise_alarm("watch_me_withdrawn", alarm_id="c" * 32)
    assert waiting(store, operator) == []
    raise_alarm("watch_me_withdrawn", alarm_id="d" * 32)
    raise_alarm("watch_me", alarm_id="d" * 32)
    assert waiting(store, operator) == []


def test_what_nobody_asked_on_his_kit_is_no_emergency(store, kits, operator):
    with store.write() as uow:
        request = command.ask_command(uow, operator, Ask(["dl-2901-01"], "样例"))
    with pytest.raises(rules.NoEmergencyError), store.write() as uow:
        command.answer_watch_me(uow, operator, request.id, terms=Terms(), url=URL)
    with pytest.raises(rules.CommandDraftError), store.write() as uow:
        command.ask_command(uow, operator, Ask(["dl-2901-01"], "样例", ground="watch_me"))


def test_grounds_are_looked_up(store, raise_alarm, operator, kit, clock):
    incident_id = raise_alarm().incident_id
    with store.write() as uow:
        entry = tasks.assign_task(uow, operator, kit.kit_id, TaskDraft("样例任务"))
    with store.read() as session:
        now_ms = clock.now_ms()
        found = command.propose(session, operator, incident_id=incident_id, now_ms=now_ms)
        assert (found.ground, found.kits, found.is_emergency) == ("incident", (kit.kit_id,), True)
        found = command.propose(session, operator, task=f"{kit.kit_id}/{entry.number}", now_ms=now_ms)
        assert (found.ground, found.kits, found.is_emergency) == ("task", (kit.kit_id,), False)
        assert command.propose(session, operator, kit_id=kit.kit_id, now_ms=now_ms).is_emergency
        with pytest.raises(NotFoundError):
            command.propose(session, operator, task=f"{kit.kit_id}/x", now_ms=now_ms)
    for ground, ref in (("incident", "0" * 32), ("task", f"{kit.kit_id}/99")):
        with pytest.raises(NotFoundError), store.write() as uow:
            command.ask_command(uow, operator, Ask([kit.kit_id], "样例", ground, ref))


def test_a_session_for_a_case_s_task_is_shut_to_who_is_recused_from_it(store, kits, operator, commander, kit, clock):
    case = EnforcementCase(
        case_no="（2026）云2901执1号", court_code="云2901", type_code="执", year=2026, seq=1, state="active",
        filed_on=date(2026, 1, 5), filed_day=1, source="x", created_ms=1, changed_ms=1,
    )  # fmt: skip
    with store.write() as uow:
        uow.session.add(case)
        entry = put_directive(uow, kit, kind="task", body={"title": "样例", "case_no": case.case_no})
    task = f"{kit.kit_id}/{entry.number}"
    with store.write() as uow:
        request = command.ask_command(uow, operator, Ask([kit.kit_id], "样例", "task", task))
    leader = LEADER
    with store.write() as uow:
        service.grant_request(uow, leader, request.id, Terms())
    with store.write() as uow:
        session = command.begin_session(uow, leader, request.id, url=URL)
    with store.read() as reading:
        assert session_rights.may_watch(operator, queries.find_open(reading, session.id))
    with store.write() as uow:
        uow.session.add(
            User(id=operator.user_id, login=operator.login, name=operator.name, role="duty_operator",
                 court_code="云2901", password_hash="", created_ms=1)
        )  # fmt: skip
        uow.session.flush()
        uow.session.add(
            CaseRecusal(case_id=case.case_id, user_id=operator.user_id, reason="样例", set_by="x", set_ms=1)
        )
    with store.read() as reading:
        open_ = queries.find_open(reading, session.id)
        assert (session_rights.may_watch(operator, open_), session_rights.may_talk(operator, open_)) == (False, False)
        assert session_rights.may_watch(leader, open_)
        assert queries.list_sessions(reading, operator) == []
        with pytest.raises(NotFoundError):
            queries.get_session(reading, operator, session.id)
        with pytest.raises(NotFoundError):
            command.propose(reading, operator, task=task, now_ms=clock.now_ms())
    with pytest.raises(NotFoundError), store.write() as uow:
        command.ask_command(uow, operator, Ask([kit.kit_id], "样例", "task", task))


def test_what_the_kit_says_of_its_call_is_on_record(store, raise_alarm, operator, kit):
    session = begin_at_once(store, operator, raise_alarm().incident_id)
    for state in ("received", "felt", "done", "done"):
        with store.write() as uow:
            receipt = CommandReceipt(number=1, state=state, at_ms=5, note="样例")
            felt.receive_command_receipt(uow, kit, receipt)
    with store.read() as reading:
        told = [line for line in queries.list_entries(reading, session.id) if line.kind == "told"]
        view = queries.get_session(reading, operator, session.id)
        assert queries.list_calls(reading, view, now_ms=store.clock.now_ms())[kit.kit_no].state == "done"
    assert [(line.actor, line.detail["state"]) for line in told] == [
        (f"kit:{kit.kit_id}", "felt"), (f"kit:{kit.kit_id}", "done"),
    ]  # fmt: skip
    assert told[0].detail["kit_at_ms"] == 5


def test_a_call_that_nobody_hears_is_over_after_a_minute(store, raise_alarm, operator, kit, clock):
    session = begin_at_once(store, operator, raise_alarm().incident_id)
    with store.read() as reading:
        view = queries.get_session(reading, operator, session.id)
        assert queries.list_calls(reading, view, now_ms=clock.now_ms() + 60_000)[kit.kit_no].state == "waiting"
        assert queries.list_calls(reading, view, now_ms=clock.now_ms() + 60_001)[kit.kit_no].state == "expired"
