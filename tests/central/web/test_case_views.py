"""Days, money, months and nearness as the pages of cases read and show them; searches sealed into addresses."""

from datetime import date

import pytest
from markupsafe import Markup

from central.cases.parties import PartyDraft
from central.cases.rules import Difference
from central.cases.service import PartyEdit
from central.courts.permissions import Actor
from central.web.case_form import read_form, show_difference
from central.web.case_search import SearchForm
from central.web.case_views import (
    DayError,
    MoneyError,
    Month,
    need_day,
    parse_day,
    parse_money,
    parse_month,
    urgency_of,
)
from central.web.formats import mark_text, show_money
from central.web.landing import landing_page
from central.web.sealed_search import open_search, seal_search

TODAY = date(2026, 11, 26)


@pytest.mark.parametrize("text", ["2026-11-05", "2026/11/5", "2026.11.05", "20261105", "2026年11月5日"])
def test_days_are_read_as_people_type_them(text):
    assert parse_day(text) == date(2026, 11, 5)


@pytest.mark.parametrize("text", ["昨天", "2026-02-30", "2026115", "11-05", "2026-11-05x"])
def test_what_is_no_day_is_refused(text):
    with pytest.raises(DayError):
        parse_day(text)


def test_a_day_may_be_left_out_or_not():
    assert parse_day(" ") is None
    with pytest.raises(DayError):
        need_day("")


def test_money_is_exact():
    assert [parse_money(text) for text in ("", "1,234.5", "１００元", "0.01")] == [0, 123_450, 10_000, 1]
    assert show_money(123_450) == "1,234.50"
    assert show_money(None) == "—"
    for text in ("1.234", "-5", "十万", "1e9"):
        with pytest.raises(MoneyError):
            parse_money(text)


def test_nearness():
    days = (date(2026, 11, 25), TODAY, date(2026, 12, 3), date(2026, 12, 4), None)
    assert [urgency_of(day, TODAY).code for day in days] == ["overdue", "today", "soon", "later", "none"]
    assert urgency_of(date(2026, 11, 16), TODAY).days == -10
    assert urgency_of(TODAY, TODAY, state="closed").code == "closed"
    assert urgency_of(TODAY, TODAY, is_paused=True).code == "paused"


def test_a_month_has_whole_weeks_from_monday():
    month = parse_month("2026-02", TODAY)
    assert [week[0].weekday() for week in month.weeks] == [0] * len(month.weeks)
    assert month.weeks[0][0] <= date(2026, 2, 1)
    assert month.weeks[-1][-1] >= date(2026, 2, 28)
    assert (month.previous.name, month.next.name) == ("2026-01", "2026-03")
    assert parse_month("1026-99", TODAY) == Month(date(2026, 11, 1))


def test_marking_escapes():
    assert mark_text("<b>秀英", "秀") == Markup("&lt;b&gt;<mark>秀</mark>英")
    assert mark_text("秀英", " ") == "秀英"


def test_a_sealed_search_opens_for_its_person_alone():
    token = seal_search(b"secret", "shuji", " 样例秀英 ")
    assert "秀" not in token
    assert open_search(b"secret", "shuji", token) == "样例秀英"
    assert open_search(b"secret", "juzhang", token) is None
    assert open_search(b"other", "shuji", token) is None
    assert open_search(b"secret", "shuji", "不是令牌") is None
    assert open_search(b"secret", "shuji", "") == ""
    assert seal_search(b"secret", "shuji", "") == ""


def test_due_choices_become_days():
    overdue = SearchForm(due="overdue").make_filter("", TODAY)
    assert (overdue.due_from, overdue.due_until) == (None, date(2026, 11, 25))
    week = SearchForm(due="7", flagged="yes").make_filter("x", TODAY)
    assert (week.due_from, week.due_until, week.flagged, week.text) == (TODAY, date(2026, 12, 3), True, "x")
    between = SearchForm(due="range", since="2026-01-01").make_filter("", TODAY)
    assert (between.due_from, between.due_until) == (date(2026, 1, 1), None)
    assert SearchForm(state="open", q="t").address(after="9-9") == "q=t&state=open&after=9-9"


def test_a_party_left_empty_keeps_what_is_sealed():
    sent = {
        "version": "3", "claim": "10", "p0-id": "7", "p0-role": "executee", "p0-kind": "natural", "p0-name": "样例甲",
        "p0-phone": "000-1", "p1-role": "executee", "p1-kind": "natural", "p1-name": "",
    }  # fmt: skip
    form = read_form(sent)
    (edit,), wrong = form.make_parties()
    assert edit == PartyEdit(
        PartyDraft("executee", "natural", "样例甲", phone="000-1"), 7,
        frozenset({"id_no", "address", "account", "representative"}),
    )  # fmt: skip
    assert (wrong, form.version, form.make_changes()["claim_fen"]) == ({}, 3, 1000)
    erased = read_form(sent | {"p0-erase": "yes"}).make_parties()[0][0]
    assert erased.keeps == frozenset()
    assert read_form(sent | {"p0-remove": "yes"}).make_parties()[0] == []


def test_differences_are_told_in_words():
    assert show_difference(Difference("claim_fen", 100, 250)) == ("claim", "1.00", "2.50")
    theirs, yours = [("executee", "甲")], [("executee", "甲"), ("executee", "乙")]
    assert show_difference(Difference("parties", theirs, yours)) == ("parties", "甲", "甲、乙")


@pytest.mark.parametrize(
    ("role", "page"),
    [
        ("duty_operator", "/"), ("commander", "/"), ("judge", "/work"), ("clerk", "/work"), ("bureau_chief", "/work"),
        ("president", "/work"), ("supervisor", "/work"), ("system_admin", "/admin"), ("audit_admin", "/admin"),
        ("police", "/kits"), ("liaison", "/profile"), ("seal_keeper", "/profile"),
    ],
)  # fmt: skip
def test_everybody_lands_where_the_work_begins(role, page):
    assert landing_page(Actor("u", "yangli", "样例", role, "云29")) == page
