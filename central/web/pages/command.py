"""Remote command: what is asked, decided and under way; asking, deciding, beginning (seed 13)."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from central.command import queries as command
from central.command import rules, service, session_rights
from central.command.service import Ask, Terms
from central.courts import queries as courts
from central.courts.permissions import check_permission, may
from central.devices import queries as devices
from central.flows import command as flows
from central.web.command_view import MINUTES, list_commanding, load_desk
from central.web.context import Here, SignedIn
from central.web.render import render

router = APIRouter(prefix="/command")

Text = Annotated[str, Form(max_length=4000)]
Code = Annotated[str, Query(max_length=2000)]


def read_terms(
    here: Here,
    *,
    minutes: Annotated[int, Form(ge=0, le=100_000)] = 60,
    voice: Text = "ptt",
    reason: Text = "",
) -> Terms:
    """The form's fields; what is wrong with them the rules say."""
    return Terms(minutes, voice, reason, here.settings.live_session_max_minutes)


Granted = Annotated[Terms, Depends(read_terms)]


@router.get("")
def list_commands(request: Request, here: Here, actor: SignedIn) -> Response:
    """List officers who wait, what is to be decided, what is under way, what is past."""
    with here.store.read() as session:
        desk = load_desk(session, actor, now_ms=here.now_ms())
        known = {row.code: row for row in courts.list_all_courts(session)}
    return render(request, "command/list.html", desk=desk, courts=known)


@router.get("/waiting")
def show_waiting(request: Request, here: Here, actor: SignedIn) -> Response:
    """Return the bar that tells of officers who ask to be watched; silent, unlike that of an SOS."""
    with here.store.read() as session:
        waiting = flows.list_watch_me(session, actor)
        deciding = command.count_to_decide(session, actor)
    return render(request, "command/_waiting.html", waiting=waiting, deciding=deciding)


@router.get("/new")
def show_form(
    *, request: Request, here: Here, actor: SignedIn, kits: Code = "", incident: Code = "", task: Code = ""
) -> Response:
    """Show the form, filled with what an incident, a task or kits tell."""
    check_permission(actor, "request_command")
    chosen = [kit_id for kit_id in kits.split(",") if kit_id]
    with here.store.read() as session:
        found = flows.propose(
            session, actor, incident_id=incident, task=task, kit_id=chosen[0] if len(chosen) == 1 else "",
            now_ms=here.now_ms(),
        )  # fmt: skip
        every = devices.list_kits(session, actor, now_ms=here.now_ms()) if may(actor, "see_kits") else []
        commanding = list_commanding(session, actor)
    return render(
        request,
        "command/new.html",
        proposal=found,
        chosen=set(chosen) | set(found.kits),
        kits=[view for view in every if view.kit.revoked_ms is None],
        commanding=commanding,
        may_decide=session_rights.may_decide(actor, actor.court_code) and may(actor, "start_command"),
        minutes=[n for n in MINUTES if n <= here.settings.live_session_max_minutes],
        voices=rules.VOICES,
    )


@router.post("")
def ask(
    *,
    here: Here,
    actor: SignedIn,
    terms: Granted,
    kits: Annotated[list[str], Form()] = [],  # noqa: B006 - FastAPI copies it
    ground: Text = "other",
    ground_ref: Text = "",
    court: Text = "",
    act: Literal["ask", "begin", "at_once"] = Form("ask"),
) -> Response:
    """Ask for it; a commander may decide on his own motion and begin, a duty operator in an emergency."""
    with here.store.write() as uow:
        if act == "at_once":
            session = flows.begin_at_once(
                uow, actor, incident_id=ground_ref, kits=kits, terms=terms, url=rules.check_live(here.settings)
            )
            return _to_session(session.id)
        wanted = Ask(kits, terms.reason, ground, ground_ref, actor.court_code if act == "begin" else court)
        request = flows.ask_command(uow, actor, wanted)
        if act == "ask":
            return _to_request(request.id)
        url = rules.check_live(here.settings)
        granted = Terms(terms.minutes, terms.voice, "", terms.longest)
        service.grant_request(uow, actor, request.id, granted)
        return _to_session(flows.begin_session(uow, actor, request.id, url=url).id)


@router.get("/requests/{request_id}")
def show_request(request: Request, here: Here, actor: SignedIn, request_id: str) -> Response:
    """Show one request with what the actor may do about it."""
    with here.store.read() as session:
        view = command.get_request(session, actor, request_id)
        known = {row.code: row for row in courts.list_all_courts(session)}
    return render(
        request,
        "command/request.html",
        view=view,
        courts=known,
        decides=session_rights.may_decide(actor, view.request.commanding_court),
        begins=may(actor, "start_command") and session_rights.may_lead(actor, view.request.commanding_court),
        answers=view.request.ground == "watch_me" and may(actor, "start_command", view.request.commanding_court),
        minutes=[n for n in MINUTES if n <= here.settings.live_session_max_minutes],
        voices=rules.VOICES,
    )


@router.post("/requests/{request_id}/grant")
def grant(here: Here, actor: SignedIn, request_id: str, terms: Granted) -> Response:
    """Decide that it is taken."""
    with here.store.write() as uow:
        service.grant_request(uow, actor, request_id, terms)
    return _to_request(request_id)


@router.post("/requests/{request_id}/refuse")
def refuse(here: Here, actor: SignedIn, request_id: str, reason: Text = "") -> Response:
    """Decide that it is not, with the reason."""
    with here.store.write() as uow:
        service.refuse_request(uow, actor, request_id, reason=reason)
    return _to_request(request_id)


@router.post("/requests/{request_id}/withdraw")
def withdraw(here: Here, actor: SignedIn, request_id: str) -> Response:
    """Take it back."""
    with here.store.write() as uow:
        service.withdraw_request(uow, actor, request_id)
    return _to_request(request_id)


@router.post("/requests/{request_id}/begin")
def begin(here: Here, actor: SignedIn, request_id: str) -> Response:
    """Begin the session that was granted."""
    with here.store.write() as uow:
        session = flows.begin_session(uow, actor, request_id, url=rules.check_live(here.settings))
    return _to_session(session.id)


@router.post("/requests/{request_id}/answer")
def answer(here: Here, actor: SignedIn, request_id: str, terms: Granted) -> Response:
    """Watch the officer who asks for it."""
    with here.store.write() as uow:
        url = rules.check_live(here.settings)
        session = flows.answer_watch_me(uow, actor, request_id, terms=terms, url=url)
    return _to_session(session.id)


@router.post("/requests/{request_id}/ratify")
def ratify(here: Here, actor: SignedIn, request_id: str, verdict: Text = "confirmed", reason: Text = "") -> Response:
    """Say whether the emergency was one."""
    with here.store.write() as uow:
        flows.ratify(uow, actor, request_id, verdict=verdict, reason=reason)
    return _to_request(request_id)


def _to_request(request_id: str) -> Response:
    return RedirectResponse(f"/command/requests/{request_id}", status_code=303)


def _to_session(session_id: str) -> Response:
    return RedirectResponse(f"/command/{session_id}", status_code=303)
