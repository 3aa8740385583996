"""Appointments with dates (任命): who commands a centre, who acts for whom; one serving commander per centre.

A post gives its role's rights for exactly its time, in the court it is held at, to a person of that court. It gives
none once the person is disabled, has another court, or a role that may not hold it; the row then stays until it is
ended, and nobody is serving.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, or_, update
from sqlmodel import Session, col, select

from central.audit import service as audit
from central.base.errors import NotFoundError
from central.base.unit_of_work import UnitOfWork
from central.courts import rules as courts
from central.courts.permissions import Actor, Viewer, check_permission
from central.courts.queries import get_court, in_scope, view_court
from central.people import posts
from central.people.models import Appointment, User


@dataclass(frozen=True, slots=True)
class Holder:
    """One appointment with its person; `is_fit`: the person can still hold the post."""

    appointment: Appointment
    login: str
    name: str
    role: str
    is_fit: bool

    def serves_at(self, at_ms: int) -> bool:
        """Tell whether this person holds the post at a moment."""
        return self.is_fit and courts.holds_at(self.appointment.from_ms, self.appointment.until_ms, at_ms)


def posts_of(session: Session, user_id: str, now_ms: int) -> frozenset[str]:
    """Return the posts a person holds now: what `Actor.posts` is filled from."""
    query = select(Appointment, User).where(
        Appointment.user_id == user_id, User.id == Appointment.user_id, _running(now_ms)
    )
    holders = _holders(session.exec(query).all(), now_ms)
    return frozenset(holder.appointment.post for holder in holders if holder.is_fit)


def list_posts(session: Session, user_ids: Collection[str], now_ms: int) -> dict[str, frozenset[str]]:
    """Return the posts that several people hold now, by user id; who holds none is missing."""
    query = select(Appointment, User).where(
        col(Appointment.user_id).in_(user_ids), User.id == Appointment.user_id, _running(now_ms)
    )
    held: dict[str, set[str]] = {}
    for holder in _holders(session.exec(query).all(), now_ms):
        if holder.is_fit:
            held.setdefault(holder.appointment.user_id, set()).add(holder.appointment.post)
    return {user_id: frozenset(posts_held) for user_id, posts_held in held.items()}


def serving_commander(session: Session, court_code: str, at_ms: int) -> Holder | None:
    """Return who commands a court's centre at a moment; None when nobody does."""
    query = select(Appointment, User).where(
        Appointment.court_code == court_code, Appointment.post == posts.COMMANDER, User.id == Appointment.user_id
    )
    holders = _holders(session.exec(query.where(_running(at_ms))).all(), at_ms)
    return next((holder for holder in holders if holder.is_fit), None)


def list_commanders(session: Session, actor: Viewer, at_ms: int) -> dict[str, Holder]:
    """Return the serving commander of each of the actor's courts that has one, by court."""
    check_permission(actor, "see_courts")
    query = select(Appointment, User).where(
        in_scope(Appointment.court_code, actor),
        Appointment.post == posts.COMMANDER,
        User.id == Appointment.user_id,
        _running(at_ms),
    )
    holders = _holders(session.exec(query).all(), at_ms)
    return {holder.appointment.court_code: holder for holder in holders if holder.is_fit}


def list_appointments(session: Session, actor: Viewer, court_code: str, *, now_ms: int) -> list[Holder]:
    """Return every appointment at a court, newest first."""
    check_permission(actor, "see_courts")
    view_court(session, actor, court_code)
    query = select(Appointment, User).where(Appointment.court_code == court_code, User.id == Appointment.user_id)
    query = query.order_by(col(Appointment.from_ms).desc(), col(Appointment.made_ms).desc())
    return _holders(session.exec(query).all(), now_ms)


def list_candidates(session: Session, actor: Actor, court_code: str) -> Sequence[User]:
    """Return the people of a court who may be appointed to something; raises ForbiddenError."""
    check_permission(actor, "appoint_commander", court_code)
    query = select(User).where(
        User.court_code == court_code,
        col(User.disabled_ms).is_(None),
        col(User.admitted_ms).is_not(None),
        col(User.role).in_(sorted(frozenset[str]().union(*posts.HOLDERS.values()))),
        col(User.id) != actor.user_id,
    )
    return session.exec(query.order_by(User.role, User.login)).all()


def appoint(
    uow: UnitOfWork,
    actor: Actor,
    court_code: str,
    *,
    post: str,
    login: str,
    from_ms: int,
    until_ms: int | None,
    basis: str,
) -> Appointment:
    """Appoint a person of the court to a post from `from_ms` (today: from now) until before `until_ms`, or openly.

    Raises ForbiddenError, NotFoundError, InvalidInputError, BackdatedError, TermError, TextLengthError,
    SelfAppointmentError, UnfitForPostError or PostTakenError.
    """
    check_permission(actor, "appoint_commander", court_code)
    get_court(uow.session, court_code)
    post, basis = posts.check_post(post), courts.check_text(basis)
    user = uow.session.exec(select(User).where(User.login == login.strip().lower()[:64])).first()
    if user is None:
        raise NotFoundError("There is no such person at this court; see the list of candidates.")
    if user.id == actor.user_id:
        raise posts.SelfAppointmentError("Nobody appoints themself; the superior court's president can.")
    _check_fit(user, court_code, post, uow.now_ms)
    from_ms = courts.check_start(from_ms, uow.now_ms)
    courts.check_term(from_ms, until_ms)
    row = Appointment(
        court_code=court_code,
        post=post,
        user_id=user.id,
        from_ms=from_ms,
        until_ms=until_ms,
        basis=basis,
        made_by=actor.audit_name,
        made_ms=uow.now_ms,
    )
    _check_free(uow, row)
    uow.session.add(row)
    uow.session.flush()
    detail: dict[str, object] = {"post": post, "from_ms": from_ms, "until_ms": until_ms}
    _audit(uow, actor.audit_name, "make", row, user.login, basis=basis, detail=detail)
    return row


def end_appointment(
    uow: UnitOfWork, actor: Actor, appointment_id: str, *, until_ms: int | None = None, basis: str
) -> Appointment:
    """End an appointment before `until_ms` (None: now), earlier than it would; one not begun yet never begins.

    Raises ForbiddenError, NotFoundError, BackdatedError, TextLengthError or AppointmentEndedError.
    """
    row = uow.session.get(Appointment, appointment_id)
    if row is None:
        raise NotFoundError("There is no such appointment; see the court's page.")
    check_permission(actor, "appoint_commander", row.court_code)
    basis = courts.check_text(basis)
    wanted_ms = uow.now_ms if until_ms is None else courts.check_start(until_ms, uow.now_ms)
    if not _shorten(uow, row, max(wanted_ms, row.from_ms), actor.audit_name):
        raise posts.AppointmentEndedError("This appointment ends by then already; see its last day on the page.")
    login = uow.session.get_one(User, row.user_id).login
    detail: dict[str, object] = {"post": row.post, "until_ms": row.until_ms}
    _audit(uow, actor.audit_name, "end", row, login, basis=basis, detail=detail)
    return row


def end_all_of(uow: UnitOfWork, user_id: str, *, by: str) -> int:
    """End every appointment of a person now: the account was disabled, or got another role or court.

    Called by the service that does so; returns how many were ended.
    """
    query = select(Appointment).where(
        Appointment.user_id == user_id,
        or_(col(Appointment.until_ms).is_(None), col(Appointment.until_ms) > uow.now_ms),
    )
    ended = 0
    for row in uow.session.exec(query).all():
        if _shorten(uow, row, max(uow.now_ms, row.from_ms), by):
            login = uow.session.get_one(User, user_id).login
            _audit(uow, by, "lapse", row, login, basis="", detail={"post": row.post, "until_ms": row.until_ms})
            ended += 1
    return ended


def _shorten(uow: UnitOfWork, row: Appointment, until_ms: int, by: str) -> bool:
    rule = update(Appointment).where(
        col(Appointment.id) == row.id,
        or_(col(Appointment.until_ms).is_(None), col(Appointment.until_ms) > until_ms),
    )
    done = uow.connection.execute(rule.values(until_ms=until_ms, ended_by=by)).rowcount
    uow.session.refresh(row)
    return bool(done)


def _check_fit(user: User, court_code: str, post: str, now_ms: int) -> None:
    if not _is_fit(user, court_code, post, now_ms):
        raise posts.UnfitForPostError(
            f"{user.name} cannot hold this post: it takes an enabled account of this court and a fitting role.",
            name=user.name,
        )


def _check_free(uow: UnitOfWork, row: Appointment) -> None:
    """A centre has one commander at a time, and nobody is appointed twice; the database refuses the first too."""
    query = select(Appointment, User).where(
        Appointment.court_code == row.court_code, Appointment.post == row.post, User.id == Appointment.user_id
    )
    if row.post != posts.COMMANDER:
        query = query.where(Appointment.user_id == row.user_id)
    for other, user in uow.session.exec(query).all():
        if courts.overlaps((row.from_ms, row.until_ms), (other.from_ms, other.until_ms)):
            raise courts.PostTakenError(
                f"{user.name} is appointed in that time; end that appointment first or choose other days.",
                name=user.name,
            )


def _holders(rows: Sequence[tuple[Appointment, User]], at_ms: int) -> list[Holder]:
    return [
        Holder(row, user.login, user.name, user.role, _is_fit(user, row.court_code, row.post, at_ms))
        for row, user in rows
    ]


def _is_fit(user: User, court_code: str, post: str, at_ms: int) -> bool:
    is_enabled = user.admitted_ms is not None and (user.disabled_ms is None or user.disabled_ms > at_ms)
    return is_enabled and user.court_code == court_code and posts.may_hold(post, user.role)


def _running(at_ms: int) -> ColumnElement[bool]:
    ends = or_(col(Appointment.until_ms).is_(None), col(Appointment.until_ms) > at_ms)
    return and_(col(Appointment.from_ms) <= at_ms, ends)


def _audit(
    uow: UnitOfWork, by: str, verb: str, row: Appointment, login: str, *, basis: str, detail: dict[str, object]
) -> None:
    audit.append(
        uow,
        actor=by,
        court_code=row.court_code,
        action=f"people:appointment:{verb}",
        subject=login,
        purpose=basis,
        detail={"id": row.id, **detail},
    )
