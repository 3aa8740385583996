"""One session of remote command: who is in it, its numbered orders, its course, its end."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Path, Request, Response
from fastapi.responses import RedirectResponse

from central.command import record_queries, rules, service
from central.courts.permissions import may
from central.flows import command as flows
from central.web import wall_view
from central.web.command_view import load_session_page
from central.web.context import Here, SignedIn, live_url
from central.web.render import render, words_of

router = APIRouter(prefix="/command/{session_id}")

Text = Annotated[str, Form(max_length=4000)]
Short = Annotated[str, Form(max_length=200)]


@router.get("")
def show_session(request: Request, here: Here, actor: SignedIn, session_id: str) -> Response:
    """Show a session; without scripts there is no picture, and the page says so."""
    now_ms, url = here.now_ms(), live_url(request)
    with here.store.read() as session:
        page = load_session_page(session, actor, session_id, words_of(request), now_ms=now_ms, url=url)
        trouble = record_queries.find_trouble(session, session_id)
    boot = {
        "url": url,
        "session": session_id,
        "sources": wall_view.plain(page.sources),
        "now_ms": now_ms,
        "presence": wall_view.words_of_presence(words_of(request)),
        "has_events": may(actor, "see_screen"),
    }
    return render(
        request, "command/session.html", page=page, boot=boot, voice=page.voice, voices=rules.VOICES, trouble=trouble
    )


@router.post("/end")
def end(here: Here, actor: SignedIn, session_id: str, reason: Text = "") -> Response:
    """End it; kits and browsers are cut at once."""
    with here.store.write() as uow:
        service.end_session(uow, actor, session_id, reason)
    return _back(session_id)


@router.post("/kits")
def add_kit(here: Here, actor: SignedIn, session_id: str, kit_id: Short = "", reason: Text = "") -> Response:
    """Take a further kit in; in an emergency one that it is not about needs a reason."""
    with here.store.write() as uow:
        flows.add_kit(uow, actor, session_id, kit_id, url=rules.check_live(here.settings), reason=reason)
    return _back(session_id)


@router.post("/kits/{kit_id}/leave")
def remove_kit(here: Here, actor: SignedIn, session_id: str, kit_id: str) -> Response:
    """Let a kit go."""
    with here.store.write() as uow:
        service.remove_kit(uow, actor, session_id, kit_id)
    return _back(session_id)


@router.post("/kits/{kit_id}/call")
def call_again(here: Here, actor: SignedIn, session_id: str, kit_id: str) -> Response:
    """Call a kit once more that did not hear."""
    with here.store.write() as uow:
        service.call_again(uow, actor, session_id, kit_id, url=rules.check_live(here.settings))
    return _back(session_id)


@router.post("/guests")
def invite(here: Here, actor: SignedIn, session_id: str, kind: Short = "", ref: Short = "") -> Response:
    """Take another court's hall, a person or a camera in."""
    with here.store.write() as uow:
        service.invite(uow, actor, session_id, kind, ref)
    return _back(session_id)


@router.post("/guests/{guest_id}/leave")
def uninvite(
    here: Here, actor: SignedIn, session_id: str, guest_id: Annotated[int, Path(ge=1, lt=2**31)]
) -> Response:
    """Take a guest out."""
    with here.store.write() as uow:
        service.uninvite(uow, actor, session_id, guest_id)
    return _back(session_id)


@router.post("/voice")
def set_voice(here: Here, actor: SignedIn, session_id: str, voice: Short = "") -> Response:
    """Change how the officers' microphones are open."""
    with here.store.write() as uow:
        service.set_voice(uow, actor, session_id, voice)
    return _back(session_id)


@router.post("/orders")
def give_order(
    here: Here, actor: SignedIn, session_id: str, text: Text = "", kits: Annotated[list[str] | None, Form()] = None
) -> Response:
    """Give a numbered order to the kits chosen, to all when none is."""
    with here.store.write() as uow:
        service.give_order(uow, actor, session_id, text, kits or ())
    return _back(session_id, "orders")


@router.post("/orders/{no}/{kit_id}/heard")
def note_heard(
    *,
    here: Here,
    actor: SignedIn,
    session_id: str,
    no: Annotated[int, Path(ge=1, lt=2**31)],
    kit_id: str,
    note: Text = "",
) -> Response:
    """Note that the officer read an order back by voice."""
    with here.store.write() as uow:
        service.note_heard(uow, actor, session_id, no, kit_id, note=note)
    return _back(session_id, "orders")


def _back(session_id: str, part: str = "kits") -> Response:
    return RedirectResponse(f"/command/{session_id}#{part}", status_code=303)
