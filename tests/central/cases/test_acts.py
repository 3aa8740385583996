"""Acts: drafted, approved, signed by different people; the gate of 终本 and its rechecks."""

import threading
from datetime import date, timedelta

import pytest
from sqlmodel import select

from central.base.errors import ForbiddenError, NotFoundError
from central.cases import act_rules, clock, queries, rules
from central.cases import service as cases
from central.cases.documents import DocumentMeta
from central.cases.models import CaseNode
from central.courts.permissions import Actor
from central.people.rules import SamePersonError
from tests.central.cases.conftest import CASE_NO, TODAY

pytestmark = pytest.mark.both_databases

PAPERS = (
    "execution_notice",
    "report_order",
    "consumption_order",
    "dishonest_decision",
    "inquiry_results",
    "debtor_search",
    "creditor_consent",
)
FOR_NOW = {"closing": "terminated_for_now"}


def view(store, keyring, actor, case_no=CASE_NO):
    with store.read() as session:
        return queries.view_case(session, actor, keyring, case_no, now_ms=store.clock.now_ms())


def open_nodes(store):
    with store.read() as session:
        rows = session.exec(select(CaseNode).where(CaseNode.done_on.is_(None))).all()
    return {row.kind: row.due_on for row in rows}


@pytest.fixture
def drafted(store, cast, case_no):
    """The judge has proposed to close the case as completed."""
    with store.write() as uow:
        return cases.draft_act(uow, cast.judge, case_no, "close", {"closing": "completed"}, reason="已履行完毕")


@pytest.fixture
def ripe(store, cast, case_no, settings, keyring):
    """A case that passes the gate from 2 December 2026 on."""
    with store.write() as uow:
        for node in ("notice", "inquiry"):
            cases.record_node(uow, cast.judge, case_no, node, done_on=date(2026, 9, 3))
        for kind in PAPERS:
            cases.add_document(
                uow, cast.clerk, case_no, DocumentMeta(kind), data=None, settings=settings, keyring=keyring
            )
    return case_no


def decide(store, act, *steps):
    for actor, step in steps:
        with store.write() as uow:
            getattr(cases, f"{step}_act")(uow, actor, act.id)


def close_for_now(store, cast, clock, case_no):
    clock.advance(s=8 * 86_400)  # 2 December
    with store.write() as uow:
        act = cases.draft_act(uow, cast.judge, case_no, "close", FOR_NOW, reason="无财产可供执行")
    decide(store, act, (cast.chief, "approve"), (cast.president, "sign"))
    return act


def test_a_closing_takes_effect_with_the_approval(store, cast, keyring, drafted):
    decide(store, drafted, (cast.chief, "approve"))
    seen = view(store, keyring, cast.judge)
    assert (seen.case.state, seen.case.closing, seen.case.closed_on) == ("closed", "completed", TODAY)
    assert (seen.case.due_on, seen.case.limit_on, seen.case.due_node) == (None, None, "")
    assert all(due is None for due in open_nodes(store).values())
    assert (seen.acts[0].act.state, seen.acts[0].act.approved_by) == ("done", "chief")


def test_an_extension_needs_the_president_and_moves_the_limit(store, cast, keyring, case_no):
    with store.write() as uow:
        act = cases.draft_act(uow, cast.clerk, case_no, "extend", {"months": 2}, reason="案情复杂")
    decide(store, act, (cast.chief, "approve"))
    assert view(store, keyring, cast.judge).case.limit_on == date(2027, 3, 1)
    decide(store, act, (cast.president, "sign"))
    seen = view(store, keyring, cast.judge)
    assert (seen.case.limit_on, seen.case.extended_months) == (date(2027, 5, 1), 2)
    with pytest.raises(act_rules.ExtensionError), store.write() as uow:
        cases.draft_act(uow, cast.judge, case_no, "extend", {"months": 2}, reason="仍需时间")


def test_an_extension_adds_to_what_pauses_moved(store, cast, keyring, case_no):
    with store.write() as uow:
        pause = cases.start_pause(uow, cast.judge, case_no, "appraisal", from_on=date(2026, 10, 1), doc_no="样例1号")
    with store.write() as uow:
        cases.end_pause(uow, cast.judge, case_no, pause.id, until_on=date(2026, 10, 11))
        act = cases.draft_act(uow, cast.judge, case_no, "extend", {"months": 3}, reason="案情复杂")
    decide(store, act, (cast.chief, "approve"), (cast.president, "sign"))
    assert view(store, keyring, cast.judge).case.limit_on == date(2027, 6, 1) + timedelta(days=10)


def test_drafter_approver_and_signer_are_three_people(store, cast, case_no):
    everything = Actor(
        cast.judge.user_id, "judge", "样例", "judge", "云2901", frozenset({"bureau_chief", "president"})
    )
    with store.write() as uow:
        act = cases.draft_act(uow, everything, case_no, "extend", {"months": 1}, reason="案情复杂")
    with pytest.raises(SamePersonError), store.write() as uow:
        cases.approve_act(uow, everything, act.id)
    both = Actor(cast.chief.user_id, "chief", "样例", "bureau_chief", "云2901", frozenset({"president"}))
    decide(store, act, (both, "approve"))
    with pytest.raises(SamePersonError), store.write() as uow:
        cases.sign_act(uow, both, act.id)
    decide(store, act, (cast.president, "sign"))


@pytest.mark.parametrize(
    ("person", "step", "error"),
    [
        ("clerk", "approve", ForbiddenError),
        ("judge2", "approve", ForbiddenError),
        ("president", "approve", ForbiddenError),
        ("upper_chief", "approve", rules.OtherCourtCaseError),
        ("neighbour", "approve", NotFoundError),
        ("chief", "sign", ForbiddenError),
        ("president", "sign", act_rules.ActDecidedError),
        ("clerk", "withdraw", act_rules.NotDrafterError),
        ("supervisor", "withdraw", ForbiddenError),
    ],
)
def test_nobody_else_decides(store, cast, drafted, person, step, error):
    with pytest.raises(error), store.write() as uow:
        getattr(cases, f"{step}_act")(uow, getattr(cast, person), drafted.id)


@pytest.mark.parametrize("person", ["judge2", "chief", "president", "supervisor", "duty", "upper_chief"])
def test_only_the_handler_and_the_courts_clerks_draft(store, cast, case_no, person):
    with pytest.raises(ForbiddenError), store.write() as uow:
        cases.draft_act(uow, getattr(cast, person), case_no, "close", {"closing": "completed"}, reason="样例")


def test_an_act_is_refused_with_a_reason_and_can_be_drafted_anew(store, cast, keyring, case_no, drafted):
    with pytest.raises(act_rules.ActPendingError), store.write() as uow:
        cases.draft_act(uow, cast.clerk, case_no, "close", {"closing": "terminated"}, reason="样例")
    with pytest.raises(rules.TextMissingError), store.write() as uow:
        cases.refuse_act(uow, cast.chief, drafted.id, "  ")
    with store.write() as uow:
        cases.refuse_act(uow, cast.chief, drafted.id, "款项尚未到账")
    refused = view(store, keyring, cast.judge).acts[0].act
    assert (refused.state, refused.approved_by, refused.decision_note) == ("refused", "chief", "款项尚未到账")
    with store.write() as uow:
        cases.draft_act(uow, cast.clerk, case_no, "close", {"closing": "terminated"}, reason="样例")
    with pytest.raises(act_rules.ActDecidedError), store.write() as uow:
        cases.approve_act(uow, cast.chief, drafted.id)


def test_an_act_is_withdrawn_by_its_drafter(store, cast, keyring, drafted):
    with store.write() as uow:
        cases.withdraw_act(uow, cast.judge, drafted.id)
    assert view(store, keyring, cast.judge).acts[0].act.state == "withdrawn"
    with pytest.raises(act_rules.ActDecidedError), store.write() as uow:
        cases.withdraw_act(uow, cast.judge, drafted.id)


def test_an_act_is_stale_when_the_case_was_closed_meanwhile(store, cast, keyring, case_no, drafted):
    with store.write() as uow:
        late = cases.draft_act(uow, cast.clerk, case_no, "extend", {"months": 1}, reason="案情复杂")
    decide(store, drafted, (cast.chief, "approve"))
    seen = {view.act.id: view for view in view(store, keyring, cast.chief).acts}
    assert seen[late.id].is_stale
    assert seen[late.id].steps == {"refuse"}
    with pytest.raises(act_rules.StaleActError), store.write() as uow:
        cases.approve_act(uow, cast.chief, late.id)
    with store.write() as uow:
        cases.refuse_act(uow, cast.chief, late.id, "案件已结")


def test_the_steps_offered_are_those_allowed(store, cast, keyring, drafted):
    offered = {
        name: view(store, keyring, actor).acts[0].steps for name, actor in cast.actors.items() if name in SEEING
    }
    assert offered == SEEING


SEEING = {
    "judge": {"withdraw"},
    "clerk": frozenset(),
    "chief": {"approve", "refuse"},
    "president": frozenset(),
    "upper_chief": frozenset(),
    "supervisor": frozenset(),
}


def test_the_gate_lists_every_unmet_condition(store, cast, keyring, case_no):
    with pytest.raises(act_rules.ClosingGateError) as refused, store.write() as uow:
        cases.draft_act(uow, cast.judge, case_no, "close", FOR_NOW, reason="无财产可供执行")
    assert refused.value.params["unmet"] == [
        "notice",
        "consumption",
        "inquiries",
        "three_months",
        "debtor_sought",
        "consent",
    ]
    shown = view(store, keyring, cast.judge).conditions
    assert [condition.is_met for condition in shown] == [False] * 6


def test_three_months_must_have_passed(store, cast, keyring, clock, ripe):
    with pytest.raises(act_rules.ClosingGateError) as refused, store.write() as uow:
        cases.draft_act(uow, cast.judge, ripe, "close", FOR_NOW, reason="无财产可供执行")
    assert refused.value.params["unmet"] == ["three_months"]
    clock.advance(s=8 * 86_400)
    assert all(condition.is_met for condition in view(store, keyring, cast.judge).conditions)


def test_a_paper_withdrawn_before_the_signature_stops_the_closing(store, cast, keyring, clock, ripe):
    clock.advance(s=8 * 86_400)
    with store.write() as uow:
        act = cases.draft_act(uow, cast.judge, ripe, "close", FOR_NOW, reason="无财产可供执行")
    decide(store, act, (cast.chief, "approve"))
    search = next(d for d in view(store, keyring, cast.clerk).documents if d.kind == "debtor_search")
    with store.write() as uow:
        cases.withdraw_document(uow, cast.clerk, ripe, search.id, "录错案件")
    with pytest.raises(act_rules.ClosingGateError) as refused, store.write() as uow:
        cases.sign_act(uow, cast.president, act.id)
    assert refused.value.params["unmet"] == ["debtor_sought"]


def test_after_terminating_for_now_ten_rechecks_follow_one_after_the_other(store, cast, keyring, clock, ripe):
    close_for_now(store, cast, clock, ripe)
    closed_on = date(2026, 12, 2)
    assert view(store, keyring, cast.judge).case.due_node == "recheck"
    days = []
    while (due := open_nodes(store).get("recheck")) is not None:
        days.append(due)
        clock.advance(s=(due - clock_day(clock)).days * 86_400)
        with store.write() as uow:
            cases.record_node(uow, cast.judge, ripe, "recheck", done_on=due, note="未发现财产，已告知")
    assert days == [date(closed_on.year + (11 + 6 * n) // 12, 6 if n % 2 else 12, 2) for n in range(1, 11)]
    assert view(store, keyring, cast.judge).case.due_on is None


def clock_day(moment):
    return clock.today(moment.now_ms())


def test_only_a_recheck_is_recorded_on_a_case_closed_for_now(store, cast, clock, ripe):
    close_for_now(store, cast, clock, ripe)
    with pytest.raises(rules.CaseClosedError), store.write() as uow:
        cases.record_node(uow, cast.judge, ripe, "lead_check", done_on=date(2026, 12, 1))


def test_reopening_an_error_needs_the_president_and_brings_the_clock_back(store, cast, keyring, clock, ripe):
    close_for_now(store, cast, clock, ripe)
    with store.write() as uow:
        act = cases.draft_act(uow, cast.judge, ripe, "reopen", {}, reason="结案方式录入错误")
    decide(store, act, (cast.chief, "approve"))
    assert view(store, keyring, cast.judge).case.state == "closed"
    decide(store, act, (cast.president, "sign"))
    seen = view(store, keyring, cast.judge)
    assert (seen.case.state, seen.case.closing, seen.case.closed_on) == ("active", "", None)
    assert seen.case.limit_on == date(2027, 3, 1)
    assert "recheck" not in open_nodes(store)
    close_for_now(store, cast, clock, ripe)
    assert open_nodes(store)["recheck"] == date(2027, 6, 10)


def test_an_open_case_is_not_reopened(store, cast, case_no):
    with pytest.raises(act_rules.ActDecidedError), store.write() as uow:
        cases.draft_act(uow, cast.judge, case_no, "reopen", {}, reason="样例")


def test_closing_ends_what_still_pauses(store, cast, keyring, case_no):
    with store.write() as uow:
        cases.start_pause(uow, cast.judge, case_no, "suspension", from_on=TODAY, doc_no="样例1号")
        act = cases.draft_act(uow, cast.judge, case_no, "close", {"closing": "terminated"}, reason="被执行人破产")
    decide(store, act, (cast.chief, "approve"))
    seen = view(store, keyring, cast.judge)
    assert seen.case.state == "closed"
    assert [pause.ended_by for pause in seen.pauses] == ["user:chief"]


def test_acts_wait_in_the_lists_of_those_who_decide(store, cast, case_no):
    with store.write() as uow:
        act = cases.draft_act(uow, cast.clerk, case_no, "extend", {"months": 1}, reason="案情复杂")

    def waiting(actor):
        with store.read() as session:
            work = queries.list_work(session, actor, TODAY)
        return [[row.act_id for row in rows] for rows in (work.to_approve, work.to_sign, work.own_drafts)]

    assert waiting(cast.chief) == [[act.id], [], []]
    assert waiting(cast.president) == [[], [], []]
    assert waiting(cast.clerk) == [[], [], [act.id]]
    assert waiting(cast.upper_chief) == [[], [], []]
    decide(store, act, (cast.chief, "approve"))
    assert waiting(cast.chief) == [[], [], []]
    assert waiting(cast.president) == [[], [act.id], []]


def test_of_two_who_decide_at_once_one_is_told(store, cast, keyring, drafted):
    ready, outcomes = threading.Barrier(2), []

    def decide_now(step, *rest):
        ready.wait()
        try:
            with store.write() as uow:
                step(uow, cast.chief, drafted.id, *rest)
            outcomes.append("done")
        except (act_rules.ActDecidedError, rules.CaseClosedError) as refused:
            outcomes.append(type(refused).__name__)

    threads = [
        threading.Thread(target=decide_now, args=(cases.approve_act,)),
        threading.Thread(target=decide_now, args=(cases.refuse_act, "款项尚未到账")),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["ActDecidedError", "done"]
    seen = view(store, keyring, cast.judge)
    assert (seen.acts[0].act.state, seen.case.state) in [("done", "closed"), ("refused", "assigned")]
