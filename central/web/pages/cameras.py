"""Cameras and recorders of others (seed 18(2)): where they are, kept by the administrator, who sees no picture."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from central.base.errors import InvalidInputError
from central.command import cameras
from central.courts import queries as courts
from central.courts.permissions import Actor
from central.web.context import Context, Here, SignedIn
from central.web.problems import render_form

router = APIRouter(prefix="/cameras")
Short = Annotated[str, Form(max_length=400)]


@router.get("")
def list_cameras(request: Request, here: Here, actor: SignedIn) -> Response:
    """List the cameras of the actor's courts."""
    return _show(request, here, actor)


@router.post("")
def add(
    *,
    request: Request,
    here: Here,
    actor: SignedIn,
    name: Short = "",
    place: Short = "",
    address: Short = "",
    court: Short = "",
) -> Response:
    """Write a camera down; it is tried at once. A refused form comes back without its address and password."""
    try:
        with here.store.write() as uow:
            cameras.add_camera(uow, actor, here.keyring, court_code=court, name=name, place=place, address=address)
    except InvalidInputError as error:
        return _show(request, here, actor, error=error, typed={"name": name, "place": place, "court": court})
    return RedirectResponse("/cameras", status_code=303)


@router.post("/{camera_id}")
def change(
    *,
    request: Request,
    here: Here,
    actor: SignedIn,
    camera_id: str,
    name: Short = "",
    place: Short = "",
    address: Short = "",
) -> Response:
    """Correct name, place, and the address unless it is left empty."""
    try:
        with here.store.write() as uow:
            cameras.change_camera(uow, actor, here.keyring, camera_id, name=name, place=place, address=address)
    except InvalidInputError as error:
        return _show(request, here, actor, error=error)
    return RedirectResponse("/cameras", status_code=303)


@router.post("/{camera_id}/try")
def ask_trial(here: Here, actor: SignedIn, camera_id: str) -> Response:
    """Have a camera tried."""
    with here.store.write() as uow:
        cameras.ask_trial(uow, actor, camera_id)
    return RedirectResponse("/cameras", status_code=303)


@router.post("/{camera_id}/retire")
def retire(here: Here, actor: SignedIn, camera_id: str) -> Response:
    """Take a camera out of use."""
    with here.store.write() as uow:
        cameras.retire_camera(uow, actor, camera_id)
    return RedirectResponse("/cameras", status_code=303)


def _show(request: Request, here: Context, actor: Actor, **more: Any) -> Response:
    with here.store.read() as session:
        rows = cameras.list_cameras(session, actor)
        known = {row.code: row for row in courts.list_courts(session, actor)}
    typed = {"name": "", "place": "", "court": actor.court_code}
    return render_form(request, "command/cameras.html", **{"rows": rows, "courts": known, "typed": typed, **more})
