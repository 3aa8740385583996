"""Log-in by the court's directory (OpenID Connect): there and back."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from central.base.errors import NotFoundError
from central.people.directory import Directory
from central.people.rules import (
    AddressLockedError,
    CeremonyExpiredError,
    DirectoryRefusedError,
    DirectoryUnreachableError,
    NotAdmittedError,
    TerminalRequiredError,
    TooManyExchangesError,
)
from central.web.context import Context, Here
from central.web.pages.login import show_gate
from central.web.render import render
from central.web.visits import keep_session, local_path, next_step, visit_of

router = APIRouter(prefix="/login/directory")

STATE_COOKIE = "zhixing_directory"
STATE_MAX_AGE_S = 15 * 60
REFUSALS = (
    AddressLockedError,
    CeremonyExpiredError,
    DirectoryRefusedError,
    DirectoryUnreachableError,
    NotAdmittedError,
    TerminalRequiredError,
)


@router.get("")
def depart(request: Request, here: Here, next: str = "/") -> Response:
    """Send the browser to the directory, with a cookie only it can bring back."""
    try:
        journey = _directory(here).depart(here.store, local_path(next), client=visit_of(request).client)
    except (DirectoryUnreachableError, TooManyExchangesError) as error:
        return show_gate(request, here, "login/login.html", error=error, next=local_path(next), login="")
    response = RedirectResponse(journey.url, status_code=303)
    # Lax, not strict: the way back is a navigation that the directory's site begins.
    response.set_cookie(
        STATE_COOKIE, journey.state, max_age=STATE_MAX_AGE_S, path="/login/directory", httponly=True, samesite="lax",
        secure=here.is_https,
    )  # fmt: skip
    return response


@router.get("/back")
def arrive(request: Request, here: Here, state: str = "", code: str = "", error: str = "") -> Response:
    """Let the person in whom the directory vouches for."""
    cookie = request.cookies.get(STATE_COOKIE, "")
    try:
        if error or not code:
            raise DirectoryRefusedError("The directory did not let you through; log in again.", what=error[:60])
        issued, target = _directory(here).arrive(
            here.store, state=state[:200], cookie=cookie, code=code[:2000], visit=visit_of(request)
        )
    except REFUSALS as refusal:
        response = show_gate(request, here, "login/login.html", error=refusal, next="/", login="")
        response.delete_cookie(STATE_COOKIE, path="/login/directory")
        return response
    # A page of ours leads on: the session's strict cookie does not go with a redirect begun at another site.
    step = next_step(issued.stage, issued.actor, target)
    response = render(request, "login/onward.html", target=step)
    response.delete_cookie(STATE_COOKIE, path="/login/directory")
    return keep_session(here, response, issued)


def _directory(here: Context) -> Directory:
    if here.directory is None:
        raise NotFoundError("No directory is configured; log in with your password.")
    return here.directory
