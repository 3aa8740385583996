"""Who is logged in here, and what that person may do."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from central.courts import queries as courts
from central.courts.permissions import PERMISSIONS
from central.web.context import Here, SignedIn
from central.web.render import render

router = APIRouter()


@router.get("/profile")
def show_profile(request: Request, here: Here, actor: SignedIn) -> Response:
    """Show name, role, court and rights."""
    with here.store.read() as session:
        court = courts.get_court(session, actor.court_code)
    rights = sorted(action for action, roles in PERMISSIONS.items() if actor.role in roles)
    idle_min = here.settings.session_idle_s // 60
    return render(request, "profile.html", court=court, rights=rights, idle_min=idle_min)
