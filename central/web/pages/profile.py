"""Who is logged in here: own rights, password, second ways, sessions."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from central.base.errors import DomainError
from central.courts import queries as courts
from central.courts.permissions import PERMISSIONS
from central.people import passkeys, passwords, sessions
from central.people import queries as people
from central.people.queries import Login
from central.people.rules import (
    AddressLockedError,
    LockedOutError,
    PasswordsDifferError,
    WeakPasswordError,
    WrongPasswordError,
)
from central.web.context import CurrentLogin, Here, ProvenLogin
from central.web.problems import render_form
from central.web.render import render
from central.web.security import SESSION_COOKIE
from central.web.visits import visit_of

router = APIRouter(prefix="/profile")

REFUSALS = (WeakPasswordError, WrongPasswordError, LockedOutError, AddressLockedError)


@router.get("")
def show_profile(request: Request, here: Here, login: CurrentLogin) -> Response:
    """Show name, role, court, rights, second ways and sessions."""
    actor, now_ms = login.actor, here.now_ms()
    with here.store.read() as session:
        user = people.get_user(session, actor.login)
        values: dict[str, Any] = {
            "court": courts.get_court(session, actor.court_code),
            "user": user,
            "has_totp": user.totp_cipher is not None,
            "codes_left": len(user.recovery_hashes),
            "passkeys": [(passkeys.name_of(row), row) for row in people.list_passkeys(session, user.id)],
            "sessions": people.list_sessions(
                session, user.id, now_ms=now_ms, idle_s=here.settings.session_idle_s, own_ref=login.ref
            ),
        }
    return render(
        request,
        "profile.html",
        rights=[action for action, roles in PERMISSIONS.items() if not roles.isdisjoint(actor.roles)],
        idle_min=here.settings.session_idle_s // 60,
        can_passkeys=passkeys.are_available(here.settings),
        is_required=here.settings.second_factor == "required",
        is_off=here.settings.second_factor == "off",
        **values,
    )


@router.get("/second")
def show_second(login: ProvenLogin) -> Response:
    """Ask for proof, if it is owed, before second ways are changed."""
    return RedirectResponse("/profile?edit=second#second", status_code=303)


@router.get("/password")
def show_password(request: Request, login: ProvenLogin) -> Response:
    """Show the form for a new password."""
    return _show_password(request, login)


@router.post("/password")
def change_password(
    *,
    request: Request,
    here: Here,
    login: ProvenLogin,
    old: Annotated[str, Form(max_length=4096)] = "",
    password: Annotated[str, Form(max_length=4096)] = "",
    repeated: Annotated[str, Form(max_length=4096)] = "",
) -> Response:
    """Change the own password; all other sessions end."""
    actor, token = login.actor, request.cookies[SESSION_COOKIE]
    try:
        if password != repeated:
            raise PasswordsDifferError("The two passwords differ; type the new one twice.")
        passwords.change_password(
            here.store, login=actor.login, token=token, old=old, new=password, client=visit_of(request).client
        )
    except REFUSALS as error:
        return _show_password(request, login, error)
    return RedirectResponse("/profile?done=password", status_code=303)


@router.post("/sessions")
def end_session(
    request: Request, here: Here, login: CurrentLogin, ref: Annotated[str, Form(max_length=64)] = ""
) -> Response:
    """End one session of one's own (`ref`), or all but this one."""
    with here.store.write() as uow:
        sessions.revoke_own(uow, login.actor, ref, keep=login.ref)
    return RedirectResponse("/profile#sessions", status_code=303)


def _show_password(request: Request, login: Login, error: DomainError | None = None) -> Response:
    return render_form(request, "login/change_password.html", error=error, login=login.actor.login)
