"""Registered workstations (seed 22): a browser is bound once by a code and then holds a long-lived token.

Writes and the reads that go with them; never commits.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import update
from sqlmodel import Session, col, select

from central.audit import service as audit
from central.base.errors import NotFoundError
from central.base.ids import hash_token, new_token
from central.base.unit_of_work import UnitOfWork
from central.courts.permissions import Actor, check_permission
from central.courts.queries import get_court, in_scope
from central.people import rules, sessions
from central.people.codes import normalise_code
from central.people.models import LoginSession, Terminal

CODE_MS: Final = 24 * 3600 * 1000
_ALPHABET: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


@dataclass(frozen=True)
class EnrolCode:
    """The one-time code that binds a browser to a terminal; shown once, stored as a hash."""

    terminal_id: str
    name: str
    code: str
    until_ms: int


def register_terminal(uow: UnitOfWork, actor: Actor, *, name: str, room: str, court_code: str) -> EnrolCode:
    """Register a workstation of a court; raises ForbiddenError, InvalidInputError, NotFoundError."""
    check_permission(actor, "manage_terminals", court_code)
    return add_terminal(uow, name=name, room=room, court_code=court_code, by=actor.audit_name)


def add_terminal(uow: UnitOfWork, *, name: str, room: str, court_code: str, by: str) -> EnrolCode:
    """Register a workstation from the machine itself, where log-ins are bound and none is registered yet."""
    court = get_court(uow.session, court_code)
    terminal = Terminal(
        court_code=court.code,
        name=rules.check_name(name),
        room=rules.check_name(room, "room") if room.strip() else "",
        created_ms=uow.now_ms,
    )
    uow.session.add(terminal)
    code = _issue_code(uow, terminal)
    _audit(uow, by, terminal, "people:terminal:add")
    return code


def renew_code(uow: UnitOfWork, actor: Actor, terminal_id: str) -> EnrolCode:
    """Give a terminal a fresh code, say after its browser was set up anew; the browser bound before is let go."""
    terminal = _get(uow, actor, terminal_id)
    terminal.token_hash, terminal.bound_ms = None, None
    _let_go(uow, terminal)
    code = _issue_code(uow, terminal)
    _audit(uow, actor.audit_name, terminal, "people:terminal:renew")
    return code


def revoke_terminal(uow: UnitOfWork, actor: Actor, terminal_id: str) -> None:
    """End a terminal; what its sessions may do only at a terminal they may no more."""
    terminal = _get(uow, actor, terminal_id)
    terminal.revoked_ms = uow.now_ms
    terminal.token_hash, terminal.enrol_hash, terminal.enrol_until_ms = None, None, None
    _let_go(uow, terminal)
    _audit(uow, actor.audit_name, terminal, "people:terminal:revoke")


def bind_browser(uow: UnitOfWork, code: str, *, session_token: str = "", client: str = "") -> tuple[str, Terminal]:
    """Bind the browser that knows the code; returns its token (for the cookie, stored nowhere else) and the terminal.

    The log-in of that browser, if there is one, is at the terminal from now on, and no other. Raises WrongCodeError,
    AddressLockedError (both recorded).
    """
    sessions.check_not_locked(uow.session, "", client, uow.now_ms)
    query = select(Terminal).where(
        Terminal.enrol_hash == hash_token(normalise_code(code)),
        col(Terminal.enrol_until_ms) > uow.now_ms,
        col(Terminal.revoked_ms).is_(None),
    )
    terminal = uow.session.exec(query).first()
    if terminal is None:
        detail = {"client": client}
        audit.append(
            uow, actor="system:web", court_code="", action="people:terminal:refuse", subject="", detail=detail
        )
        sessions.count_failure(uow, "", client)
        raise rules.WrongCodeError("The code is wrong, too old or was used before; ask for a fresh one.")
    token = new_token()
    terminal.token_hash, terminal.enrol_hash, terminal.enrol_until_ms = hash_token(token), None, None
    terminal.bound_ms = uow.now_ms
    _let_go(uow, terminal)
    if session_token:
        rule = update(LoginSession).where(col(LoginSession.token_hash) == hash_token(session_token[:200]))
        uow.connection.execute(rule.values(terminal_id=terminal.id))
    _audit(uow, "system:web", terminal, "people:terminal:bind")
    return token, terminal


def list_terminals(session: Session, actor: Actor) -> Sequence[Terminal]:
    """Return the terminals of the actor's courts, those in use first; raises ForbiddenError."""
    check_permission(actor, "manage_terminals")
    query = select(Terminal).where(in_scope(Terminal.court_code, actor))
    rows = query.order_by(col(Terminal.revoked_ms).is_not(None), Terminal.court_code, Terminal.name)
    return session.exec(rows).all()


def find_bound(session: Session, token: str) -> Terminal | None:
    """Return the terminal whose browser holds `token`, if it is registered still."""
    if not token:
        return None
    query = select(Terminal).where(Terminal.token_hash == hash_token(token[:200]), col(Terminal.revoked_ms).is_(None))
    return session.exec(query).first()


def _get(uow: UnitOfWork, actor: Actor, terminal_id: str) -> Terminal:
    check_permission(actor, "manage_terminals")
    query = select(Terminal).where(Terminal.id == terminal_id, in_scope(Terminal.court_code, actor))
    terminal = uow.session.exec(query).first()
    if terminal is None or terminal.revoked_ms is not None:
        raise NotFoundError("There is no such terminal among yours; see the list of terminals.")
    return terminal


def _let_go(uow: UnitOfWork, terminal: Terminal) -> None:
    """The log-ins of the browser bound before go on, but no more as log-ins at this terminal."""
    rule = update(LoginSession).where(col(LoginSession.terminal_id) == terminal.id)
    uow.connection.execute(rule.values(terminal_id=None))


def _issue_code(uow: UnitOfWork, terminal: Terminal) -> EnrolCode:
    code = "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(3))
    terminal.enrol_hash = hash_token(normalise_code(code))
    terminal.enrol_until_ms = uow.now_ms + CODE_MS
    return EnrolCode(terminal.id, terminal.name, code, terminal.enrol_until_ms)


def _audit(uow: UnitOfWork, by: str, terminal: Terminal, action: str) -> None:
    audit.append(
        uow, actor=by, court_code=terminal.court_code, action=action, subject=terminal.id,
        detail={"name": terminal.name, "room": terminal.room},
    )  # fmt: skip
