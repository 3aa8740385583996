"""The sessions that go on, as the relay must know them: who may see, hear and send what. No actor narrows these."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from central.command import recusals
from central.command.models import CommandDecision, CommandSession, SessionGuest, SessionKit
from central.command.session_rights import OpenSession, Voice
from central.devices.losses import OPEN_STATES
from central.devices.models import Kit, KitLoss


def list_open(session: Session, *, now_ms: int | None = None) -> list[OpenSession]:
    """Return the sessions that go on, oldest first (no actor). With ``now_ms`` without those past their time."""
    query = select(CommandSession).where(col(CommandSession.ended_ms).is_(None))
    if now_ms is not None:
        query = query.where(CommandSession.until_ms > now_ms)
    return _load_open(session, session.exec(query.order_by(col(CommandSession.begun_ms))).all())


def find_open(session: Session, session_id: str) -> OpenSession | None:
    """Return one session that goes on (no actor); None: there is none, or it has ended."""
    query = select(CommandSession).where(CommandSession.id == session_id, col(CommandSession.ended_ms).is_(None))
    found = _load_open(session, session.exec(query).all())
    return found[0] if found else None


def _load_open(session: Session, rows: Sequence[CommandSession]) -> list[OpenSession]:
    if not rows:
        return []
    ids = [row.id for row in rows]
    kinds = dict(
        session.exec(
            select(CommandDecision.id, CommandDecision.kind).where(
                col(CommandDecision.id).in_([row.decision_id for row in rows])
            )
        ).all()
    )
    kits = session.exec(
        select(SessionKit)
        .join(Kit, col(Kit.kit_no) == SessionKit.kit_no)
        .where(
            col(SessionKit.session_id).in_(ids),
            col(SessionKit.left_ms).is_(None),
            col(Kit.revoked_ms).is_(None),
            col(SessionKit.kit_no).not_in(_lost_kits()),  # a finder neither hears the team nor shows it anything
        )
        .order_by(col(SessionKit.id))
    ).all()
    guests = session.exec(
        select(SessionGuest).where(col(SessionGuest.session_id).in_(ids), col(SessionGuest.left_ms).is_(None))
    ).all()
    barred = recusals.list_barred(session, kinds)
    return [
        put_together(
            row,
            kinds[row.decision_id],
            [kit for kit in kits if kit.session_id == row.id],
            [guest for guest in guests if guest.session_id == row.id],
            True,
            barred=barred.get(row.decision_id, ()),
        )
        for row in rows
    ]


def _lost_kits() -> SelectOfScalar[int]:
    """The numbers of the kits locked as lost and not found again."""
    return select(KitLoss.kit_no).where(col(KitLoss.state).in_(OPEN_STATES))


def put_together(
    row: CommandSession,
    kind: str,
    kits: Iterable[SessionKit],
    guests: Iterable[SessionGuest],
    is_open: bool,
    *,
    barred: tuple[str, ...] = (),
) -> OpenSession:
    """One session of its rows; of one that goes on only those who are in it now."""
    here = [kit for kit in kits if not is_open or kit.left_ms is None]
    invited = [guest for guest in guests if not is_open or guest.left_ms is None]
    courts = [row.requesting_court, *(kit.court_code for kit in here)]
    courts += [guest.ref for guest in invited if guest.kind == "court"]
    return OpenSession(
        id=row.id,
        court_code=row.court_code,
        other_courts=tuple(dict.fromkeys(code for code in courts if code != row.court_code)),
        kits=tuple(dict.fromkeys(kit.kit_id for kit in here)),
        until_ms=row.until_ms,
        voice=cast(Voice, row.voice),
        people=tuple(guest.ref for guest in invited if guest.kind == "person"),
        cameras=tuple(guest.ref for guest in invited if guest.kind == "camera"),
        kind=kind,
        purpose=row.purpose,
        barred=barred,
    )
