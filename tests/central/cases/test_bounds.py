"""Days no calendar holds, people of elsewhere, and judges who moved to another court."""

from dataclasses import replace
from datetime import date

import pytest

from central.base.errors import NotFoundError
from central.cases import agenda, clock
from central.cases import service as cases
from central.cases.catalogue import Limit, load_catalogue
from central.cases.clock import Pause
from central.cases.rules import DayError
from tests.central.cases.conftest import CASE_NO, FILED_ON, TODAY

LAST = date(9999, 12, 31)


class TestDays:
    @pytest.mark.parametrize("due_on", [LAST, date(2046, 9, 2)])
    def test_a_stated_day_is_within_twenty_years(self, store, cast, case_no, due_on):
        with pytest.raises(DayError, match="must lie between"), store.write() as uow:
            cases.start_node(uow, cast.judge, case_no, "lead_check", started_on=FILED_ON, due_on=due_on)

    def test_the_last_day_of_them_will_do(self, store, cast, case_no):
        with store.write() as uow:
            node = cases.start_node(
                uow, cast.judge, case_no, "lead_check", started_on=FILED_ON, due_on=date(2046, 9, 1)
            )
        assert node.due_on == date(2046, 9, 1)

    @pytest.mark.parametrize("until_on", [LAST, date(9999, 12, 30), date(2046, 9, 2)])
    def test_a_pause_ends_within_twenty_years(self, store, cast, case_no, until_on):
        for pause in load_catalogue().pauses:
            with pytest.raises(DayError, match="must lie between"), store.write() as uow:
                cases.start_pause(
                    uow, cast.judge, case_no, pause.kind, from_on=date(2026, 11, 1), until_on=until_on, doc_no="1号"
                )

    def test_no_sum_of_days_overflows(self):
        """Rows of an older release may hold such days already."""
        for unit in ("months", "working_days", "hours", "days"):
            assert clock.add_limit(LAST, Limit(9, unit)) == LAST
        assert clock.add_months(date(9999, 11, 30), 1) == date(9999, 12, 30)
        assert clock.add_months(date(9999, 12, 31), 0) == LAST
        far = Pause(date(2026, 1, 1), date(9999, 12, 30))
        assert clock.shift_by_pauses(date(2026, 1, 1), date(2026, 7, 1), [far]) == LAST
        assert clock.shift_by_pauses(LAST, LAST, [Pause(date(2026, 1, 1))]) is None
        assert clock.net_days(LAST, LAST, []) == 0


class TestRecusable:
    @pytest.mark.parametrize("login", ["neighbour", "neighbour_clerk", "police", "admin", "nobody"])
    def test_who_has_nothing_to_do_with_the_case_is_told_alike(self, store, cast, case_no, login):
        with pytest.raises(NotFoundError) as refused, store.write() as uow:
            cases.set_recusal(uow, cast.chief, case_no, login, "样例理由")
        assert refused.value.message.replace(login, "…") == (
            "'…' has nothing to do with this court; choose somebody of the list."
        )

    @pytest.mark.parametrize("login", ["judge", "clerk2", "president", "upper_chief", "supervisor"])
    def test_who_may_see_it_can_be_recused(self, store, cast, case_no, login):
        with store.write() as uow:
            assert cases.set_recusal(uow, cast.chief, case_no, login, "样例理由").reason == "样例理由"


@pytest.mark.both_databases
class TestMoved:
    """A judge and a clerk who work at another court now: what they left behind is no longer shown to them."""

    def look(self, store, actor):
        with store.read() as session:
            work = agenda.list_work(session, actor, TODAY)
            due = agenda.list_due(session, actor, from_on=None, until_on=None, mine=True)
            days = agenda.count_due_by_day(
                session, actor, from_on=date(2026, 1, 1), until_on=date(2030, 1, 1), mine=True
            )
        lists = (work.overdue, work.due_soon, work.assigned_new, work.own_drafts, work.rechecks, due)
        return {row.case_no for rows in lists for row in rows}, bool(days), [len(rows) for rows in lists]

    @pytest.mark.parametrize("who", ["judge", "clerk"])
    def test_nothing_of_the_old_court_is_shown(self, store, cast, case_no, who):
        actor = getattr(cast, who)
        with store.write() as uow:
            cases.draft_act(uow, actor, case_no, "extend", {"months": 1}, "样例理由")
        assert self.look(store, actor)[:2] == ({CASE_NO}, True)
        assert self.look(store, replace(actor, court_code="云2922")) == (set(), False, [0] * 6)
