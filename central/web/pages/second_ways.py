"""Setting second ways up, during the log-in or from the profile: code generator, passkeys, recovery codes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import segno
from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from central.people import passkeys, second
from central.people.passkeys import MAX_ANSWER_CHARS
from central.people.queries import Login
from central.people.rules import AddressLockedError, PasskeyRefusedError, WrongCodeError
from central.web.context import Here, LoginRequiredError, ProvenLogin, any_login, proven_login
from central.web.pages.login import show_gate
from central.web.security import SESSION_COOKIE
from central.web.visits import let_in, local_path, next_step, visit_of

router = APIRouter()


def setting_up(request: Request) -> Login:
    """Return the log-in of whoever sets a second way up: it owes just that, or is whole and freshly proven."""
    login = any_login(request)
    return login if login.stage == "enrol" else proven_login(request)


SettingUp = Annotated[Login, Depends(setting_up)]
Next = Annotated[str, Form(max_length=2000)]
Answer = Annotated[str, Form(max_length=MAX_ANSWER_CHARS)]
CeremonyId = Annotated[str, Form(max_length=64)]


@router.post("/security/totp")
def begin_totp(request: Request, here: Here, login: SettingUp, next: Next = "/profile") -> Response:
    """Show a fresh secret as QR code, to be confirmed by its first code."""
    with here.store.write() as uow:
        made = second.begin_totp(uow, here.keyring, login.actor.user_id, login.actor.login)
    return show_gate(request, here, "login/totp.html", next=local_path(next), **_picture(made))


@router.post("/security/totp/confirm")
def confirm_totp(
    *,
    request: Request,
    here: Here,
    login: SettingUp,
    ceremony: CeremonyId = "",
    code: Annotated[str, Form(max_length=64)] = "",
    next: Next = "/profile",
) -> Response:
    """Check the first code; then the recovery codes are shown once."""
    token, actor = request.cookies[SESSION_COOKIE], login.actor
    try:
        with here.store.write() as uow:
            codes = second.confirm_totp(uow, here.settings, here.keyring, token, ceremony_id=ceremony, code=code)
    except WrongCodeError as error:
        with here.store.write() as uow:
            made = second.read_secret(uow, here.keyring, ceremony, actor.user_id, actor.login)
        return show_gate(request, here, "login/totp.html", error=error, next=local_path(next), **_picture(made))
    return _show_codes(request, here, codes, next)


@router.post("/security/totp/remove")
def remove_totp(request: Request, here: Here, login: ProvenLogin) -> Response:
    """Take one's own code generator away."""
    with here.store.write() as uow:
        second.remove_totp(uow, here.settings, request.cookies[SESSION_COOKIE])
    return RedirectResponse("/profile#second", status_code=303)


@router.post("/security/codes")
def renew_codes(request: Request, here: Here, login: ProvenLogin) -> Response:
    """Replace one's recovery codes; the new ones are shown once."""
    with here.store.write() as uow:
        codes = second.renew_own(uow, request.cookies[SESSION_COOKIE])
    return _show_codes(request, here, codes, "/profile")


@router.post("/security/passkeys")
def add_passkey(
    *,
    request: Request,
    here: Here,
    login: SettingUp,
    ceremony: CeremonyId = "",
    answer: Answer = "",
    label: Annotated[str, Form(max_length=200)] = "",
    next: Next = "/profile",
) -> Response:
    """Keep the passkey the browser has made."""
    token = request.cookies[SESSION_COOKIE]
    with here.store.write() as uow:
        codes = passkeys.finish_register(
            uow, here.settings, token, ceremony_id=ceremony, answer=answer, label=label or visit_of(request).device
        )
    if codes:
        return _show_codes(request, here, codes, next)
    return RedirectResponse("/profile#second", status_code=303)


@router.post("/security/passkeys/remove")
def remove_passkey(request: Request, here: Here, login: ProvenLogin, key: CeremonyId = "") -> Response:
    """Take one's own passkey away."""
    with here.store.write() as uow:
        passkeys.remove(uow, here.settings, request.cookies[SESSION_COOKIE], key)
    return RedirectResponse("/profile#second", status_code=303)


@router.post("/passkeys/options")
def give_options(
    request: Request, here: Here, purpose: Annotated[Literal["register", "prove", "login"], Form()]
) -> dict[str, Any]:
    """Begin an exchange with the browser's authenticator (WebAuthn JSON)."""
    login = None if purpose == "login" else (setting_up(request) if purpose == "register" else any_login(request))
    client = visit_of(request).client
    with here.store.write() as uow:
        if purpose == "register" and login is not None:
            made = passkeys.begin_register(uow, here.settings, login.actor.user_id, client=client)
        else:
            user_id = login.actor.user_id if login else None
            made = passkeys.begin_assert(uow, here.settings, user_id, client=client)
    return {"ceremony": made.ceremony_id, "options": made.options}


@router.post("/login/passkey")
def enter_by_passkey(
    request: Request, here: Here, ceremony: CeremonyId = "", answer: Answer = "", next: Next = "/"
) -> Response:
    """Open a session for the holder of a passkey, or prove the second way of the log-in under way by one."""
    login, visit = _find_half(request), visit_of(request)
    try:
        with here.store.write() as uow:
            if login is None:
                issued = passkeys.log_in(uow, here.settings, ceremony_id=ceremony, answer=answer, visit=visit)
            else:
                token = request.cookies[SESSION_COOKIE]
                stage = passkeys.prove(
                    uow, here.settings, token, ceremony_id=ceremony, answer=answer, client=visit.client
                )
    except (PasskeyRefusedError, AddressLockedError) as error:
        if login is None:
            return show_gate(request, here, "login/login.html", error=error, next=local_path(next), login="")
        ways = {"totp": True, "passkey": True}
        return show_gate(request, here, "login/second.html", error=error, next=local_path(next), ways=ways)
    if login is None:
        return let_in(here, issued, next)
    return RedirectResponse(next_step(stage, login.actor, next), status_code=303)


def _find_half(request: Request) -> Login | None:
    """The log-in of this browser that owes its second way."""
    try:
        login = any_login(request)
    except LoginRequiredError:
        return None
    return login if login.stage == "second" else None


def _picture(made: second.NewSecret) -> dict[str, Any]:
    picture = segno.make(made.uri, error="m").svg_data_uri(scale=5, border=2)
    grouped = " ".join(made.secret[at : at + 4] for at in range(0, len(made.secret), 4))
    return {"picture": picture, "secret": grouped, "ceremony": made.ceremony_id}


def _show_codes(request: Request, here: Here, codes: list[str], target: str) -> Response:
    login = any_login(request)
    return show_gate(
        request, here, "login/codes.html", codes=codes, target=next_step(login.stage, login.actor, target)
    )
