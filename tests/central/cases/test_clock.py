"""Deadlines by the law's way of counting."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from central.cases import clock
from central.cases.catalogue import Limit, UnknownCodeError, load_catalogue
from central.cases.clock import Pause

CATALOGUE = load_catalogue()
DAYS = st.dates(date(2016, 1, 1), date(2026, 12, 31))


def pauses_from(start):
    """Pauses beside and over each other, some of them running."""
    return st.lists(
        st.builds(
            lambda offset, length: Pause(
                start + timedelta(days=offset), None if length is None else start + timedelta(days=offset + length)
            ),
            st.integers(0, 400),
            st.one_of(st.none(), st.integers(0, 200)),
        ),
        max_size=6,
    )


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        (date(2026, 8, 31), 6, date(2027, 2, 28)),
        (date(2027, 8, 31), 6, date(2028, 2, 29)),
        (date(2026, 1, 10), 6, date(2026, 7, 10)),
        (date(2026, 11, 30), 3, date(2027, 2, 28)),
        (date(2026, 12, 31), 2, date(2027, 2, 28)),
        (date(2026, 6, 30), 6, date(2026, 12, 30)),
        (date(2026, 12, 1), 60, date(2031, 12, 1)),
    ],
)
def test_months_end_on_the_day_of_the_same_number_or_the_last(day, months, expected):
    assert clock.add_months(day, months) == expected


@given(DAYS, st.integers(0, 200))
def test_months_never_leave_the_wanted_month(day, months):
    later = clock.add_months(day, months)
    assert (later.year * 12 + later.month) - (day.year * 12 + day.month) == months
    assert later.day == day.day or (later + timedelta(days=1)).day == 1


def test_working_days_follow_the_state_councils_calendar():
    # National Day 2026: 1 to 7 October off, Saturday 10 October worked.
    assert clock.add_working_days(date(2026, 9, 30), 1) == date(2026, 10, 8)
    assert clock.is_working_day(date(2026, 10, 10))
    assert not clock.is_provisional(date(2026, 10, 10))


def test_years_without_a_calendar_fall_back_to_weekdays_and_say_so():
    assert clock.is_provisional(date(2031, 10, 1))
    assert clock.is_working_day(date(2031, 10, 1))  # a Wednesday, although it will be a holiday
    assert not clock.is_working_day(date(2031, 10, 4))


@given(DAYS, st.integers(1, 60))
def test_the_nth_working_day_has_n_working_days_up_to_it(day, count):
    last = clock.add_working_days(day, count)
    passed = [day + timedelta(days=n) for n in range(1, (last - day).days + 1)]
    assert sum(map(clock.is_working_day, passed)) == count
    assert clock.is_working_day(last)


def test_hours_are_whole_days_rounded_up():
    assert clock.add_limit(date(2026, 3, 1), Limit(48, "hours")) == date(2026, 3, 3)
    assert clock.add_limit(date(2026, 3, 1), Limit(25, "hours")) == date(2026, 3, 3)


@given(st.data())
def test_net_days_leave_each_paused_day_out_once(data):
    filed_on = data.draw(DAYS)
    on = filed_on + timedelta(days=data.draw(st.integers(0, 500)))
    pauses = data.draw(pauses_from(filed_on - timedelta(days=20)))
    expected = sum(
        not clock.is_paused(filed_on + timedelta(days=n), pauses) for n in range(1, (on - filed_on).days + 1)
    )
    assert clock.net_days(filed_on, on, pauses) == expected
    assert clock.raw_days(filed_on, on) == (on - filed_on).days


@given(st.data())
def test_the_limit_leaves_as_many_net_days_as_without_pauses(data):
    filed_on = data.draw(DAYS)
    ended = [pause for pause in data.draw(pauses_from(filed_on - timedelta(days=20))) if pause.until_on is not None]
    base = clock.base_limit(CATALOGUE, type_code="执", filed_on=filed_on)
    limit = clock.case_limit(CATALOGUE, type_code="执", filed_on=filed_on, pauses=ended)
    assert limit >= base
    assert clock.net_days(filed_on, limit, ended) == (base - filed_on).days


def test_overlapping_pauses_move_the_limit_once():
    pauses = [Pause(date(2026, 2, 1), date(2026, 3, 1)), Pause(date(2026, 2, 15), date(2026, 3, 11))]
    limit = clock.case_limit(CATALOGUE, type_code="执", filed_on=date(2026, 1, 10), pauses=pauses)
    assert limit == date(2026, 7, 10) + timedelta(days=38)


def test_the_limit_stands_still_while_a_pause_runs():
    running = [Pause(date(2026, 2, 1))]
    assert clock.case_limit(CATALOGUE, type_code="执", filed_on=date(2026, 1, 10), pauses=running) is None


def test_what_was_late_when_the_pause_began_stays_late():
    late = [Pause(date(2026, 8, 1))]
    limit = clock.case_limit(CATALOGUE, type_code="执", filed_on=date(2026, 1, 10), pauses=late)
    assert limit == date(2026, 7, 10)


@pytest.mark.parametrize(
    ("type_code", "extended", "is_non_litigation", "expected"),
    [
        ("执", 0, False, date(2026, 7, 10)),
        ("执", 3, False, date(2026, 10, 10)),
        ("执", 0, True, date(2026, 4, 10)),
        ("执恢", 0, False, date(2026, 7, 10)),
        ("执异", 0, False, date(2026, 1, 25)),
        ("执复", 0, False, date(2026, 2, 9)),
        ("执复", 1, False, date(2026, 3, 11)),
        ("执保", 0, False, None),
        ("legacy", 0, False, None),
    ],
)
def test_each_type_has_its_limit(type_code, extended, is_non_litigation, expected):
    limit = clock.base_limit(
        CATALOGUE,
        type_code=type_code,
        filed_on=date(2026, 1, 10),
        extended=extended,
        is_non_litigation=is_non_litigation,
    )
    assert limit == expected


def test_an_extension_counts_from_the_filing_not_from_a_shorter_month():
    base = clock.base_limit(CATALOGUE, type_code="执", filed_on=date(2026, 8, 31), extended=3)
    assert base == date(2027, 5, 31)


def test_a_filed_case_gets_its_nodes():
    nodes = {
        n.kind: n for n in clock.plan_nodes(CATALOGUE, type_code="执", filed_on=date(2026, 1, 10), state="filed")
    }
    assert {kind: node.due_on for kind, node in nodes.items()} == {
        "assign": date(2026, 1, 17),
        "notice": date(2026, 1, 20),
        "inquiry": date(2026, 1, 15),
        "whole_case": date(2026, 7, 10),
    }


def test_nodes_done_are_kept_and_not_due():
    nodes = clock.plan_nodes(
        CATALOGUE,
        type_code="执",
        filed_on=date(2026, 1, 10),
        state="active",
        nodes_done={"notice": date(2026, 1, 12)},
    )
    done = [node for node in nodes if node.done_on]
    assert [(node.kind, node.done_on, node.due_on) for node in done] == [("notice", date(2026, 1, 12), None)]
    assert {node.kind for node in nodes if not node.done_on} == {"inquiry", "whole_case"}


def test_a_suspended_case_has_nothing_due():
    nodes = clock.plan_nodes(CATALOGUE, type_code="执", filed_on=date(2026, 1, 10), state="suspended")
    assert [node.due_on for node in nodes] == [None] * len(nodes)


def test_a_closed_case_has_no_open_node_but_for_rechecks():
    plan = {"type_code": "执", "filed_on": date(2026, 1, 10), "state": "closed", "closed_on": date(2026, 5, 31)}
    assert clock.plan_nodes(CATALOGUE, closing="completed", **plan) == []
    [recheck] = clock.plan_nodes(CATALOGUE, closing="terminated_for_now", **plan)
    assert (recheck.kind, recheck.due_on) == ("recheck", date(2026, 11, 30))


def recheck_days(closed_on, done_early_days=0):
    """Do every recheck and return the days they were due."""
    node, days, last = CATALOGUE.node("recheck"), [], None
    while (due := clock.next_recheck(CATALOGUE, node, closed_on, last)) is not None:
        days.append(due)
        last = due - timedelta(days=done_early_days)
    return days


@pytest.mark.parametrize("early", [0, 7, 60])
def test_ten_rechecks_in_five_years_whenever_they_are_done(early):
    days = recheck_days(date(2026, 8, 31), early)
    assert len(days) == 10
    assert days[0] == date(2027, 2, 28)
    assert days[-1] == date(2031, 8, 31)


def test_a_turn_that_was_missed_is_not_made_up():
    node = CATALOGUE.node("recheck")
    assert clock.next_recheck(CATALOGUE, node, date(2026, 1, 1), date(2027, 8, 1)) == date(2028, 1, 1)


def test_after_five_years_an_imported_case_has_no_recheck():
    plan = {"type_code": "执", "filed_on": date(2018, 1, 10), "state": "closed", "closed_on": date(2019, 5, 31)}
    assert clock.plan_nodes(CATALOGUE, closing="terminated_for_now", on=date(2026, 1, 1), **plan) == []
    assert clock.plan_nodes(CATALOGUE, closing="terminated_for_now", on=date(2023, 1, 1), **plan) != []


def test_an_unknown_code_is_told():
    with pytest.raises(UnknownCodeError, match="case type '执特'"):
        clock.plan_nodes(CATALOGUE, type_code="执特", filed_on=date(2026, 1, 1), state="filed")
    with pytest.raises(UnknownCodeError, match="node 'siesta'"):
        clock.plan_nodes(
            CATALOGUE,
            type_code="执",
            filed_on=date(2026, 1, 1),
            state="filed",
            nodes_done={"siesta": date(2026, 1, 1)},
        )


def test_today_is_the_day_in_shanghai():
    assert clock.today(clock.day_start_ms(date(2026, 5, 1))) == date(2026, 5, 1)
    assert clock.today(clock.day_start_ms(date(2026, 5, 1)) - 1) == date(2026, 4, 30)
