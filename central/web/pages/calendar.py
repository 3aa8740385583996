"""期限: a month of deadlines, with the list of one day beside it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from fastapi import APIRouter, Request, Response

from central.cases import clock
from central.cases.queries import count_due_by_day, list_due
from central.courts import queries as courts
from central.courts.permissions import check_permission, may
from central.web.case_names import Names
from central.web.case_views import DayError, Month, parse_day, parse_month, urgency_of
from central.web.context import Here, SignedIn
from central.web.i18n import Words
from central.web.i18n import note as _
from central.web.labels.cases import URGENCIES
from central.web.render import render, words_of

router = APIRouter(prefix="/calendar")

DAY_ROWS: Final = 100
WEEKDAYS: Final = (_("周一"), _("周二"), _("周三"), _("周四"), _("周五"), _("周六"), _("周日"))


@dataclass(frozen=True)
class Cell:
    """One day of the grid: how many nodes are due, how pressing that is, whether people work."""

    day: date
    count: int
    urgency: str
    is_rest: bool
    mark: str
    """休 for a weekday off, 班 for a Saturday or Sunday on which people work."""
    told: str


@router.get("")
def show_calendar(
    request: Request, here: Here, actor: SignedIn, *, month: str = "", day: str = "", mine: str = ""
) -> Response:
    """Show a month; `mine` chooses between the own cases and all that the person sees."""
    check_permission(actor, "see_work")
    today, words = clock.today(here.now_ms()), words_of(request)
    shown = parse_month(month, today)
    chosen = _chosen(day, shown, today)
    has_own = may(actor, "record_node")
    only_mine = has_own and mine != "no" and (mine == "yes" or not may(actor, "assign_case"))
    weeks = shown.weeks
    with here.store.read() as session:
        counts = count_due_by_day(session, actor, from_on=weeks[0][0], until_on=weeks[-1][-1], mine=only_mine)
        rows = list_due(session, actor, from_on=chosen, until_on=chosen, mine=only_mine, limit=DAY_ROWS + 1)
        seen = courts.list_courts(session, actor)
    return render(
        request,
        "calendar/month.html",
        month=shown,
        month_name=words("%(year)s 年 %(month)s 月", year=shown.first.year, month=shown.first.month),
        weeks=[[_cell(each, counts.get(each, 0), today, words) for each in week] for week in weeks],
        weekdays=[words(name) for name in WEEKDAYS],
        today=today,
        chosen=chosen,
        chosen_weekday=words(WEEKDAYS[chosen.weekday()]),
        rows=[(row, urgency_of(row.due_on, today)) for row in rows[:DAY_ROWS]],
        has_more=len(rows) > DAY_ROWS,
        mine=only_mine,
        has_own=has_own,
        has_courts=len(seen) > 1,
        names=Names(words, seen),
    )


def _chosen(text: str, month: Month, today: date) -> date:
    """The day whose list is shown: the one asked for, else today in its month, else the first."""
    try:
        day = parse_day(text)
    except DayError:
        day = None
    if day is not None and abs(day - month.first) < timedelta(days=62):
        return day
    return today if (today.year, today.month) == (month.first.year, month.first.month) else month.first


def _cell(day: date, count: int, today: date, words: Words) -> Cell:
    urgency = urgency_of(day, today).code
    is_rest = not clock.is_working_day(day)
    is_weekend = day.weekday() > 4
    mark = words(_("班")) if is_weekend and not is_rest else words(_("休")) if is_rest and not is_weekend else ""
    told = f"{day} {words(WEEKDAYS[day.weekday()])}"
    if count:
        told = words(_("%(day)s，%(n)s 项到期，%(word)s"), day=told, n=count, word=words(URGENCIES[urgency].text))
    return Cell(day, count, urgency, is_rest, mark, told)
