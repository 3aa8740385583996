"""What a log-in may still owe: the second way, a new password, setting a second way up."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from central.people import passwords, second
from central.people import queries as people
from central.people.rules import (
    CeremonyExpiredError,
    LockedOutError,
    PasswordsDifferError,
    WeakPasswordError,
    WrongCodeError,
)
from central.web.context import AnyLogin, Here
from central.web.pages.login import show_gate
from central.web.security import SESSION_COOKIE
from central.web.visits import local_path, next_step, visit_of

router = APIRouter(prefix="/login")


@router.get("/second")
def show_second(request: Request, here: Here, login: AnyLogin, next: str = "/") -> Response:
    """Ask for the second way."""
    if login.stage != "second":
        return RedirectResponse(next_step(login.stage, login.actor, next), status_code=303)
    return show_gate(request, here, "login/second.html", next=local_path(next), ways=_ways(here, login))


@router.post("/second")
def prove_second(
    *,
    request: Request,
    here: Here,
    login: AnyLogin,
    code: Annotated[str, Form(max_length=64)] = "",
    next: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    """Check a code of the generator or a recovery code."""
    if login.stage != "second":
        return RedirectResponse(next_step(login.stage, login.actor, next), status_code=303)
    token, client = request.cookies[SESSION_COOKIE], visit_of(request).client
    try:
        with here.store.write() as uow:
            row = second.prove_by_code(uow, here.settings, here.keyring, token, code, client=client)
            stage = row.stage
    except (WrongCodeError, LockedOutError) as error:
        values = {"next": local_path(next), "ways": _ways(here, login)}
        return show_gate(request, here, "login/second.html", error=error, **values)
    return RedirectResponse(next_step(stage, login.actor, next), status_code=303)


@router.get("/password")
def show_password(request: Request, here: Here, login: AnyLogin, next: str = "/") -> Response:
    """Ask for a password of the person's own."""
    if login.stage != "password":
        return RedirectResponse(next_step(login.stage, login.actor, next), status_code=303)
    return show_gate(request, here, "login/password.html", next=local_path(next), login=login.actor.login)


@router.post("/password")
def set_password(
    *,
    request: Request,
    here: Here,
    login: AnyLogin,
    password: Annotated[str, Form(max_length=4096)] = "",
    repeated: Annotated[str, Form(max_length=4096)] = "",
    next: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    """Set the password; a refusal shows the form again with its reason."""
    try:
        if password != repeated:
            raise PasswordsDifferError("The two passwords differ; type the new one twice.")
        stage = passwords.choose_password(
            here.store, here.settings, token=request.cookies[SESSION_COOKIE], password=password
        )
    except WeakPasswordError as error:
        values = {"next": local_path(next), "login": login.actor.login}
        return show_gate(request, here, "login/password.html", error=error, **values)
    except CeremonyExpiredError:
        return RedirectResponse(next_step(login.stage, login.actor, next), status_code=303)
    return RedirectResponse(next_step(stage, login.actor, next), status_code=303)


@router.get("/enrol")
def show_enrol(request: Request, here: Here, login: AnyLogin, next: str = "/") -> Response:
    """Lead to setting a second way up, which the centre requires."""
    if login.stage != "enrol":
        return RedirectResponse(next_step(login.stage, login.actor, next), status_code=303)
    return show_gate(request, here, "login/enrol.html", next=local_path(next))


def _ways(here: Here, login: AnyLogin) -> dict[str, bool]:
    with here.store.read() as session:
        user = people.get_user(session, login.actor.login)
        has_passkey = bool(people.list_passkeys(session, user.id))
        return {"totp": user.totp_cipher is not None, "passkey": has_passkey}
