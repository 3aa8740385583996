"""Outlets of a session: which foreign systems take which picture, granted and ended by its commander."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from central.base.errors import InvalidInputError
from central.command import cameras, outlets, queries
from central.courts.permissions import Actor
from central.web.context import Context, Here, SignedIn
from central.web.problems import render_form

router = APIRouter(prefix="/command/{session_id}/outlets")
Short = Annotated[str, Form(max_length=400)]
MINUTES = (15, 30, 60, 120, 240)


@router.get("")
def list_outlets(request: Request, here: Here, actor: SignedIn, session_id: str) -> Response:
    """List a session's outlets, those that hold first."""
    return _show(request, here, actor, session_id)


@router.post("")
def grant(
    *,
    request: Request,
    here: Here,
    actor: SignedIn,
    session_id: str,
    source: Short = "",
    system: Short = "",
    purpose: Short = "",
    stream: Annotated[int, Form(ge=0, le=9)] = 0,
    minutes: Annotated[int, Form(ge=0, le=100_000)] = 30,
) -> Response:
    """Let a system take a picture; address and password are shown once, here."""
    asked: dict[str, Any] = {
        "source": source, "system": system, "purpose": purpose, "stream": stream, "minutes": minutes
    }  # fmt: skip
    try:
        with here.store.write() as uow:
            made = outlets.grant_outlet(uow, actor, here.keyring, here.settings, session_id, **asked)
    except InvalidInputError as error:
        return _show(request, here, actor, session_id, error=error, typed=asked)
    return _show(request, here, actor, session_id, made=made)


@router.post("/{outlet_id}/end")
def end(here: Here, actor: SignedIn, session_id: str, outlet_id: str) -> Response:
    """Take a grant back; the system is cut within a second."""
    with here.store.write() as uow:
        outlets.end_outlet(uow, actor, session_id, outlet_id)
    return RedirectResponse(f"/command/{session_id}/outlets", status_code=303)


def _show(request: Request, here: Context, actor: Actor, session_id: str, **more: Any) -> Response:
    now_ms = here.now_ms()
    with here.store.read() as session:
        rows = outlets.list_outlets(session, actor, session_id)
        view = queries.get_session(session, actor, session_id)
        sources = outlets.list_sources(session, session_id)
        seen = [*sources, *(row.source for row in rows)]
        names = cameras.list_names(session, [one.removeprefix("c:") for one in seen if one.startswith("c:")])
        held = {one.id for one in outlets.list_held(session, [row.id for row in rows], now_ms)}
    values = {
        "session": view.session, "rows": rows, "held": held, "sources": sources, "made": None, "minutes": MINUTES,
        "names": {one: names.get(one.removeprefix("c:"), one) for one in seen},
        "is_on": bool(here.settings.live_rtsp_port), "typed": {"stream": 0, "minutes": 30},
    }  # fmt: skip
    return render_form(request, "command/outlets.html", **{**values, **more})
