"""我的工作: what waits for this person, most pressing first; for those who lead, figures of their courts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

from fastapi import APIRouter, Request, Response

from central.cases import clock
from central.cases.figures import CourtFigures, count_by_court
from central.cases.queries import list_work
from central.cases.views import DueRow
from central.courts import queries as courts
from central.courts.permissions import check_permission
from central.web.case_names import Names
from central.web.case_page import People
from central.web.case_views import Urgency, urgency_of
from central.web.context import Here, SignedIn
from central.web.render import render, words_of

router = APIRouter(prefix="/work")

# Who looks at whole courts: the figures are theirs.
LEADERS: Final = frozenset({"president", "commander", "bureau_chief", "supervisor", "duty_operator"})
LISTED: Final = 50


@router.get("")
def show_work(request: Request, here: Here, actor: SignedIn) -> Response:
    """Show what waits for the person logged in."""
    check_permission(actor, "see_work")
    today, words = clock.today(here.now_ms()), words_of(request)
    with here.store.read() as session:
        work = list_work(session, actor, today, limit=LISTED)
        every = courts.list_all_courts(session)
        who = People(session, words)
        acts = (*work.to_approve, *work.to_sign, *work.own_drafts)
        drafters = {row.drafted_by: who(row.drafted_by) for row in acts}
        figures = [] if actor.roles.isdisjoint(LEADERS) else count_by_court(session, actor, today)
    due = [*_near(work.overdue, today), *_near(work.due_soon, today)]
    return render(
        request,
        "work/work.html",
        work=work,
        today=today,
        due=due,
        assigned=_near(work.assigned_new, today),
        without_handler=_near(work.without_handler, today),
        rechecks=_near(work.rechecks, today),
        waiting=[*work.to_approve, *work.to_sign],
        figures=figures,
        whole=_add_up(figures),
        names=Names(words, every),
        who=drafters,
        limit=LISTED,
        is_calm=not (due or work.to_approve or work.to_sign or work.assigned_new or work.without_handler),
    )


def _add_up(figures: Sequence[CourtFigures]) -> CourtFigures | None:
    """Return the sum over all courts under the code of the highest, whose lists hold those below it too."""
    if len(figures) < 2:
        return None
    names = ("open", "overdue", "soon", "rechecks", "waiting")
    sums = {name: sum(getattr(row, name) for row in figures) for name in names}
    return CourtFigures(court_code=figures[0].court_code, **sums)


def _near(rows: Sequence[DueRow], today: date) -> list[tuple[DueRow, Urgency]]:
    return [(row, urgency_of(row.due_on, today)) for row in rows]
