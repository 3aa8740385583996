"""Cases are registered, edited, assigned and worked on; on both databases."""

from datetime import date, timedelta

import pytest
from sqlmodel import select

from central.audit import queries as audit
from central.audit.models import AuditEntry
from central.base.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from central.cases import queries, rules
from central.cases import service as cases
from central.cases.change_models import CaseChange
from central.cases.models import CaseNode, Party
from central.cases.parties import PartyDraft, PartyError
from tests.central.cases.conftest import CASE_NO, FILED_ON, SPECIMEN_ID, TODAY, make_draft

pytestmark = pytest.mark.both_databases


def view(store, keyring, actor, case_no=CASE_NO):
    with store.read() as session:
        return queries.view_case(session, actor, keyring, case_no, now_ms=store.clock.now_ms())


def nodes_of(store, case_no=CASE_NO):
    with store.read() as session:
        case_id = queries.find_case_id(session, case_no)
        rows = session.exec(select(CaseNode).where(CaseNode.case_id == case_id)).all()
    return {(row.kind, row.done_on is None): row for row in rows}


def timeline(store, actor, case_no=CASE_NO):
    with store.read() as session:
        rows = queries.list_timeline(session, actor, case_no, now_ms=store.clock.now_ms())
    return [row.kind for row in rows]


def audited(store, action):
    with store.read() as session:
        return list(session.exec(select(AuditEntry).where(AuditEntry.action == action)).all())


def test_a_registered_case_has_its_nodes_and_limit(store, cast, keyring):
    with store.write() as uow:
        cases.register_case(uow, cast.clerk, keyring, make_draft(state="closed", handler_name="别人"))
    seen = view(store, keyring, cast.clerk)
    assert (seen.case.state, seen.case.handler_name, seen.case.clerk_id) == ("filed", "", cast.clerk.user_id)
    assert seen.case.limit_on == date(2027, 3, 1)
    assert (seen.case.due_on, seen.case.due_node) == (date(2026, 9, 6), "inquiry")
    assert seen.clock.raw_days == (TODAY - FILED_ON).days
    assert seen.needs_handler
    [row] = audited(store, "cases:case:registered")
    assert (row.actor, row.case_no) == ("user:clerk", CASE_NO)


def test_a_non_litigation_case_has_three_months(store, cast, keyring):
    with store.write() as uow:
        cases.register_case(uow, cast.clerk, keyring, make_draft(), is_non_litigation=True)
    assert view(store, keyring, cast.clerk).case.limit_on == date(2026, 12, 1)


def test_a_number_is_registered_once(store, cast, keyring, case_no):
    with pytest.raises(rules.CaseExistsError), store.write() as uow:
        cases.register_case(uow, cast.clerk, keyring, make_draft())


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"parties": ()}, PartyError),
        ({"parties": (PartyDraft("applicant", "natural", "样例甲"),)}, PartyError),
        ({"filed_on": TODAY + timedelta(days=1)}, rules.DayError),
        ({"claim_fen": -1}, rules.AmountError),
    ],
)
def test_what_cannot_be_is_not_registered(store, cast, keyring, changes, error):
    with pytest.raises(error), store.write() as uow:
        cases.register_case(uow, cast.clerk, keyring, make_draft(**changes))
    with store.read() as session:
        assert queries.find_case_id(session, CASE_NO) is None


def test_a_case_is_registered_in_its_own_court_by_its_clerk(store, cast, keyring):
    for person in ("neighbour_clerk", "judge", "chief", "supervisor", "police", "admin"):
        with pytest.raises(ForbiddenError), store.write() as uow:
            cases.register_case(uow, getattr(cast, person), keyring, make_draft())


def test_assigning_names_the_handler_and_is_done(store, cast, keyring, case_no):
    seen = view(store, keyring, cast.judge)
    assert (seen.case.state, seen.case.handler_id) == ("assigned", cast.judge.user_id)
    assert seen.clerk_name == cast.clerk.name
    assert ("assign", False) in nodes_of(store)
    assert not seen.needs_handler
    assert timeline(store, cast.judge) == ["assigned", "registered"]


def test_only_a_judge_of_the_court_who_is_not_recused_is_assigned(store, cast, keyring, case_no):
    with store.write() as uow:
        cases.set_recusal(uow, cast.president, case_no, "judge2", "与当事人有亲属关系")
    for login in ("judge2", "clerk", "neighbour", "nobody"):
        with pytest.raises(rules.HandlerUnfitError), store.write() as uow:
            cases.assign_case(uow, cast.chief, case_no, login)
    with pytest.raises(ForbiddenError), store.write() as uow:
        cases.assign_case(uow, cast.upper_chief, case_no, "judge")


def test_the_first_node_makes_the_case_active(store, cast, keyring, case_no):
    with store.write() as uow:
        cases.record_node(uow, cast.judge, case_no, "inquiry", done_on=date(2026, 9, 3), note="已提交")
    seen = view(store, keyring, cast.judge)
    assert (seen.case.state, seen.case.due_node, seen.case.due_on) == ("active", "notice", date(2026, 9, 11))
    done = nodes_of(store)["inquiry", False]
    assert (done.done_on, done.done_by, done.note) == (date(2026, 9, 3), "user:judge", "已提交")


def test_a_node_is_recorded_once(store, cast, case_no):
    node_id = nodes_of(store)["notice", True].node_id
    with store.write() as uow:
        cases.record_node(uow, cast.clerk, case_no, node_id, done_on=date(2026, 9, 3))
    with pytest.raises(rules.NodeDoneError), store.write() as uow:
        cases.record_node(uow, cast.clerk, case_no, node_id, done_on=date(2026, 9, 3))


@pytest.mark.parametrize(
    ("node", "done_on", "error"),
    [
        ("notice", FILED_ON - timedelta(days=1), rules.DayError),
        ("notice", TODAY + timedelta(days=1), rules.DayError),
        ("assign", TODAY, rules.NodeNotForTypeError),
        ("whole_case", TODAY, rules.NodeNotForTypeError),
        ("recheck", TODAY, rules.NodeNotForTypeError),
        ("siesta", TODAY, InvalidInputError),
        (999_999, TODAY, NotFoundError),
    ],
)
def test_what_cannot_be_is_not_recorded(store, cast, case_no, node, done_on, error):
    with pytest.raises(error), store.write() as uow:
        cases.record_node(uow, cast.clerk, case_no, node, done_on=done_on)


def test_a_lead_opens_its_deadline_by_hand_and_a_report_its_stated_day(store, cast, keyring, case_no):
    with store.write() as uow:
        cases.start_node(uow, cast.clerk, case_no, "lead_urgent", started_on=TODAY)
        cases.start_node(
            uow, cast.clerk, case_no, "property_report", started_on=TODAY, due_on=TODAY + timedelta(days=15)
        )
    found = nodes_of(store)
    assert found["lead_urgent", True].due_on == TODAY + timedelta(days=3)
    assert found["property_report", True].due_on == TODAY + timedelta(days=15)
    with pytest.raises(rules.TextMissingError), store.write() as uow:
        cases.start_node(uow, cast.clerk, case_no, "property_report", started_on=TODAY)


def test_serving_the_valuation_opens_the_auction(store, cast, case_no):
    with store.write() as uow:
        cases.record_node(uow, cast.judge, case_no, "valuation_served", done_on=TODAY)
    assert nodes_of(store)["auction", True].due_on == TODAY + timedelta(days=30)


def test_a_pause_stops_the_limit_and_moves_it_by_its_length(store, cast, keyring, case_no):
    with store.write() as uow:
        pause = cases.start_pause(
            uow, cast.judge, case_no, "suspension", from_on=date(2026, 10, 1), doc_no="样例裁1号"
        )
    seen = view(store, keyring, cast.judge)
    assert (seen.case.state, seen.case.limit_on) == ("suspended", None)
    assert seen.clock.is_paused
    assert seen.clock.net_days == 29
    with store.write() as uow:
        cases.end_pause(uow, cast.judge, case_no, pause.id, until_on=date(2026, 11, 1))
    seen = view(store, keyring, cast.judge)
    assert (seen.case.state, seen.case.limit_on) == ("active", date(2027, 3, 1) + timedelta(days=31))
    assert not seen.clock.is_paused
    assert timeline(store, cast.judge)[:2] == ["pause_ended", "pause_started"]
    with pytest.raises(rules.PauseEndedError), store.write() as uow:
        cases.end_pause(uow, cast.judge, case_no, pause.id, until_on=date(2026, 11, 1))


def test_a_notice_pauses_the_whole_case_but_not_its_steps(store, cast, keyring, case_no):
    with store.write() as uow:
        cases.start_pause(uow, cast.judge, case_no, "announcement", from_on=FILED_ON, doc_no="样例公告1号")
    seen = view(store, keyring, cast.judge)
    assert (seen.case.state, seen.case.limit_on, seen.case.due_node) == ("assigned", None, "inquiry")


def test_two_pauses_of_a_kind_do_not_run_together(store, cast, case_no):
    with store.write() as uow:
        cases.start_pause(uow, cast.judge, case_no, "announcement", from_on=TODAY, doc_no="样例公告1号")
    with pytest.raises(rules.PauseRunningError), store.write() as uow:
        cases.start_pause(uow, cast.judge, case_no, "announcement", from_on=TODAY, doc_no="样例公告2号")


def test_a_stay_ends_by_itself_on_its_day(store, clock, cast, keyring, case_no):
    until_on = TODAY + timedelta(days=30)
    with store.write() as uow:
        cases.start_pause(uow, cast.judge, case_no, "stay", from_on=TODAY, until_on=until_on, doc_no="样例决1号")
    assert view(store, keyring, cast.judge).case.limit_on == date(2027, 3, 1) + timedelta(days=30)
    with store.write() as uow:
        assert cases.end_due_pauses(uow) == 0
    clock.advance(s=30 * 86_400)
    with store.write() as uow:
        assert cases.end_due_pauses(uow) == 1
        assert cases.end_due_pauses(uow) == 0
    seen = view(store, keyring, cast.judge)
    assert (seen.case.state, seen.case.limit_on) == ("active", date(2027, 3, 1) + timedelta(days=30))


def test_edits_are_kept_with_what_stood_before(store, cast, keyring, case_no):
    version = view(store, keyring, cast.clerk).case.version
    with store.write() as uow:
        cases.edit_case(uow, cast.clerk, keyring, case_no, version, changes={"cause": "租赁合同纠纷", "claim_fen": 5})
    seen = view(store, keyring, cast.clerk)
    assert (seen.case.cause, seen.case.claim_fen, seen.case.version) == ("租赁合同纠纷", 5, version + 1)
    with store.read() as session:
        [entry] = queries.list_timeline(session, cast.clerk, case_no, now_ms=store.clock.now_ms(), limit=1)
    assert entry.detail["fields"]["cause"] == ["买卖合同纠纷", "租赁合同纠纷"]


def test_the_second_of_two_clerks_sees_both_versions_and_nothing_is_lost(store, cast, keyring, case_no):
    version = view(store, keyring, cast.clerk).case.version
    with store.write() as uow:
        cases.edit_case(uow, cast.clerk, keyring, case_no, version, changes={"cause": "甲", "claim_fen": 7})
    with pytest.raises(rules.EditConflictError) as refused, store.write() as uow:
        cases.edit_case(uow, cast.clerk2, keyring, case_no, version, changes={"cause": "乙", "claim_fen": 7})
    assert refused.value.params["version"] == version + 1
    assert refused.value.params["differences"] == [rules.Difference("cause", "甲", "乙")]
    assert view(store, keyring, cast.clerk).case.cause == "甲"
    with store.write() as uow:
        cases.edit_case(uow, cast.clerk2, keyring, case_no, version + 1, changes={"cause": "乙"})
    assert view(store, keyring, cast.clerk).case.cause == "乙"


def test_a_node_recorded_meanwhile_is_no_conflict(store, cast, keyring, case_no):
    version = view(store, keyring, cast.clerk).case.version
    with store.write() as uow:
        cases.record_node(uow, cast.judge, case_no, "notice", done_on=TODAY)
    with store.write() as uow:
        cases.edit_case(uow, cast.clerk, keyring, case_no, version, changes={"cause": "乙"})
    assert view(store, keyring, cast.clerk).case.cause == "乙"


def test_parties_are_rewritten_and_masked_fields_kept(store, cast, keyring, case_no):
    before = view(store, keyring, cast.clerk)
    debtor = next(party for party in before.parties if party.role == "executee")
    edited = [
        PartyDraft("applicant", "natural", "样例申请人丙"),
        cases.PartyEdit(
            PartyDraft("executee", "natural", "样例被执行人丁", phone="000-1111"),
            debtor.party_id,
            frozenset({"id_no", "address"}),
        ),
    ]
    with store.write() as uow:
        cases.edit_case(uow, cast.clerk, keyring, case_no, before.case.version, changes={}, parties=edited)
    after = view(store, keyring, cast.clerk)
    assert [party.name for party in after.parties] == ["样例申请人丙", "样例被执行人丁"]
    with store.write() as uow:
        clear = cases.unmask_party(
            uow, cast.clerk, keyring, case_no, after.parties[1].party_id, purpose="核对身份信息"
        )
    assert clear == {"id_no": SPECIMEN_ID, "phone": "000-1111", "address": "样例路1号"}


def test_two_clerks_renaming_parties_conflict(store, cast, keyring, case_no):
    version = view(store, keyring, cast.clerk).case.version

    def rename(actor, name):
        parties = [PartyDraft("applicant", "natural", "样例甲"), PartyDraft("executee", "natural", name)]
        with store.write() as uow:
            cases.edit_case(uow, actor, keyring, case_no, version, changes={}, parties=parties)

    rename(cast.clerk, "样例乙")
    with pytest.raises(rules.EditConflictError) as refused:
        rename(cast.clerk2, "样例丙")
    [difference] = refused.value.params["differences"]
    assert (difference.field, difference.theirs[1][1], difference.yours[1][1]) == ("parties", "样例乙", "样例丙")


def test_an_unknown_field_is_not_edited(store, cast, keyring, case_no):
    for changes in ({"state": "closed"}, {"claim_fen": -5}, {"cause": "长" * 101}):
        with pytest.raises(InvalidInputError), store.write() as uow:
            cases.edit_case(uow, cast.clerk, keyring, case_no, 2, changes=changes)


def test_looking_is_audited_once_in_five_minutes(store, clock, cast, keyring, case_no):
    for _ in range(2):
        with store.write() as uow:
            seen = cases.look_at_case(uow, cast.supervisor, keyring, case_no)
    assert seen.case.case_no == case_no
    [row] = audited(store, "cases:case:read")
    assert (row.actor, row.purpose, row.case_no) == ("user:supervisor", "监督检查", case_no)
    clock.advance(s=300)
    with store.write() as uow:
        cases.look_at_case(uow, cast.supervisor, keyring, case_no)
        cases.look_at_case(uow, cast.judge, keyring, case_no)
        cases.look_at_case(uow, cast.judge, keyring, case_no, purpose="接待当事人")
    assert [row.purpose for row in audited(store, "cases:case:read")] == [
        "监督检查",
        "监督检查",
        "办理案件",
        "接待当事人",
    ]


def test_every_screen_is_masked_and_unmasking_is_a_logged_act(store, cast, keyring, case_no):
    debtor = next(party for party in view(store, keyring, cast.judge).parties if party.role == "executee")
    assert SPECIMEN_ID[:-4] not in debtor.masked_id
    assert debtor.masked_id.endswith(SPECIMEN_ID[-4:])
    assert debtor.has_private
    with pytest.raises(rules.PurposeShortError), store.write() as uow:
        cases.unmask_party(uow, cast.judge, keyring, case_no, debtor.party_id, purpose="看看")
    assert audited(store, "cases:party:unmask") == []
    with store.write() as uow:
        clear = cases.unmask_party(uow, cast.judge, keyring, case_no, debtor.party_id, purpose="制作查询通知")
    assert clear["id_no"] == SPECIMEN_ID
    [row] = audited(store, "cases:party:unmask")
    assert (row.purpose, row.case_no, row.detail["fields"]) == (
        "制作查询通知",
        case_no,
        ["address", "id_no", "phone"],
    )
    assert SPECIMEN_ID not in str(row.detail)
    for person in ("president", "commander", "duty", "judge2", "upper_president"):
        with pytest.raises(ForbiddenError), store.write() as uow:
            cases.unmask_party(uow, getattr(cast, person), keyring, case_no, debtor.party_id, purpose="制作查询通知")


def test_a_party_of_another_case_is_not_unmasked(store, cast, keyring, case_no):
    with store.write() as uow:
        cases.register_case(uow, cast.clerk, keyring, make_draft("（2026）云2901执2号"))
    other = view(store, keyring, cast.clerk, "（2026）云2901执2号").parties[0]
    with pytest.raises(NotFoundError), store.write() as uow:
        cases.unmask_party(uow, cast.clerk, keyring, case_no, other.party_id, purpose="制作查询通知")


def test_no_identity_number_lies_in_the_clear_beside_the_party(store, cast, keyring, case_no):
    with store.read() as session:
        parties = session.exec(select(Party)).all()
        entries = [row.detail for row in session.exec(select(AuditEntry)).all()]
    assert all(SPECIMEN_ID.encode() not in (party.id_cipher or b"") for party in parties)
    assert all(SPECIMEN_ID not in str(detail) for detail in entries)


def test_recusal_hides_the_case_and_asks_for_another_handler(store, cast, keyring, case_no):
    with store.write() as uow:
        recusal = cases.set_recusal(uow, cast.president, case_no, "judge", "与当事人有亲属关系")
    with pytest.raises(NotFoundError):
        view(store, keyring, cast.judge)
    with pytest.raises(NotFoundError), store.write() as uow:
        cases.record_node(uow, cast.judge, case_no, "notice", done_on=TODAY)
    assert view(store, keyring, cast.chief).needs_handler
    with store.read() as session:
        work = queries.list_work(session, cast.chief, TODAY)
    assert [row.case_no for row in work.without_handler] == [case_no]
    with pytest.raises(rules.AlreadySetError), store.write() as uow:
        cases.set_recusal(uow, cast.chief, case_no, "judge", "再次")
    with store.write() as uow:
        cases.end_recusal(uow, cast.president, case_no, recusal.id, "回避事由消失")
    assert view(store, keyring, cast.judge).case.case_no == case_no


def test_a_share_lets_another_court_read_for_a_time(store, clock, cast, keyring, case_no):
    with pytest.raises(NotFoundError):
        view(store, keyring, cast.neighbour)
    with store.write() as uow:
        share = cases.share_case(uow, cast.chief, case_no, "云2922", days=10, basis="(2026)云29协1号")
    assert view(store, keyring, cast.neighbour).rights == {"see_case"}
    with pytest.raises(ForbiddenError), store.write() as uow:
        cases.unmask_party(uow, cast.neighbour, keyring, case_no, 1, purpose="协助执行需要")
    clock.advance(s=10 * 86_400)
    with pytest.raises(NotFoundError):
        view(store, keyring, cast.neighbour)
    with pytest.raises(NotFoundError), store.write() as uow:
        cases.end_share(uow, cast.chief, case_no, share.id)


def test_a_share_is_ended_early_and_never_with_a_court_that_sees_the_case_anyway(store, cast, keyring, case_no):
    with store.write() as uow:
        share = cases.share_case(uow, cast.chief, case_no, "云2922", days=10, basis="(2026)云29协1号")
    with store.write() as uow:
        cases.end_share(uow, cast.chief, case_no, share.id)
    with pytest.raises(NotFoundError):
        view(store, keyring, cast.neighbour)
    for court, days, error in (
        ("云29", 5, rules.ShareError),
        ("云2922", 0, rules.ShareError),
        ("京01", 5, NotFoundError),
    ):
        with pytest.raises(error), store.write() as uow:
            cases.share_case(uow, cast.chief, case_no, court, days=days, basis="样例")


def test_flags_are_proposed_set_and_cleared(store, cast, keyring):
    with store.write() as uow:
        cases.register_case(uow, cast.clerk, keyring, make_draft(claim_fen=2_000_000_000))
    assert view(store, keyring, cast.chief).proposed_flags == ["amount"]
    assert not view(store, keyring, cast.chief).case.is_flagged
    with store.write() as uow:
        cases.set_flag(uow, cast.upper_chief, CASE_NO, "amount")
    seen = view(store, keyring, cast.chief)
    assert (seen.case.is_flagged, seen.proposed_flags, [flag.flag for flag in seen.flags]) == (True, [], ["amount"])
    with pytest.raises(rules.AlreadySetError), store.write() as uow:
        cases.set_flag(uow, cast.chief, CASE_NO, "amount")
    with store.write() as uow:
        cases.clear_flag(uow, cast.chief, CASE_NO, seen.flags[0].id, "金额已核减")
    seen = view(store, keyring, cast.chief)
    assert (seen.case.is_flagged, seen.proposed_flags, seen.flags) == (False, [], [])
    with pytest.raises(ForbiddenError), store.write() as uow:
        cases.set_flag(uow, cast.clerk, CASE_NO, "petition")


def test_every_change_is_in_the_feed_and_the_chain_holds(store, cast, keyring, case_no):
    with store.write() as uow:
        cases.record_node(uow, cast.judge, case_no, "notice", done_on=TODAY)
        cases.set_flag(uow, cast.chief, case_no, "petition")
    with store.read() as session:
        changes = session.exec(select(CaseChange).order_by(CaseChange.id)).all()
        audit.verify_chain(session)
    assert [(change.kind, change.version) for change in changes] == [
        ("created", 1),
        ("assigned", 2),
        ("node_done", 3),
        ("flag_set", 4),
    ]


def test_a_change_that_fails_leaves_nothing(store, cast, keyring, case_no):
    before = view(store, keyring, cast.chief).case.version
    with pytest.raises(ConflictError), store.write() as uow:
        cases.record_node(uow, cast.judge, case_no, "notice", done_on=TODAY)
        cases.record_node(uow, cast.judge, case_no, nodes_id(uow), done_on=TODAY)
    assert view(store, keyring, cast.chief).case.version == before
    assert ("notice", True) in nodes_of(store)


def nodes_id(uow):
    return uow.session.exec(select(CaseNode.node_id).where(CaseNode.kind == "notice")).one()


@pytest.mark.parametrize("person", ["police", "admin", "neighbour"])
def test_who_has_no_business_with_the_case_learns_nothing(store, cast, keyring, case_no, person):
    actor = getattr(cast, person)
    errors = (NotFoundError, ForbiddenError)
    with pytest.raises(errors):
        view(store, keyring, actor)
    with pytest.raises(errors), store.write() as uow:
        cases.record_node(uow, actor, case_no, "notice", done_on=TODAY)
    with pytest.raises(errors), store.write() as uow:
        cases.assign_case(uow, actor, case_no, "judge")


def test_a_closed_case_is_taken_up_by_a_new_one(store, cast, keyring, case_no):
    resumed = make_draft("（2026）云2901执恢1号", filed_on=TODAY)
    with pytest.raises(rules.CaseStateError), store.write() as uow:
        cases.register_case(uow, cast.clerk, keyring, resumed, origin_case_no=case_no)
    with store.write() as uow:
        act = cases.draft_act(uow, cast.judge, case_no, "close", {"closing": "terminated"}, reason="被执行人死亡")
    with store.write() as uow:
        cases.approve_act(uow, cast.chief, act.id)
    with store.write() as uow:
        cases.register_case(uow, cast.clerk, keyring, resumed, origin_case_no=case_no)
    assert view(store, keyring, cast.clerk, "（2026）云2901执恢1号").origin_no == case_no
    assert view(store, keyring, cast.clerk).resumed_nos == ["（2026）云2901执恢1号"]
    assert timeline(store, cast.clerk)[0] == "resumed"
