"""What no file may do to a case that is here: another's case, what was decided here, a recused person's case."""

from dataclasses import replace
from datetime import date

import pytest
from sqlmodel import select

from central.cases import service as cases
from central.cases.catalogue import get_catalogue
from central.cases.drafts import Outcome
from central.cases.foresight import CaseWorkedHereError, OtherSourceError, Refusal, foresee
from central.cases.models import CaseAct, CaseEntry, EnforcementCase, Party
from central.cases.parties import PartyDraft
from central.cases.rules import HandlerUnfitError
from central.cases.writer import store_cases, take_cases
from tests.central.cases.conftest import CASE_NO, make_draft

pytestmark = pytest.mark.both_databases

SOURCE = "旧系统"
CLOSED = {"state": "closed", "closing": "terminated_for_now", "closed_on": date(2026, 11, 20)}


def draft(**changes):
    return make_draft(**{"state": "active", **changes})


@pytest.fixture
def take(store, keyring):
    """Take drafts as an import does; returns what became of the only one."""

    def run(*drafts, source=SOURCE, people=()):
        with store.read() as session:
            ahead = foresee(session, keyring, drafts, source=source, people=people).outcomes
        with store.write() as uow:
            done = take_cases(uow, keyring, get_catalogue(), drafts, source=source, actor="user:shuji", people=people)
        assert [type(one) for one in ahead] == [type(one) for one in done], "a dry run foretells refusals"
        return done[0] if len(done) == 1 else done

    return run


@pytest.fixture
def imported(take, cast):
    """A case of the old system that the judge handles."""
    assert take(draft(handler_login="judge")) == Outcome.CREATED
    return CASE_NO


def whole(store):
    """Everything that is stored of the cases."""
    with store.read() as session:
        return [
            row.model_dump()
            for table in (EnforcementCase, Party, CaseEntry, CaseAct)
            for row in session.exec(select(table)).all()
        ]


class TestSource:
    @pytest.mark.parametrize("changes", [{}, CLOSED, {"parties": (PartyDraft("executee", "natural", "改名"),)}])
    def test_a_case_registered_here_is_nobodys(self, store, take, case_no, changes):
        before = whole(store)
        assert take(make_draft(case_no, **changes)) == Refusal("case_of_other_source", case_no)
        assert whole(store) == before

    def test_nor_is_one_of_another_source_even_when_nothing_changes(self, store, take, imported):
        """`unchanged` would tell whether one has guessed what stands there."""
        before = whole(store)
        for changed in (draft(handler_login="judge"), draft(claim_fen=1)):
            assert take(changed, source="手工") == Refusal("case_of_other_source", imported)
        assert whole(store) == before

    def test_one_refused_row_costs_no_other(self, take, imported):
        other = "（2026）云2901执2号"
        outcomes = take(make_draft(imported), make_draft(other), source="手工")
        assert outcomes == [Refusal("case_of_other_source", imported), Outcome.CREATED]

    def test_who_has_read_it_may_change_it_and_does_not_come_to_own_it(self, store, keyring, case_no):
        with store.write() as uow:
            case = uow.session.exec(select(EnforcementCase)).one()
            sent = make_draft(case_no, claim_fen=7, state=case.state)
            store_cases(uow, keyring, get_catalogue(), [sent], source="x", actor="service:x", replaces_others=True)
        with store.read() as session:
            case = session.exec(select(EnforcementCase)).one()
            assert (case.claim_fen, case.source) == (7, "")
        for fields in (CLOSED, {"filed_on": date(2026, 8, 1), "state": case.state}):
            with store.write() as uow, pytest.raises(CaseWorkedHereError):
                store_cases(
                    uow, keyring, get_catalogue(), [replace(sent, **fields)], source="x", actor="service:x",
                    replaces_others=True,
                )  # fmt: skip
        with store.write() as uow, pytest.raises(OtherSourceError):
            store_cases(uow, keyring, get_catalogue(), [sent], source="x", actor="service:x")


class TestWorkedHere:
    def ask(self, store, cast):
        with store.write() as uow:
            return cases.draft_act(uow, cast.judge, CASE_NO, "extend", {"months": 1}, "样例理由").id

    def approve(self, store, cast):
        act_id = self.ask(store, cast)
        with store.write() as uow:
            cases.approve_act(uow, cast.chief, act_id)
        return act_id

    def extend(self, store, cast):
        act_id = self.approve(store, cast)
        with store.write() as uow:
            cases.sign_act(uow, cast.president, act_id)

    def close(self, store, cast):
        with store.write() as uow:
            case = uow.session.exec(select(EnforcementCase)).one()
            case.state, case.closing, case.closed_on = "closed", "completed", date(2026, 11, 18)
            act = {"kind": "close", "state": "done", "drafted_by": "judge", "drafted_ms": 1, "court_code": "云2901"}
            uow.session.add(CaseAct(case_id=case.case_id, **act))

    def pause(self, store, cast):
        with store.write() as uow:
            cases.start_pause(uow, cast.judge, CASE_NO, "appraisal", from_on=date(2026, 11, 1), doc_no="样例1号")

    def recuse(self, store, cast):
        with store.write() as uow:
            cases.set_recusal(uow, cast.chief, CASE_NO, "judge2", "样例理由")

    @pytest.mark.parametrize("deed", ["ask", "approve", "extend", "close", "pause", "recuse"])
    def test_a_file_never_undoes_what_was_decided_here(self, store, take, cast, imported, deed):
        getattr(self, deed)(store, cast)
        before = whole(store)
        with store.read() as session:
            now = session.exec(select(EnforcementCase)).one()
        said = {"state": now.state, "closing": now.closing, "closed_on": now.closed_on, "handler_login": "judge"}
        other = {"state": "assigned", "closing": "", "closed_on": None} if deed == "close" else CLOSED
        fields = ("state", "closing", "closed_on")
        assert take(draft(**{**said, **other})) == Refusal("case_worked_here", imported, fields)
        assert take(draft(**said, filed_on=date(2026, 8, 1))).fields == ("filed_on",)
        assert whole(store) == before
        assert take(draft(**said, claim_fen=99)) == Outcome.UPDATED  # what stands here passes

    def test_the_old_row_again_is_no_change(self, store, take, cast, imported):
        self.close(store, cast)
        assert take(draft(handler_login="judge")) == Outcome.UNCHANGED

    def test_what_came_to_nothing_is_no_work(self, store, take, cast, imported):
        act_id = self.ask(store, cast)
        with store.write() as uow:
            cases.refuse_act(uow, cast.chief, act_id, "样例理由")
        assert take(draft(**CLOSED)) == Outcome.UPDATED

    def test_a_source_closes_its_own_case_that_nobody_worked_on_here(self, store, take, imported):
        assert take(draft(filed_on=date(2026, 8, 31), **CLOSED)) == Outcome.UPDATED
        with store.read() as session:
            case = session.exec(select(EnforcementCase)).one()
        assert (case.state, case.closing, case.filed_on) == ("closed", "terminated_for_now", date(2026, 8, 31))


class TestRecused:
    def test_a_recused_person_reaches_the_case_by_no_file(self, store, take, cast, imported):
        with store.write() as uow:
            recusal = cases.set_recusal(uow, cast.chief, imported, "clerk", "样例理由")
        before = whole(store)
        for changed in (draft(handler_login="judge"), draft(claim_fen=99)):
            assert take(changed, people={"clerk", "chief"}) == Refusal("case_unknown", imported)
        assert whole(store) == before
        assert take(draft(claim_fen=99), people={"clerk2", "chief"}) == Outcome.UPDATED
        with store.write() as uow:
            cases.end_recusal(uow, cast.chief, imported, recusal.id, "样例理由")
        assert take(draft(claim_fen=98), people={"clerk"}) == Outcome.UPDATED


class TestHandler:
    @pytest.mark.parametrize("login", ["clerk", "chief", "neighbour_clerk", "police", "nobody"])
    def test_only_a_judge_of_the_cases_court_is_made_its_handler(self, store, take, keyring, cast, login):
        assert take(draft(handler_login=login)) == Refusal("handler_unfit", CASE_NO)
        assert whole(store) == []
        with store.write() as uow, pytest.raises(HandlerUnfitError):
            store_cases(uow, keyring, get_catalogue(), [draft(handler_login=login)], source="x", actor="service:x")

    def test_nor_of_a_case_that_is_here(self, store, take, imported):
        before = whole(store)
        assert take(draft(handler_login="clerk")) == Refusal("handler_unfit", imported)
        assert whole(store) == before
        assert take(draft(handler_login="judge2")) == Outcome.UPDATED

    def test_a_name_makes_a_handler_of_a_judge_only(self, store, take, cast):
        assert take(draft(handler_name=cast.clerk.name)) == Outcome.CREATED
        with store.read() as session:
            case = session.exec(select(EnforcementCase)).one()
        assert (case.handler_id, case.handler_name) == (None, cast.clerk.name)
