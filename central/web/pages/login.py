"""Log-in, log-out, language."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from central.base.errors import InvalidInputError
from central.courts.permissions import Actor
from central.people import service as people
from central.people.rules import LockedOutError, WrongPasswordError
from central.web.context import Here, SignedIn
from central.web.i18n import LANGUAGE_COOKIE, LANGUAGES
from central.web.landing import landing_page
from central.web.problems import say, status_of
from central.web.render import render, words_of
from central.web.security import SESSION_COOKIE, VISITOR_COOKIE, set_session_cookie
from central.web.views import county_outlines

router = APIRouter()


@router.get("/login")
def show_login(request: Request, here: Here, next: str = "/") -> Response:
    """Show the form, or go on when somebody is logged in already."""
    actor = here.find_actor(request.cookies.get(SESSION_COOKIE, ""))
    if actor is not None:
        return RedirectResponse(_landing(actor, next), status_code=303)
    return render(request, "login.html", next=_local(next), sentence="", login="", outlines=county_outlines())


@router.post("/login")
def log_in(
    request: Request,
    here: Here,
    login: Annotated[str, Form(max_length=256)] = "",
    password: Annotated[str, Form(max_length=4096)] = "",
    next: Annotated[str, Form()] = "/",
) -> Response:
    """Check the password and open a session; a refusal shows the form again with its reason."""
    client = request.client.host if request.client else ""
    try:
        issued = people.log_in(here.store, here.settings, login=login, password=password, client=client)
    except (WrongPasswordError, LockedOutError) as error:
        return render(
            request,
            "login.html",
            status=status_of(error),
            sentence=say(error, words_of(request)),
            next=_local(next),
            login=login,
            outlines=county_outlines(),
        )
    response = RedirectResponse(_landing(issued.actor, next), status_code=303)
    max_age_s = max(0, (issued.expires_ms - here.now_ms()) // 1000)
    set_session_cookie(response, issued.token, max_age_s=max_age_s, is_https=here.is_https)
    response.delete_cookie(VISITOR_COOKIE, path="/")
    return response


@router.post("/logout")
def log_out(request: Request, here: Here, actor: SignedIn) -> Response:
    """End the session; its live event stream ends too."""
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
    response = RedirectResponse(_local(next), status_code=303)
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


def _local(target: str) -> str:
    """Only a path of our own may follow a log-in: no scheme, no host, no backslash tricks."""
    is_local = target.startswith("/") and not target.startswith(("//", "/\\")) and "\\" not in target
    return target if is_local and target.isprintable() else "/"


def _landing(actor: Actor, target: str) -> str:
    target = _local(target)
    return landing_page(actor) if target == "/" else target
