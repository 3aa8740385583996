"""Accounts of other systems: proposed by one administrator, admitted by another, then given their token."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from central.base.errors import ConflictError, InvalidInputError
from central.courts import queries as courts
from central.courts.permissions import Actor
from central.people import service_accounts
from central.people.scopes import SCOPES
from central.web.context import Context, Here, Proven, SignedIn
from central.web.problems import render_form

router = APIRouter(prefix="/admin/service-accounts")

Days = Annotated[int, Form(ge=1, le=service_accounts.MAX_DAYS)]
# 0: the end stays.
OtherDays = Annotated[int, Form(ge=0, le=service_accounts.MAX_DAYS)]
Version = Annotated[int, Form(ge=1, lt=2**31)]
Scopes = Annotated[list[str] | None, Form()]


@router.get("")
def list_accounts(request: Request, here: Here, actor: SignedIn) -> Response:
    """List the accounts of the actor's courts."""
    return _show(request, here, actor)


@router.post("")
def propose(
    *,
    request: Request,
    here: Here,
    actor: Proven,
    name: Annotated[str, Form(max_length=100)] = "",
    note: Annotated[str, Form(max_length=400)] = "",
    court: Annotated[str, Form(max_length=40)] = "",
    scopes: Scopes = None,
    days: Days = 365,
) -> Response:
    """Propose an account: what it may do and for how long."""
    try:
        with here.store.write() as uow:
            service_accounts.propose_service(
                uow, actor, name=name, note=note, court_code=court, scopes=scopes or [], days=days
            )
    except (InvalidInputError, ConflictError) as error:
        typed = {"name": name, "note": note, "court": court, "scopes": scopes or [], "days": days}
        return _show(request, here, actor, error=error, typed=typed)
    return _back()


@router.post("/{account_id}/change")
def change(
    *,
    request: Request,
    here: Here,
    actor: Proven,
    account_id: str,
    version: Version,
    scopes: Scopes = None,
    days: OtherDays = 0,
    fresh: Annotated[bool, Form()] = False,
) -> Response:
    """Change scopes, end or token: less counts at once, more and a fresh token wait to be admitted."""
    try:
        with here.store.write() as uow:
            service_accounts.propose_change(
                uow, actor, account_id, version=version, scopes=scopes or [], days=days, fresh=fresh
            )
    except InvalidInputError as error:
        return _show(request, here, actor, error=error)
    return _back()


@router.post("/{account_id}/admit")
def admit(here: Here, actor: Proven, account_id: str, version: Version) -> Response:
    """Admit what was proposed."""
    with here.store.write() as uow:
        service_accounts.admit_service(uow, actor, account_id, version=version)
    return _back()


@router.post("/{account_id}/refuse")
def refuse(
    here: Here, actor: Proven, account_id: str, version: Version, reason: Annotated[str, Form(max_length=400)] = ""
) -> Response:
    """Refuse what was proposed."""
    with here.store.write() as uow:
        service_accounts.refuse_service(uow, actor, account_id, version=version, reason=reason)
    return _back()


@router.post("/{account_id}/token")
def issue(request: Request, here: Here, actor: Proven, account_id: str, version: Version) -> Response:
    """Make the token that was agreed on; it is shown once, here, and a former one ends at once."""
    with here.store.write() as uow:
        issued = service_accounts.issue_token(uow, actor, account_id, version=version)
    return _show(request, here, actor, issued=issued)


@router.post("/{account_id}/revoke")
def revoke(here: Here, actor: Proven, account_id: str) -> Response:
    """End an account for good."""
    with here.store.write() as uow:
        service_accounts.revoke_service(uow, actor, account_id)
    return _back()


def _back() -> Response:
    return RedirectResponse("/admin/service-accounts", status_code=303)


def _show(request: Request, here: Context, actor: Actor, **more: Any) -> Response:
    with here.store.read() as session:
        rows = service_accounts.list_services(session, actor)
        known = {row.code: row for row in courts.list_courts(session, actor)}
    values = {
        "rows": rows, "courts": known, "scopes": SCOPES, "max_days": service_accounts.MAX_DAYS,
        "state_of": service_accounts.state_of,
    }  # fmt: skip
    typed = {"name": "", "note": "", "court": actor.court_code, "scopes": [], "days": 365}
    return render_form(request, "admin/service_accounts.html", **{"issued": None, "typed": typed, **values, **more})
