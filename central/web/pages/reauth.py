"""The person proves itself once more before a grave act, and the act goes on."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from central.people import passkeys, second
from central.people import service as people
from central.people.passkeys import MAX_ANSWER_CHARS
from central.people.queries import Login
from central.people.rules import (
    AddressLockedError,
    CeremonyExpiredError,
    LockedOutError,
    PasskeyRefusedError,
    WrongCodeError,
    WrongPasswordError,
)
from central.web.context import Context, CurrentLogin, Here
from central.web.problems import say, status_of
from central.web.reauth import show_reauth
from central.web.render import words_of
from central.web.security import SESSION_COOKIE
from central.web.visits import local_path, visit_of

router = APIRouter(prefix="/reauth")

REFUSALS = (
    WrongPasswordError,
    WrongCodeError,
    LockedOutError,
    AddressLockedError,
    PasskeyRefusedError,
    CeremonyExpiredError,
)


@router.get("")
def show(request: Request, login: CurrentLogin, next: str = "/") -> Response:
    """Ask before the form of a grave act is shown."""
    return show_reauth(request, target=local_path(next), is_post=False)


@router.post("")
async def prove(
    *,
    request: Request,
    here: Here,
    login: CurrentLogin,
    reauth_target: Annotated[str, Form(max_length=2000)] = "/",
    reauth_post: Annotated[str, Form(max_length=3)] = "",
) -> Response:
    """Check the proof; then the act goes on with what was typed for it."""
    form = await request.form()
    given = {name: value for name, value in form.items() if isinstance(value, str)}
    target, is_post = local_path(reauth_target), reauth_post == "yes"
    try:
        await run_in_threadpool(_check, here, request, login, given)
    except REFUSALS as error:
        return show_reauth(
            request, target=target, is_post=is_post, fields=form.multi_items(), status=status_of(error),
            sentence=say(error, words_of(request)),
        )  # fmt: skip
    return RedirectResponse(target, status_code=307 if is_post else 303)


def _check(here: Context, request: Request, login: Login, given: dict[str, str]) -> None:
    """Check the way that was used: a passkey's answer, a code, or the password."""
    token, client = request.cookies[SESSION_COOKIE], visit_of(request).client
    if answer := given.get("reauth_answer", ""):
        with here.store.write() as uow:
            passkeys.prove(
                uow, here.settings, token, ceremony_id=given.get("reauth_ceremony", ""),
                answer=answer[: MAX_ANSWER_CHARS + 1], client=client,
            )  # fmt: skip
    elif code := given.get("reauth_code", ""):
        with here.store.write() as uow:
            second.prove_by_code(uow, here.settings, here.keyring, token, code, client=client)
    else:
        password = given.get("reauth_password", "")
        people.prove_by_password(here.store, login=login.actor.login, password=password, token=token, client=client)
