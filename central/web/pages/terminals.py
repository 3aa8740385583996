"""Registered workstations (seed 22): registered by the security administrator, bound by their own browser."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from central.base.errors import InvalidInputError
from central.courts import queries as courts
from central.courts.permissions import Actor
from central.people import terminals
from central.people.rules import AddressLockedError, WrongCodeError
from central.web.context import Context, Here, Proven, SignedIn
from central.web.pages.login import show_gate
from central.web.problems import render_form
from central.web.security import SESSION_COOKIE
from central.web.visits import TERMINAL_COOKIE, keep_terminal, visit_of

router = APIRouter()


@router.get("/admin/terminals")
def list_terminals(request: Request, here: Here, actor: SignedIn) -> Response:
    """List the workstations of the actor's courts."""
    return _show(request, here, actor)


@router.post("/admin/terminals")
def register(
    *,
    request: Request,
    here: Here,
    actor: Proven,
    name: Annotated[str, Form(max_length=200)] = "",
    room: Annotated[str, Form(max_length=200)] = "",
    court: Annotated[str, Form(max_length=40)] = "",
) -> Response:
    """Register a workstation; the code that binds its browser is shown once, here."""
    try:
        with here.store.write() as uow:
            code = terminals.register_terminal(uow, actor, name=name, room=room, court_code=court)
    except InvalidInputError as error:
        return _show(request, here, actor, error=error, typed={"name": name, "room": room, "court": court})
    return _show(request, here, actor, code=code)


@router.post("/admin/terminals/{terminal_id}/code")
def renew(request: Request, here: Here, actor: Proven, terminal_id: str) -> Response:
    """Give a workstation a fresh code."""
    with here.store.write() as uow:
        code = terminals.renew_code(uow, actor, terminal_id)
    return _show(request, here, actor, code=code)


@router.post("/admin/terminals/{terminal_id}/revoke")
def revoke(here: Here, actor: Proven, terminal_id: str) -> Response:
    """End a workstation."""
    with here.store.write() as uow:
        terminals.revoke_terminal(uow, actor, terminal_id)
    return RedirectResponse("/admin/terminals", status_code=303)


@router.get("/terminal")
def show_binding(request: Request, here: Here) -> Response:
    """Show whether this browser is a registered workstation; nobody needs to be logged in."""
    return _show_binding(request, here)


@router.post("/terminal")
def bind(request: Request, here: Here, code: Annotated[str, Form(max_length=64)] = "") -> Response:
    """Bind this browser by its code."""
    token = request.cookies.get(SESSION_COOKIE, "")
    try:
        with here.store.write() as uow:
            made, _terminal = terminals.bind_browser(uow, code, session_token=token, client=visit_of(request).client)
    except (WrongCodeError, AddressLockedError) as error:
        return _show_binding(request, here, error=error)
    return keep_terminal(here, RedirectResponse("/terminal", status_code=303), made)


def _show(request: Request, here: Context, actor: Actor, **more: Any) -> Response:
    with here.store.read() as session:
        rows = terminals.list_terminals(session, actor)
        known = {row.code: row for row in courts.list_courts(session, actor)}
    values = {
        "rows": rows,
        "courts": known,
        "binding": here.settings.terminal_binding,
        "address": here.settings.web_url,
    }
    typed = {"name": "", "room": "", "court": actor.court_code}
    return render_form(request, "admin/terminals.html", **{"code": None, "typed": typed, **values, **more})


def _show_binding(request: Request, here: Context, **more: Any) -> Response:
    token = request.cookies.get(TERMINAL_COOKIE, "")
    with here.store.read() as session:
        terminal = terminals.find_bound(session, token)
        court = courts.get_court(session, terminal.court_code) if terminal else None
    response = show_gate(request, here, "login/terminal.html", terminal=terminal, court=court, **more)
    return keep_terminal(here, response, token) if terminal else response
