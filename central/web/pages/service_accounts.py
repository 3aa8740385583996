"""Accounts of other systems: what each may do, until when, when it was last here."""

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


@router.get("")
def list_accounts(request: Request, here: Here, actor: SignedIn) -> Response:
    """List the accounts of the actor's courts."""
    return _show(request, here, actor)


@router.post("")
def add(
    *,
    request: Request,
    here: Here,
    actor: Proven,
    name: Annotated[str, Form(max_length=100)] = "",
    note: Annotated[str, Form(max_length=400)] = "",
    court: Annotated[str, Form(max_length=40)] = "",
    scopes: Annotated[list[str] | None, Form()] = None,
    days: Days = 365,
) -> Response:
    """Create an account; its token is shown once, here."""
    try:
        with here.store.write() as uow:
            issued = service_accounts.add_service(
                uow, actor, name=name, note=note, court_code=court, scopes=scopes or [], days=days
            )
    except (InvalidInputError, ConflictError) as error:
        typed = {"name": name, "note": note, "court": court, "scopes": scopes or [], "days": days}
        return _show(request, here, actor, error=error, typed=typed)
    return _show(request, here, actor, issued=issued)


@router.post("/{account_id}/rotate")
def rotate(request: Request, here: Here, actor: Proven, account_id: str, days: Days = 365) -> Response:
    """Give an account a fresh token; the former one ends at once."""
    with here.store.write() as uow:
        issued = service_accounts.rotate_service(uow, actor, account_id, days=days)
    return _show(request, here, actor, issued=issued)


@router.post("/{account_id}/revoke")
def revoke(here: Here, actor: Proven, account_id: str) -> Response:
    """End an account for good."""
    with here.store.write() as uow:
        service_accounts.revoke_service(uow, actor, account_id)
    return RedirectResponse("/admin/service-accounts", status_code=303)


def _show(request: Request, here: Context, actor: Actor, **more: Any) -> Response:
    with here.store.read() as session:
        rows = service_accounts.list_services(session, actor)
        known = {row.code: row for row in courts.list_courts(session, actor)}
    values = {"rows": rows, "courts": known, "scopes": SCOPES, "max_days": service_accounts.MAX_DAYS}
    typed = {"name": "", "note": "", "court": actor.court_code, "scopes": [], "days": 365}
    return render_form(request, "admin/service_accounts.html", **{"issued": None, "typed": typed, **values, **more})
