"""What is due, what waits, and that the indexes serve it; on both databases."""

from datetime import date, timedelta

import pytest
from sqlalchemy import event

from central.base.errors import NotFoundError
from central.cases import queries
from central.cases import service as cases
from central.courts.permissions import Actor
from tests.central.cases.conftest import CASE_NO, TODAY, make_draft

pytestmark = pytest.mark.both_databases

FILED = {  # serial -> day filed; due: inquiry + 5, assign + 7, notice + 10, whole case + 6 months
    1: TODAY - timedelta(days=30),
    2: TODAY - timedelta(days=6),
    3: TODAY,
}


def number(serial, court="云2901"):
    return f"（2026）{court}执{serial}号"


@pytest.fixture
def docket(store, cast, keyring):
    """Three cases of the judge and one of a neighbouring court."""
    with store.write() as uow:
        for serial, filed_on in FILED.items():
            cases.register_case(uow, cast.clerk, keyring, make_draft(number(serial), filed_on=filed_on))
            if serial < 3:
                cases.assign_case(uow, cast.chief, number(serial), "judge")
        cases.register_case(uow, cast.neighbour_clerk, keyring, make_draft(number(1, "云2922"), filed_on=FILED[1]))


def due(store, actor, first=None, last=None, **wanted):
    with store.read() as session:
        rows = queries.list_due(session, actor, from_on=first, until_on=last, **wanted)
    return [(row.case_no, row.kind, row.due_on) for row in rows]


def work(store, actor):
    with store.read() as session:
        return queries.list_work(session, actor, TODAY)


def test_due_nodes_come_earliest_first(store, cast, docket):
    assert due(store, cast.judge, None, TODAY, mine=True) == [
        (number(1), "inquiry", FILED[1] + timedelta(days=5)),
        (number(1), "notice", FILED[1] + timedelta(days=10)),
        (number(2), "inquiry", FILED[2] + timedelta(days=5)),
    ]
    assert due(store, cast.judge2, None, TODAY, mine=True) == []


def test_each_sees_what_lies_in_scope(store, cast, docket):
    last = TODAY - timedelta(days=20)
    own, other = (number(1), number(1, "云2922"))
    assert {row[0] for row in due(store, cast.chief, None, last)} == {own}
    assert {row[0] for row in due(store, cast.upper_chief, None, last)} == {own, other}
    assert {row[0] for row in due(store, cast.neighbour, None, last)} == {other}
    assert due(store, cast.police, None, last) == []
    assert (
        due(store, cast.upper_chief, None, last, limit=2)
        == sorted(due(store, cast.upper_chief, None, last), key=lambda row: row[2])[:2]
    )


def test_a_clerk_has_the_cases_it_serves(store, cast, docket):
    assert {row[0] for row in due(store, cast.clerk, None, None, mine=True)} == {number(n) for n in FILED}
    assert due(store, cast.clerk2, None, None, mine=True) == []


def test_the_calendar_counts_what_is_listed(store, cast, docket):
    first, last = TODAY - timedelta(days=40), TODAY + timedelta(days=40)
    for actor in (cast.chief, cast.upper_chief, cast.judge):
        with store.read() as session:
            counts = queries.count_due_by_day(session, actor, from_on=first, until_on=last)
        listed = [row[2] for row in due(store, actor, first, last)]
        assert counts == {day: listed.count(day) for day in sorted(set(listed))}
    with store.read() as session:
        mine = queries.count_due_by_day(session, cast.judge, from_on=first, until_on=last, mine=True)
        none = queries.count_due_by_day(session, cast.police, from_on=first, until_on=last)
    assert sum(mine.values()) == 4
    assert none == {}


def test_recusal_takes_a_case_out_of_every_list(store, cast, docket):
    first, last = TODAY - timedelta(days=40), TODAY
    with store.write() as uow:
        cases.set_recusal(uow, cast.president, number(1), "judge", "与当事人有亲属关系")
    assert {row[0] for row in due(store, cast.judge, first, last)} == {number(2)}
    with store.read() as session:
        counts = queries.count_due_by_day(session, cast.judge, from_on=first, until_on=last)
        mine = queries.count_due_by_day(session, cast.judge, from_on=first, until_on=last, mine=True)
    assert counts == mine == {FILED[2] + timedelta(days=5): 1}


def test_work_is_told_by_role(store, cast, docket):
    judge, chief = work(store, cast.judge), work(store, cast.chief)
    assert [row.case_no for row in judge.overdue] == [number(1), number(1), number(2)]
    assert [(row.case_no, row.kind) for row in judge.due_soon] == [(number(2), "notice")]
    assert {row.case_no for row in judge.assigned_new} == {number(1), number(2)}
    assert judge.without_handler == []
    assert {row.case_no for row in chief.without_handler} == {number(3)}
    assert chief.assigned_new == []
    assert judge.overdue[0].parties == "样例申请人甲 / 样例被执行人乙"
    assert not any(work(store, cast.police).overdue)
    assert {row.case_no for row in work(store, cast.supervisor).overdue} == {
        number(1),
        number(2),
        number(1, "云2922"),
    }


def test_many_parties_are_shortened(store, cast, keyring):
    creditors = tuple(make_draft().parties[0].__class__("applicant", "natural", f"样例债权人{n}") for n in "甲乙丙")
    with store.write() as uow:
        cases.register_case(uow, cast.clerk, keyring, make_draft(parties=creditors + make_draft().parties[1:]))
    [row] = [row for row in work(store, cast.chief).without_handler if row.case_no == CASE_NO]
    assert row.parties == "样例债权人甲、样例债权人乙… / 样例被执行人乙"


def test_a_case_is_not_found_by_whom_it_does_not_concern(store, cast, docket):
    with store.read() as session:
        for actor in (cast.neighbour, Actor("x", "x", "x", "clerk", "云30")):
            with pytest.raises(NotFoundError):
                queries.get_case(session, actor, number(1), now_ms=store.clock.now_ms())
        assert queries.get_case(session, cast.upper_chief, number(1), now_ms=store.clock.now_ms())


def test_the_timeline_pages_on(store, cast, docket):
    with store.read() as session:
        lines = queries.list_timeline(session, cast.judge, number(1), now_ms=store.clock.now_ms(), limit=1)
        more = queries.list_timeline(session, cast.judge, number(1), now_ms=store.clock.now_ms(), before=lines[-1].id)
    assert [line.kind for line in (*lines, *more)] == ["assigned", "registered"]


def test_a_clock_that_was_stopped_shows_what_was_left(store, clock, cast, keyring, docket):
    with store.write() as uow:
        cases.start_pause(uow, cast.judge, number(1), "suspension", from_on=TODAY, doc_no="样例1号")

    def look():
        with store.read() as session:
            return queries.view_case(session, cast.judge, keyring, number(1), now_ms=store.clock.now_ms()).clock

    before = look()
    clock.advance(s=40 * 86_400)
    after = look()
    assert (after.raw_days - before.raw_days, after.net_days - before.net_days) == (40, 0)
    assert after.days_left == before.days_left
    assert after.limit_on is None


def test_working_days_beyond_the_known_calendar_are_marked(store, clock, cast, keyring, docket):
    def is_provisional():
        with store.read() as session:
            view = queries.view_case(session, cast.judge, keyring, number(1), now_ms=store.clock.now_ms())
        return view.clock.is_provisional

    assert not is_provisional()  # the whole case is due in 2027, but by months
    clock.advance(s=36 * 86_400)  # 30 December
    with store.write() as uow:
        cases.start_node(uow, cast.judge, number(1), "petition_record", started_on=date(2026, 12, 30))
    assert is_provisional()


def plans_of(store, ask):
    """Return how SQLite carries out every statement of `ask`."""
    plans = []

    def explain(connection, cursor, statement, parameters, context, many):
        if statement.startswith("SELECT"):
            raw = connection.connection.cursor()
            plans.append([row[3] for row in raw.execute("EXPLAIN QUERY PLAN " + statement, parameters).fetchall()])
            raw.close()

    event.listen(store.engine, "before_cursor_execute", explain)
    try:
        with store.read() as session:
            ask(session)
    finally:
        event.remove(store.engine, "before_cursor_execute", explain)
    return plans


@pytest.mark.sqlite_only
@pytest.mark.parametrize("person", ["judge", "clerk", "chief", "upper_chief", "president", "supervisor"])
def test_no_list_reads_whole_tables(store, cast, keyring, docket, person):
    actor = getattr(cast, person)

    def ask(session):
        queries.list_work(session, actor, TODAY)
        queries.list_due(session, actor, from_on=TODAY, until_on=date(2026, 12, 31))
        queries.count_due_by_day(session, actor, from_on=TODAY, until_on=date(2026, 12, 31))
        queries.view_case(session, actor, keyring, number(1), now_ms=store.clock.now_ms())

    steps = [step for plan in plans_of(store, ask) for step in plan]
    large = ("enforcement_case", "case_node", "party", "case_entry", "case_act", "case_change")
    assert [step for step in steps if step.startswith("SCAN") and step.split()[1] in large] == []
    assert any("ix_node_due" in step for step in steps)


@pytest.mark.sqlite_only
def test_pauses_that_end_are_found_by_their_index(store):
    plans = []

    def explain(connection, cursor, statement, parameters, context, many):
        if "FROM case_pause" in statement:
            raw = connection.connection.cursor()
            plans.extend(row[3] for row in raw.execute("EXPLAIN QUERY PLAN " + statement, parameters).fetchall())
            raw.close()

    event.listen(store.engine, "before_cursor_execute", explain)
    with store.write() as uow:
        assert cases.end_due_pauses(uow) == 0
    assert any("ix_pause_running" in step for step in plans)
