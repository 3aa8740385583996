"""Accounts: found, proposed, admitted, changed, disabled; their sessions ended. Three administrators share this."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from central.base.errors import ConflictError, DomainError, InvalidInputError
from central.base.unit_of_work import ReadSession
from central.courts import queries as courts
from central.courts.permissions import ROLES, Actor, may
from central.people import accounts, passwords, resets, sessions
from central.people import queries as people
from central.people.queries import ACCOUNT_STATES
from central.web.context import Context, Here, Proven, SignedIn
from central.web.problems import render_form
from central.web.render import render

router = APIRouter(prefix="/admin")

Version = Annotated[int, Form(ge=1, lt=2**31)]
Reason = Annotated[str, Form(max_length=400)]


@router.get("/users")
def list_users(
    *,
    request: Request,
    here: Here,
    actor: SignedIn,
    text: Annotated[str, Query(max_length=200)] = "",
    role: str = "",
    court: str = "",
    state: str = "",
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
) -> Response:
    """List the accounts of the actor's courts, narrowed; those that wait for the actor are counted above."""
    with here.store.read() as session:
        found = people.search_users(
            session, actor, text=text, role=role, court_code=court, state=state if state in ACCOUNT_STATES else "",
            page=page,
        )  # fmt: skip
        known = courts.list_courts(session, actor)
        waiting, due = people.count_waiting(session, actor), people.count_due(session, actor)
    return render(
        request,
        "admin/users.html",
        found=found,
        courts={row.code: row for row in known},
        waiting=waiting,
        due=due,
        roles=ROLES,
        states=ACCOUNT_STATES,
        state_of=people.state_of,
        wanted={"text": text, "role": role, "court": court, "state": state},
    )


@router.get("/new-user")
def show_form(request: Request, here: Here, actor: Proven) -> Response:
    """Show the form that proposes an account."""
    return _show_form(request, here, actor)


@router.post("/new-user")
def propose(
    *,
    request: Request,
    here: Here,
    actor: Proven,
    login: Annotated[str, Form(max_length=100)] = "",
    name: Annotated[str, Form(max_length=200)] = "",
    role: Annotated[str, Form(max_length=40)] = "",
    court: Annotated[str, Form(max_length=40)] = "",
) -> Response:
    """Propose an account; its first password is issued once it has been admitted."""
    try:
        with here.store.write() as uow:
            made = accounts.propose_user(uow, actor, login=login, name=name, role=role, court_code=court)
    except (InvalidInputError, ConflictError) as error:
        typed = {"login": login, "name": name, "role": role, "court": court}
        return _show_form(request, here, actor, error=error, typed=typed)
    return _back(made)


@router.get("/users/{login}")
def show_user(request: Request, here: Here, actor: SignedIn, login: str) -> Response:
    """Show one account and what this administrator may do with it."""
    return _show_user(request, here, actor, login)


@router.post("/users/{login}/change")
def change(
    *,
    here: Here,
    actor: Proven,
    login: str,
    version: Version,
    role: Annotated[str, Form(max_length=40)],
    court: Annotated[str, Form(max_length=40)],
) -> Response:
    """Propose another role or court."""
    with here.store.write() as uow:
        accounts.propose_change(uow, actor, login, role=role, court_code=court, version=version)
    return _back(login)


@router.post("/users/{login}/admit")
def admit(here: Here, actor: Proven, login: str, version: Version) -> Response:
    """Admit what was proposed."""
    with here.store.write() as uow:
        accounts.admit(uow, actor, login, version=version)
    return _back(login)


@router.post("/users/{login}/refuse")
def refuse(here: Here, actor: Proven, login: str, version: Version, reason: Reason = "") -> Response:
    """Refuse what was proposed."""
    with here.store.write() as uow:
        accounts.refuse(uow, actor, login, version=version, reason=reason)
    return _back(login)


@router.post("/users/{login}/disable")
def disable(here: Here, actor: Proven, login: str, version: Version, reason: Reason = "") -> Response:
    """Disable the account at once."""
    with here.store.write() as uow:
        accounts.disable(uow, actor, login, version=version, reason=reason)
    return _back(login)


@router.post("/users/{login}/enable")
def enable(here: Here, actor: Proven, login: str, version: Version) -> Response:
    """Propose that the account may log in again."""
    with here.store.write() as uow:
        accounts.enable(uow, actor, login, version=version)
    return _back(login)


@router.post("/users/{login}/reset")
def propose_reset(
    here: Here, actor: Proven, login: str, version: Version, what: Annotated[str, Form(max_length=20)] = ""
) -> Response:
    """Propose that the password or the second ways be reset."""
    with here.store.write() as uow:
        resets.propose_reset(uow, actor, login, what=what, version=version)
    return _back(login)


@router.post("/users/{login}/password")
def issue_password(request: Request, here: Here, actor: Proven, login: str, version: Version) -> Response:
    """Issue the one-time password that two administrators agreed on; shown once, here."""
    with here.store.read() as session:
        resets.check_may_issue(session, actor, login)
    first = passwords.make_password()
    hashed = passwords.hash_password(first)
    with here.store.write() as uow:
        made = resets.issue_password(uow, actor, login, version=version, first=first, hashed=hashed)
    return _show_user(request, here, actor, login, first=made)


@router.post("/users/{login}/sessions")
def end_sessions(here: Here, actor: Proven, login: str, ref: Annotated[str, Form(max_length=64)] = "") -> Response:
    """End one session of the account (`ref`), or all of them."""
    with here.store.write() as uow:
        sessions.revoke_sessions_of(uow, actor, login, ref)
    return _back(login)


def _show_form(
    request: Request,
    here: Context,
    actor: Actor,
    *,
    error: DomainError | None = None,
    typed: dict[str, str] | None = None,
) -> Response:
    accounts.check_may_propose(actor)
    with here.store.read() as session:
        known = courts.list_courts(session, actor)
    return render_form(
        request,
        "admin/user_new.html",
        error=error,
        typed=typed or {"login": "", "name": "", "role": "", "court": actor.court_code},
        courts=known,
        roles=ROLES,
    )


def _show_user(request: Request, here: Context, actor: Actor, login: str, **more: Any) -> Response:
    with here.store.read() as session:
        user = people.get_seen_user(session, actor, login)
        values = {
            "user": user,
            "state": people.state_of(user),
            "courts": {row.code: row for row in courts.list_courts(session, actor)},
            "roles": ROLES,
            "has_second": people.has_second_way(session, user),
            "sessions": _sessions(session, here, actor, user.id),
            "is_own": user.id == actor.user_id,
            "is_proposer": (user.pending_by or user.created_by) == actor.audit_name,
            "may_issue": resets.may_issue(actor, user),
            "issuer_role": resets.issuer_of(user),
        }
    return render(request, "admin/user.html", **{"first": None, **values, **more})


def _sessions(session: ReadSession, here: Context, actor: Actor, user_id: str) -> list[people.SessionLine] | None:
    if not may(actor, "manage_sessions"):
        return None
    return people.list_sessions(session, user_id, now_ms=here.now_ms(), idle_s=here.settings.session_idle_s)


def _back(login: str) -> Response:
    return RedirectResponse(f"/admin/users/{login}", status_code=303)
