"""Outlets: who leads a session lets one foreign system take one picture, for a time. On record. Never commits."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from sqlalchemy import update
from sqlmodel import Session, col, select

from central.base.errors import NotFoundError
from central.base.keyring import Keyring
from central.base.settings import Settings
from central.base.unit_of_work import UnitOfWork
from central.command import foreign_rules, queries, rules
from central.command.entries import add_entry, note_act
from central.command.foreign_models import SessionOutlet
from central.command.models import CommandSession
from central.command.sessions import check_open
from central.courts.permissions import Actor, check_permission

REALM: Final = "zhixing"
"""Also what the outlet itself says (central.relay.outlets.digest)."""


@dataclass(frozen=True)
class GrantedOutlet:
    """What is shown once to who grants: where the picture is, and who it asks for."""

    id: str
    address: str
    user: str
    password: str
    until_ms: int

    @property
    def whole_address(self) -> str:
        """Address with user and password, as most systems take it."""
        return self.address.replace("rtsp://", f"rtsp://{self.user}:{self.password}@", 1)


@dataclass(frozen=True)
class OpenOutlet:
    """A grant that holds, as the relay knows it."""

    id: str
    session_id: str
    source: str
    stream: int
    system: str
    secret_cipher: bytes


def grant_outlet(
    uow: UnitOfWork,
    actor: Actor,
    keyring: Keyring,
    settings: Settings,
    session_id: str,
    *,
    source: str,
    system: str,
    purpose: str,
    minutes: int,
    stream: int = 0,
) -> GrantedOutlet:
    """Let a system take a source's picture; raises ForbiddenError, NotFoundError, OutletOffError, OutletLimitError,
    CameraNameError, CommandDraftError, SessionEndedError."""
    session = _get_to_grant(uow, actor, session_id)
    if not settings.live_rtsp_port:
        raise foreign_rules.OutletOffError("This centre has no outlet (live_rtsp_port); ask its administrator.")
    if source not in list_sources(uow.session, session_id):
        raise NotFoundError("This picture is not part of the session; choose one of the list.")
    if len(_list_held(uow.session, session_id, uow.now_ms)) >= foreign_rules.MAX_OUTLETS:
        limit = foreign_rules.MAX_OUTLETS
        raise foreign_rules.OutletLimitError(f"{limit} systems take pictures already; end one first.", limit=limit)
    password = secrets.token_hex(20)
    outlet = SessionOutlet(
        session_id=session_id,
        source=source,
        stream=check_stream(stream),
        system=foreign_rules.check_name(system, "system's name"),
        purpose=foreign_rules.check_name(purpose, "purpose", foreign_rules.MAX_PURPOSE),
        secret_cipher=b"",
        granted_by=actor.name,
        granted_ms=uow.now_ms,
        until_ms=min(
            session.until_ms,
            uow.now_ms + rules.check_minutes(minutes, settings.live_session_max_minutes) * 60_000,
        ),
    )
    outlet.secret_cipher = keyring.seal(foreign_rules.SECRET_FIELD, outlet.id, hash_password(outlet.id, password))
    uow.session.add(outlet)
    uow.session.flush()
    _tell(uow, actor, session, outlet, "outlet_granted")
    address = f"rtsp://{_name_host(settings)}:{settings.live_rtsp_port}/{outlet.id}"
    return GrantedOutlet(outlet.id, address, outlet.id, password, outlet.until_ms)


def end_outlet(uow: UnitOfWork, actor: Actor, session_id: str, outlet_id: str) -> None:
    """Take a grant back; the relay cuts the system within a second. Raises ForbiddenError, NotFoundError."""
    session = _get_session(uow, actor, session_id)
    rule = update(SessionOutlet).where(
        col(SessionOutlet.id) == outlet_id,
        col(SessionOutlet.session_id) == session_id,
        col(SessionOutlet.ended_ms).is_(None),
    )
    if not uow.connection.execute(rule.values(ended_ms=uow.now_ms, ended_by=actor.name)).rowcount:
        raise NotFoundError("There is no such outlet that still holds; look at the session again.")
    outlet = uow.session.get(SessionOutlet, outlet_id)
    assert outlet is not None  # noqa: S101 -- changed just now
    uow.session.refresh(outlet)
    _tell(uow, actor, session, outlet, "outlet_ended")


def list_outlets(session: Session, actor: Actor, session_id: str) -> Sequence[SessionOutlet]:
    """Return the grants of a session the actor may see, newest first; raises ForbiddenError, NotFoundError."""
    check_permission(actor, "grant_outlet")
    queries.get_session(session, actor, session_id)
    query = select(SessionOutlet).where(SessionOutlet.session_id == session_id)
    return session.exec(query.order_by(col(SessionOutlet.granted_ms).desc())).all()


def list_sources(session: Session, session_id: str) -> list[str]:
    """Return the ids of the kits and cameras that are in a session now; none when it is over."""
    open_ = queries.find_open(session, session_id)
    return [*open_.kits, *(f"c:{camera}" for camera in open_.cameras)] if open_ else []


def find_held(session: Session, outlet_id: str, now_ms: int) -> OpenOutlet | None:
    """Return a grant that holds now: not ended, not expired, its session open and its source still in it."""
    return next(iter(list_held(session, [outlet_id], now_ms)), None)


def list_held(session: Session, ids: Iterable[str], now_ms: int) -> list[OpenOutlet]:
    """Return those of the grants that hold now; for the relay, twice a second while one is used."""
    query = (
        select(SessionOutlet)
        .join(CommandSession, col(CommandSession.id) == SessionOutlet.session_id)
        .where(
            col(SessionOutlet.id).in_(list(ids)),
            col(SessionOutlet.ended_ms).is_(None),
            col(SessionOutlet.until_ms) > now_ms,
            col(CommandSession.ended_ms).is_(None),
            col(CommandSession.until_ms) > now_ms,
        )
    )
    rows = session.exec(query).all()
    sources = {row.session_id: list_sources(session, row.session_id) for row in rows}
    return [
        OpenOutlet(row.id, row.session_id, row.source, row.stream, row.system, row.secret_cipher)
        for row in rows
        if row.source in sources[row.session_id]
    ]


def hash_password(user: str, password: str) -> str:
    """Return Digest's HA1 (RFC 2617, 3.2.2.2); MD5 because RTSP clients know nothing else."""
    return hashlib.md5(f"{user}:{REALM}:{password}".encode(), usedforsecurity=False).hexdigest()


def check_stream(stream: int) -> int:
    """Return which stream is given: 0 the main one, 1 the small one; raises CommandDraftError."""
    if stream not in {0, 1}:
        raise rules.CommandDraftError("A picture has a main stream (0) and a small one (1); choose one of the list.")
    return stream


def _name_host(settings: Settings) -> str:
    """The host that others reach; one that listens everywhere is reached where the pages are."""
    host = settings.live_rtsp_host
    if host in {"", "0.0.0.0", "::"}:  # noqa: S104 -- compared, not listened on
        host = urlsplit(settings.web_url).hostname or host
    return f"[{host}]" if ":" in host else host


def _get_to_grant(uow: UnitOfWork, actor: Actor, session_id: str) -> CommandSession:
    session = _get_session(uow, actor, session_id)
    view = queries.get_session(uow.session, actor, session_id)
    check_open(view, uow.now_ms)
    return session


def _get_session(uow: UnitOfWork, actor: Actor, session_id: str) -> CommandSession:
    """The session, when the actor is a commander of its commanding court."""
    check_permission(actor, "grant_outlet")
    view = queries.get_session(uow.session, actor, session_id)
    check_permission(actor, "grant_outlet", view.session.court_code)
    return view.session


def _list_held(session: Session, session_id: str, now_ms: int) -> Sequence[str]:
    query = select(SessionOutlet.id).where(
        SessionOutlet.session_id == session_id,
        col(SessionOutlet.ended_ms).is_(None),
        col(SessionOutlet.until_ms) > now_ms,
    )
    return session.exec(query).all()


def _tell(uow: UnitOfWork, actor: Actor, session: CommandSession, outlet: SessionOutlet, kind: str) -> None:
    """On the session's record and in the audit: who gave which picture to whom, until when."""
    detail = {
        "outlet": outlet.id,
        "source": outlet.source,
        "system": outlet.system,
        "purpose": outlet.purpose,
        "until_ms": outlet.until_ms,
        "who": actor.audit_name,
    }
    add_entry(uow, session.id, kind, actor.name, detail)
    if kind == "outlet_ended":
        note_act(
            uow, "outlet:end", actor=actor.audit_name, court_code=session.court_code, subject=session.id,
            outlet=outlet.id,
        )  # fmt: skip
