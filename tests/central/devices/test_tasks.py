"""Tasks at the centre: who may, what reaches the mailbox, how receipts and recalls cross, who is told to act."""

import json
from dataclasses import replace

import pytest
from sqlmodel import select

from central.audit.models import AuditEntry
from central.base.errors import ForbiddenError, NotFoundError
from central.cases.numbers import CaseNumberError
from central.devices import service as devices
from central.devices import task_rules, tasks
from central.devices.task_rules import TaskDraft, TaskDraftError, TaskEndedError
from central.flows.felt import receive_command_receipt
from central.flows.tasks import assign_task, recall_task
from contract.messages import CommandReceipt, decode
from contract.orders import Task, TaskRecall

pytestmark = pytest.mark.both_databases
DRAFT = TaskDraft("送达样例文书", text="到场拍摄", urgency="urgent", category="service", due_in_min=60)


def act(store, work, *given, **more):
    with store.write() as uow:
        return work(uow, *given, **more)


def receipt(store, kit, number, state, note="", at_ms=None):
    at_ms = store.clock.now_ms() if at_ms is None else at_ms
    told = CommandReceipt(number=number, state=state, at_ms=at_ms, note=note)
    return act(store, receive_command_receipt, kit, told)


def view(store, actor, kit, number):
    with store.read() as session:
        return tasks.get_task(session, actor, kit.kit_id, number, now_ms=store.clock.now_ms())


def waiting(store, kit):
    with store.read() as session:
        return [(entry.number, entry.kind, entry.state) for entry in devices.list_undelivered(session, kit, have=0)]


def test_a_task_reaches_the_mailbox_and_the_audit(store, kit, operator):
    entry = act(store, assign_task, operator, kit.kit_id, DRAFT)
    task = decode(json.dumps(entry.body).encode(), Task)
    assert (task.title, task.urgency, task.category, task.by) == ("送达样例文书", "urgent", "service", operator.name)
    assert task.due_ms == entry.expires_ms == entry.issued_ms + 3_600_000
    with store.read() as session:
        (row,) = [row for row in session.exec(select(AuditEntry)) if row.action == "devices:task:assign"]
    assert (row.subject, row.purpose) == (kit.kit_id, "送达样例文书")


def test_each_step_is_kept_with_the_officers_time_and_ours(store, kit, operator):
    number = act(store, assign_task, operator, kit.kit_id, DRAFT).number
    dark_ms = store.clock.now_ms() + 60_000
    store.clock.advance(s=3 * 3600)
    for state, note in (("received", ""), ("felt", ""), ("read", ""), ("accepted", ""), ("done", "as_ordered")):
        receipt(store, kit, number, state, note, at_ms=dark_ms)
    told = view(store, operator, kit, number)
    assert (told.state, told.is_open, told.needs_somebody) == ("done", False, False)
    assert [step.state for step in told.steps] == ["received", "felt", "read", "accepted", "done"]
    assert {step.told.at_ms for step in told.steps} == {dark_ms}
    assert {step.received_ms for step in told.steps} == {store.clock.now_ms()}
    with store.read() as session:
        answers = [row.action for row in session.exec(select(AuditEntry)) if row.action.startswith("devices:task:")]
    assert answers == ["devices:task:assign", "devices:task:accepted", "devices:task:done"]


def test_receipts_overtaken_or_repeated_change_nothing(store, kit, operator):
    number = act(store, assign_task, operator, kit.kit_id, DRAFT).number
    for state in ("received", "received", "done", "accepted", "read", "received"):
        receipt(store, kit, number, state)
    told = view(store, operator, kit, number)
    assert told.state == "done"
    assert [step.state for step in told.steps] == ["received", "done", "accepted", "read"]


def test_what_has_not_reached_the_kit_is_never_put_before_the_officer(store, kit, operator):
    number = act(store, assign_task, operator, kit.kit_id, DRAFT).number
    recall = act(store, recall_task, operator, kit.kit_id, number, reason="情况有变")
    assert decode(json.dumps(recall.body).encode(), TaskRecall).task == number
    assert waiting(store, kit) == [(number, "task", "expired"), (number + 1, "task_recall", "waiting")]
    assert view(store, operator, kit, number).state == "recalled"
    with pytest.raises(TaskEndedError):
        act(store, recall_task, operator, kit.kit_id, number, reason="再次")


def test_a_recall_that_crosses_the_answer(store, kit, operator):
    number = act(store, assign_task, operator, kit.kit_id, DRAFT).number
    receipt(store, kit, number, "accepted")
    recall = act(store, recall_task, operator, kit.kit_id, number, reason="情况有变").number
    assert view(store, operator, kit, number).state == "recalling"
    receipt(store, kit, number, "done")
    receipt(store, kit, recall, "failed", f"task {number} was already done")
    assert view(store, operator, kit, number).state == "done"


def test_a_recall_that_arrives(store, kit, operator):
    number = act(store, assign_task, operator, kit.kit_id, DRAFT).number
    receipt(store, kit, number, "accepted")
    recall = act(store, recall_task, operator, kit.kit_id, number, reason="情况有变").number
    receipt(store, kit, recall, "received")
    assert view(store, operator, kit, number).state == "recalling"
    receipt(store, kit, recall, "felt")
    told = view(store, operator, kit, number)
    assert (told.state, told.is_open, told.needs_somebody) == ("recalled", False, False)


def test_who_is_not_answered_or_is_refused_stands_on_top(store, kit, operator):
    numbers = [
        act(store, assign_task, operator, kit.kit_id, TaskDraft(title, urgency=urgency)).number
        for title, urgency in (("甲", "most_urgent"), ("乙", "normal"), ("丙", "normal"), ("丁", "normal"))
    ]
    receipt(store, kit, numbers[2], "accepted")
    receipt(store, kit, numbers[3], "refused", "busy")
    store.clock.advance(s=6 * 60)
    with store.read() as session:
        listed = tasks.list_tasks(session, operator, now_ms=store.clock.now_ms())
        needing = tasks.count_needing_somebody(session, operator, now_ms=store.clock.now_ms())
    assert {told.body["title"] for told in listed[:2]} == {"甲", "丁"}
    assert [told.needs_somebody for told in listed] == [True, True, False, False]
    assert needing == 2
    store.clock.advance(s=30 * 60)
    assert view(store, operator, kit, numbers[1]).is_late
    assert not view(store, operator, kit, numbers[2]).is_late


def test_a_time_limit_that_passes(store, kit, operator):
    number = act(store, assign_task, operator, kit.kit_id, DRAFT).number
    receipt(store, kit, number, "accepted")
    store.clock.advance(s=3601)
    assert view(store, operator, kit, number).is_overdue
    late = act(store, assign_task, operator, kit.kit_id, DRAFT).number
    store.clock.advance(s=3601)
    assert act(store, devices.expire_directives) == 1
    assert view(store, operator, kit, late).needs_somebody


@pytest.mark.parametrize(
    "changes",
    [
        {"title": "  "},
        {"title": "甲" * 101},
        {"title": "a\x00b"},
        {"text": "甲" * 2001},
        {"place": "a\x1bb"},
        {"urgency": "soon"},
        {"category": "parking"},
        {"due_in_min": 100_000},
    ],
)
def test_drafts_that_cannot_be_sent(changes):
    with pytest.raises(TaskDraftError):
        task_rules.build_body(replace(DRAFT, **changes), officer="", by="", now_ms=0)


def test_lines_of_a_text_stay_lines():
    body, _ = task_rules.build_body(TaskDraft("甲", text=" 一 \r\n二\r\n"), officer="", by="", now_ms=0)
    assert body["text"] == "一\n二"


def test_a_case_must_be_one_the_actor_sees(store, kit, operator):
    with pytest.raises(CaseNumberError):
        act(store, assign_task, operator, kit.kit_id, replace(DRAFT, case_no="样例"))
    with pytest.raises(NotFoundError):
        act(store, assign_task, operator, kit.kit_id, replace(DRAFT, case_no="（2026）云2901执1号"))


def test_rights_and_scope(store, kit, operator):
    number = act(store, assign_task, operator, kit.kit_id, DRAFT).number
    for role in ("police", "supervisor", "system_admin", "judge"):
        with pytest.raises(ForbiddenError):
            act(store, assign_task, replace(operator, role=role), kit.kit_id, DRAFT)
    with store.read() as session, pytest.raises(ForbiddenError):
        tasks.list_tasks(session, replace(operator, role="system_admin"), now_ms=0)
    stranger = replace(operator, court_code="云2931")
    with pytest.raises(NotFoundError):
        act(store, assign_task, stranger, kit.kit_id, DRAFT)
    with pytest.raises(NotFoundError):
        act(store, recall_task, stranger, kit.kit_id, number, reason="样例")
    with store.read() as session:
        assert tasks.list_tasks(session, stranger, now_ms=store.clock.now_ms()) == []
