"""A lost kit: lock and unlock it, ask for the destruction of its keys, confirm it as another person."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Form, Response
from fastapi.responses import RedirectResponse

from central.devices import lost
from central.devices.permits import find_permit
from central.web.context import Here, Proven, SignedIn

router = APIRouter(prefix="/kits/{kit_id}/lost")

Reason = Annotated[str, Form(max_length=4000)]


@router.post("/lock")
def lock(here: Here, actor: SignedIn, kit_id: str, reason: Reason = "") -> Response:
    """Lock the kit at once."""
    with here.store.write() as uow:
        lost.lock_kit(uow, actor, kit_id, reason=reason)
    return _back(kit_id)


@router.post("/unlock")
def unlock(here: Here, actor: SignedIn, kit_id: str, reason: Reason = "") -> Response:
    """Unlock the kit; an order to destroy that has not reached it is taken back."""
    with here.store.write() as uow:
        lost.unlock_kit(uow, actor, kit_id, reason=reason)
    return _back(kit_id)


@router.post("/ask")
def ask(here: Here, actor: Proven, kit_id: str, reason: Reason = "") -> Response:
    """Ask that the kit destroys its keys."""
    with here.store.write() as uow:
        lost.ask_destruction(uow, actor, kit_id, reason=reason)
    return _back(kit_id)


@router.post("/withdraw")
def withdraw(here: Here, actor: SignedIn, kit_id: str) -> Response:
    """Take back or refuse what was asked."""
    with here.store.write() as uow:
        lost.withdraw_destruction(uow, actor, kit_id)
    return _back(kit_id)


@router.post("/confirm")
def confirm(here: Here, actor: Proven, kit_id: str) -> Response:
    """Order what another person asked for."""
    with here.store.write() as uow:
        permit = find_permit(Path(here.settings.handover_dir), kit_id)
        lost.confirm_destruction(uow, actor, kit_id, permit=permit)
    return _back(kit_id)


def _back(kit_id: str) -> Response:
    return RedirectResponse(f"/kits/{kit_id}#lost", status_code=303)
