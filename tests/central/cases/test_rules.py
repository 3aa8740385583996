"""States, rights and refusals, without a database."""

from datetime import date

import pytest

from central.base.errors import ForbiddenError, NotFoundError
from central.cases import act_rules, rules
from central.cases.act_rules import ActCase, ClosingGateError
from central.cases.catalogue import load_catalogue
from central.cases.rights import CASE_ACTIONS, CaseStand, check_right, rights_on
from central.courts.permissions import PERMISSIONS, ROLES, Actor
from central.people.scopes import ServiceActor

CATALOGUE = load_catalogue()
OWN = CaseStand("案", "云2901", "active", handler_id="me")


def actor(role, court="云2901", user_id="me", posts=frozenset()):
    return Actor(user_id, role, "样例", role, court, posts)


@pytest.mark.parametrize("role", ROLES)
def test_in_its_own_court_each_role_has_the_tables_rights(role):
    expected = {action for action in CASE_ACTIONS if role in PERMISSIONS[action]}
    assert rights_on(actor(role), OWN) == expected


@pytest.mark.parametrize(
    "role", ["police", "seal_keeper", "system_admin", "security_admin", "audit_admin", "liaison"]
)
def test_who_has_no_business_with_cases_has_no_right(role):
    assert rights_on(actor(role, "云29"), OWN) == frozenset()


@pytest.mark.parametrize("role", ROLES)
def test_recusal_blocks_everything(role):
    recused = CaseStand("案", "云2901", "active", handler_id="me", is_recused=True, is_shared=True)
    assert rights_on(actor(role), recused) == frozenset()
    with pytest.raises(NotFoundError):
        check_right(actor(role), recused, "see_case")


def test_a_judge_works_on_own_cases_only():
    foreign = CaseStand("案", "云2901", "active", handler_id="other")
    assert rights_on(actor("judge"), foreign) == {"see_case"}
    for action in ("edit_case", "record_node", "add_document", "request_case_act", "unmask_party"):
        with pytest.raises(rules.NotOwnCaseError):
            check_right(actor("judge"), foreign, action)
        check_right(actor("clerk"), foreign, action)


def test_a_judge_with_a_post_has_the_posts_rights_too():
    foreign = CaseStand("案", "云2901", "active", handler_id="other")
    assert "edit_case" in rights_on(actor("judge", posts=frozenset({"bureau_chief"})), foreign)


def test_a_superior_court_reads_flags_and_recuses_but_does_not_do_the_work():
    above = rights_on(actor("bureau_chief", "云29"), OWN)
    assert above == {"see_case", "unmask_party", "flag_case", "set_recusal"}
    with pytest.raises(rules.OtherCourtCaseError):
        check_right(actor("president", "云29"), OWN, "sign_case_act")


def test_a_supervisor_reads_all_in_scope_and_changes_nothing():
    assert rights_on(actor("supervisor", "云29"), OWN) == {"see_case", "unmask_party"}


def test_another_court_sees_nothing_unless_shared():
    assert rights_on(actor("bureau_chief", "云2922"), OWN) == frozenset()
    shared = CaseStand("案", "云2901", "active", is_shared=True)
    assert rights_on(actor("bureau_chief", "云2922"), shared) == {"see_case"}
    assert rights_on(actor("police", "云2922"), shared) == frozenset()
    with pytest.raises(ForbiddenError):
        check_right(actor("bureau_chief", "云2922"), shared, "assign_case")


def test_a_closed_case_is_not_edited():
    closed = CaseStand("案", "云2901", "closed", handler_id="me")
    assert "edit_case" not in rights_on(actor("clerk"), closed)
    with pytest.raises(rules.CaseClosedError):
        check_right(actor("clerk"), closed, "edit_case")


def test_a_service_works_within_its_scopes_below_its_court():
    service = ServiceActor("anjian", "云29", frozenset({"cases:read", "cases:write"}))
    assert rights_on(service, OWN) == {"see_case", "register_case", "edit_case"}
    assert rights_on(ServiceActor("anjian", "云2922", service.scopes), OWN) == frozenset()


@pytest.mark.parametrize("state", rules.STATES)
def test_what_the_table_does_not_list_is_refused(state):
    acts = {act for table in rules.TRANSITIONS.values() for act in table}
    for act in acts:
        if act in rules.TRANSITIONS[state]:
            assert rules.next_state(state, act) in rules.STATES
        else:
            with pytest.raises(rules.CaseClosedError if state == "closed" else rules.CaseStateError):
                rules.next_state(state, act)


def test_a_suspended_case_is_not_closed_by_that():
    assert rules.next_state("active", "suspend") == "suspended"
    assert rules.next_state("suspended", "resume") == "active"


def pause(kind, **changes):
    days = {"from_on": date(2026, 8, 31), "until_on": date(2026, 11, 30), "filed_on": date(2026, 1, 1)}
    rules.check_pause(CATALOGUE, kind, **{**days, "doc_no": "样例1号", "on": date(2026, 12, 1), **changes})


def test_a_stay_has_a_set_end_within_three_months():
    pause("stay")
    for until_on in (None, date(2026, 12, 1), date(2026, 8, 31)):
        with pytest.raises(rules.PauseError):
            pause("stay", until_on=until_on)


def test_a_suspension_may_be_without_end_but_not_without_paper_or_in_the_future():
    pause("suspension", until_on=None)
    with pytest.raises(rules.TextMissingError):
        pause("suspension", doc_no=" ")
    with pytest.raises(rules.DayError):
        pause("suspension", from_on=date(2026, 12, 2), until_on=None)
    with pytest.raises(rules.DayError):
        pause("suspension", from_on=date(2025, 12, 31))


def look(**changes):
    values = {
        "type_code": "执",
        "state": "active",
        "closing": "",
        "filed_on": date(2026, 8, 1),
        "closed_on": None,
        "extended": 0,
        "has_limit": True,
        "nodes_done": {"notice", "inquiry"},
        "papers": {
            "execution_notice",
            "report_order",
            "consumption_order",
            "not_listable",
            "inquiry_results",
            "debtor_search",
            "panel_opinion",
        },
    }
    return ActCase(**{**values, **changes})


def unmet(on=date(2026, 11, 2), **changes):
    return [c.code for c in act_rules.list_unmet(CATALOGUE, "terminated_for_now", look(**changes), on)]


def test_a_complete_record_passes_the_gate():
    assert unmet() == []


@pytest.mark.parametrize(
    ("missing", "condition"),
    [
        ("execution_notice", "notice"),
        ("report_order", "notice"),
        ("consumption_order", "consumption"),
        ("not_listable", "consumption"),
        ("inquiry_results", "inquiries"),
        ("debtor_search", "debtor_sought"),
        ("panel_opinion", "consent"),
    ],
)
def test_each_paper_matters(missing, condition):
    assert unmet(papers=look().papers - {missing}) == [condition]


@pytest.mark.parametrize(
    ("instead_of", "other"),
    [
        ("not_listable", "dishonest_decision"),
        ("debtor_search", "punishment_decision"),
        ("panel_opinion", "creditor_consent"),
    ],
)
def test_either_paper_will_do(instead_of, other):
    assert unmet(papers=look().papers - {instead_of} | {other}) == []


@pytest.mark.parametrize(("node", "condition"), [("notice", "notice"), ("inquiry", "inquiries")])
def test_each_node_matters(node, condition):
    assert unmet(nodes_done=look().nodes_done - {node}) == [condition]


def test_three_months_are_counted_from_filing():
    """已超过三个月 (法〔2016〕373号): the last day of the three months is not enough."""
    assert unmet(on=date(2026, 11, 1)) == ["three_months"]
    assert unmet(on=date(2026, 11, 2)) == []


def test_the_refusal_lists_every_unmet_condition_with_its_remedy():
    bare = look(nodes_done=(), papers=())
    with pytest.raises(ClosingGateError) as refused:
        act_rules.check_act(CATALOGUE, "close", {"closing": "terminated_for_now"}, bare, date(2026, 8, 2))
    conditions = CATALOGUE.conditions_of("terminated_for_now")
    assert refused.value.params["unmet"] == [condition.code for condition in conditions]
    assert all(condition.remedy_zh in refused.value.params["unmet_zh"] for condition in conditions)
    assert all(condition.remedy_en in refused.value.message for condition in conditions)


def test_an_extension_stays_within_what_is_left():
    def extend(months, **changes):
        act_rules.check_act(CATALOGUE, "extend", {"months": months}, look(**changes), date(2026, 11, 1))

    extend(3)
    extend(1, extended=2)
    for months, extended in ((4, 0), (2, 2), (0, 0), (-1, 0)):
        with pytest.raises(act_rules.ExtensionError):
            extend(months, extended=extended)
    with pytest.raises(act_rules.ExtensionError):
        extend(1, type_code="执异")
    with pytest.raises(rules.CaseClosedError):
        extend(1, state="closed")


def test_a_review_case_does_not_end_as_completed():
    with pytest.raises(act_rules.ClosingError):
        act_rules.check_act(CATALOGUE, "close", {"closing": "completed"}, look(type_code="执异"), date(2026, 11, 1))


@pytest.mark.parametrize(
    ("kind", "detail"),
    [
        ("extend", {}),
        ("extend", {"months": "3"}),
        ("close", {"closing": 1}),
        ("burn", {}),
        ("extend", {"months": True}),
    ],
)
def test_an_act_without_its_particulars_is_refused(kind, detail):
    with pytest.raises(act_rules.UnknownActError):
        act_rules.check_detail(kind, detail)


def test_the_president_signs_what_the_catalogue_says():
    def signs(kind, **detail):
        return act_rules.needs_signature(CATALOGUE, kind, detail)

    assert signs("extend", months=1)
    assert signs("reopen")
    assert signs("close", closing="terminated_for_now")
    assert not signs("close", closing="completed")


def test_flags_are_proposed_by_amount_creditors_and_age():
    def propose(**changes):
        values = {"claim_fen": 0, "applicants": 1, "filed_on": date(2026, 1, 1), "on": date(2026, 6, 1)}
        return rules.propose_flags(CATALOGUE, **{**values, "is_open": True, **changes})

    assert propose() == []
    assert propose(claim_fen=999_999_999) == []
    assert propose(claim_fen=1_000_000_000) == ["amount"]
    assert propose(applicants=10) == ["many_creditors"]
    assert propose(on=date(2028, 1, 1)) == ["over_two_years"]
    assert propose(on=date(2028, 1, 1), is_open=False) == []


def test_a_purpose_needs_four_characters():
    assert rules.check_purpose("  送达 执行 通知 ") == "送达 执行 通知"
    for purpose in ("", "   ", "办案 ", "a b"):
        with pytest.raises(rules.PurposeShortError):
            rules.check_purpose(purpose)
    with pytest.raises(rules.TextTooLongError):
        rules.check_purpose("长" * 201)
