"""Log-in by password, log-out, language."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from central.base.errors import DomainError, InvalidInputError
from central.people import passkeys
from central.people import service as people
from central.people.rules import (
    AddressLockedError,
    LockedOutError,
    NotAdmittedError,
    TerminalRequiredError,
    WrongPasswordError,
)
from central.web.context import Context, Here
from central.web.i18n import LANGUAGE_COOKIE, LANGUAGES
from central.web.problems import render_form
from central.web.security import SESSION_COOKIE
from central.web.views import county_outlines
from central.web.visits import let_in, local_path, next_step, visit_of

router = APIRouter()

REFUSALS = (WrongPasswordError, LockedOutError, AddressLockedError, NotAdmittedError, TerminalRequiredError)


def show_gate(
    request: Request, here: Context, template: str, *, error: DomainError | None = None, **values: Any
) -> Response:
    """Show a page of the log-in; a refusal stands above its form."""
    return render_form(
        request,
        template,
        error=error,
        outlines=county_outlines(),
        has_passkeys=passkeys.are_available(here.settings),
        has_directory=here.directory is not None,
        **values,
    )


@router.get("/login")
def show_login(request: Request, here: Here, next: str = "/") -> Response:
    """Show the form, or go on when somebody is logged in already, or half-way so."""
    login = here.find_login(request.cookies.get(SESSION_COOKIE, ""))
    if login is not None and login.is_full:
        return RedirectResponse(next_step(login.stage, login.actor, next), status_code=303)
    return show_gate(request, here, "login/login.html", next=local_path(next), login="")


@router.post("/login")
def log_in(
    request: Request,
    here: Here,
    login: Annotated[str, Form(max_length=256)] = "",
    password: Annotated[str, Form(max_length=4096)] = "",
    next: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    """Check the password and open a session; a refusal shows the form again with its reason."""
    try:
        issued = people.log_in(here.store, here.settings, login=login, password=password, visit=visit_of(request))
    except REFUSALS as error:
        return show_gate(request, here, "login/login.html", error=error, next=local_path(next), login=login)
    return let_in(here, issued, next)


@router.post("/logout")
def log_out(request: Request, here: Here) -> Response:
    """End the session, whole or half-way; its live event stream ends too."""
    with here.store.write() as uow:
        people.log_out(uow, request.cookies.get(SESSION_COOKIE, ""))
    response = RedirectResponse("/login", status_code=303)
    response.delete_cookie(SESSION_COOKIE, path="/")
    return response


@router.post("/language")
def choose_language(
    here: Here,
    language: Annotated[str, Form()],
    next: Annotated[str, Form()] = "/",
) -> Response:
    """Remember the language this browser reads."""
    if language not in LANGUAGES:
        raise InvalidInputError(f"There is no language {language[:20]!r}; choose zh or en.")
    response = RedirectResponse(local_path(next), status_code=303)
    response.set_cookie(
        LANGUAGE_COOKIE,
        language,
        max_age=365 * 24 * 3600,
        path="/",
        httponly=True,
        samesite="strict",
        secure=here.is_https,
    )
    return response
