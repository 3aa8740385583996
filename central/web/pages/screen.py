"""The big screen (指挥大屏): map, alarm queue, timeline, key figures."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from central.courts import queries as courts
from central.courts.permissions import Actor, check_permission, may
from central.web import views
from central.web.context import Here, SignedIn
from central.web.i18n import load_words
from central.web.labels import look_up
from central.web.labels.field import PRESENCE, REASONS
from central.web.landing import landing_page
from central.web.render import language_of, render

router = APIRouter()


@router.get("/")
def show_screen(request: Request, here: Here, actor: SignedIn) -> Response:
    """Show the big screen; those who may not see it go where their work begins."""
    if not may(actor, "see_screen"):
        return RedirectResponse(landing_page(actor), status_code=303)
    with here.store.read() as session:
        board = views.load_board(session, actor, now_ms=here.now_ms())
        court = courts.get_court(session, actor.court_code)
    return render(request, "screen/screen.html", board=board, court=court, boot=_boot(request, actor, board))


@router.get("/screen/board")
def show_board(request: Request, here: Here, actor: SignedIn) -> Response:
    """Return the panels of words and figures, each swapped into its place."""
    return board_response(request, here, actor)


def board_response(request: Request, here: Here, actor: Actor) -> Response:
    """Render the panels anew for this person."""
    check_permission(actor, "see_screen")
    with here.store.read() as session:
        board = views.load_board(session, actor, now_ms=here.now_ms())
    return render(request, "screen/board.html", board=board)


def _boot(request: Request, actor: Actor, board: views.Board) -> dict[str, Any]:
    words = load_words(language_of(request))
    return {
        "language": words.language,
        "counties": {row.division: words.choose(row.zh, row.en) for row in board.courts},
        "presence": {code: look_up(PRESENCE, code, words).text for code in PRESENCE},
        "reasons": {code: look_up(REASONS, code, words).text for code in REASONS},
        "can_see_trail": may(actor, "see_trail"),
    }
