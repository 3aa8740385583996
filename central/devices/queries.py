"""Reads of the devices room, narrowed to what the actor may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session, col, func, select

from central.base.errors import NotFoundError
from central.courts.permissions import Actor, check_permission
from central.courts.queries import in_scope
from central.devices import rules
from central.devices.models import Counter, Kit, KitCertificate, KitState, MailboxEntry, Position, SetAside
from central.devices.trail import read_trail


@dataclass(frozen=True)
class KitView:
    """A kit with its newest state and presence. `state` is None when it was never heard."""

    kit: Kit
    state: KitState | None
    presence: rules.PresenceView
    certificate_until_ms: int | None = None
    """When the last of its certificates in force ends, as far as the kit has shown them."""

    def certificate_days(self, now_ms: int) -> int | None:
        """Days until then, when they are few; below zero once it is past. None: nothing to tell."""
        if self.certificate_until_ms is None or self.kit.revoked_ms is not None:
            return None
        days = (self.certificate_until_ms - now_ms) // rules.DAY_MS
        return days if days < rules.CERTIFICATE_WARNING_DAYS else None

    @property
    def clock_doubt(self) -> bool:
        """Whether the kit's clock is too far off to order events by."""
        offset = self.state.clock_offset_ms if self.state else None
        return offset is not None and rules.doubts_clock(offset)


def list_kits(session: Session, actor: Actor, *, now_ms: int) -> list[KitView]:
    """Return the kits of the actor's courts by court and id; raises ForbiddenError without `see_kits`."""
    check_permission(actor, "see_kits")
    query = (
        select(Kit, KitState)
        .join(KitState, col(KitState.kit_no) == Kit.kit_no, isouter=True)
        .where(in_scope(Kit.court_code, actor))
        .order_by(Kit.court_code, Kit.kit_id)
    )
    ends = _list_certificate_ends(session)
    return [_view(kit, state, now_ms, ends.get(kit.kit_no or 0)) for kit, state in session.exec(query)]


def _list_certificate_ends(session: Session) -> dict[int, int]:
    query = select(KitCertificate.kit_no, func.max(KitCertificate.until_ms)).where(
        col(KitCertificate.revoked_ms).is_(None), col(KitCertificate.until_ms).is_not(None)
    )
    return {kit_no: ends or 0 for kit_no, ends in session.exec(query.group_by(col(KitCertificate.kit_no)))}


def get_kit(session: Session, actor: Actor, kit_id: str, *, now_ms: int) -> KitView:
    """Return one kit; raises NotFoundError when it does not exist or is outside the actor's courts."""
    check_permission(actor, "see_kits")
    kit = session.exec(select(Kit).where(Kit.kit_id == kit_id, in_scope(Kit.court_code, actor))).first()
    if kit is None:
        raise NotFoundError(f"There is no kit {kit_id[:40]!r} in your courts; see the list of kits.", kit_id=kit_id)
    return _view(kit, session.get(KitState, kit.kit_no), now_ms)


def find_kit_ref(session: Session, kit_id: str) -> rules.KitRef | None:
    """Return a kit's reference, revoked or not, for work inside the centre (no actor)."""
    kit = session.exec(select(Kit).where(Kit.kit_id == kit_id)).first()
    return rules.KitRef(kit.kit_no or 0, kit.kit_id, kit.court_code) if kit else None


def list_officers(session: Session) -> dict[str, str]:
    """Return who carries which kit, by kit id (no actor): the officer's name, or else the kit's label."""
    rows = session.exec(select(Kit.kit_id, Kit.officer, Kit.label).where(col(Kit.revoked_ms).is_(None)))
    return {kit_id: officer or label for kit_id, officer, label in rows}


def find_state(session: Session, kit_no: int) -> KitState | None:
    """Return a kit's newest state, for work inside the centre (no actor)."""
    return session.get(KitState, kit_no)


def list_trail(
    session: Session, actor: Actor, kit_id: str, *, from_ms: int, to_ms: int, now_ms: int, limit: int = 5000
) -> Sequence[Position]:
    """Return the kit's fixes between two times by their own time, newest `limit` of them, oldest first."""
    check_permission(actor, "see_trail")
    kit = get_kit(session, actor, kit_id, now_ms=now_ms).kit
    return read_trail(session, kit.kit_no or 0, from_ms=from_ms, to_ms=to_ms, limit=limit)


def list_certificates(session: Session, actor: Actor, kit_id: str, *, now_ms: int) -> Sequence[KitCertificate]:
    """Return the certificates of a kit; raises ForbiddenError without `manage_devices`."""
    check_permission(actor, "manage_devices")
    kit = get_kit(session, actor, kit_id, now_ms=now_ms).kit
    return session.exec(select(KitCertificate).where(KitCertificate.kit_no == kit.kit_no)).all()


def list_directives(
    session: Session, actor: Actor, kit_id: str, *, now_ms: int, limit: int = 50, kind: str = ""
) -> Sequence[MailboxEntry]:
    """Return the newest directives to a kit (of one kind) with what became of them."""
    kit = get_kit(session, actor, kit_id, now_ms=now_ms).kit
    query = select(MailboxEntry).where(MailboxEntry.kit_no == kit.kit_no)
    if kind:
        query = query.where(MailboxEntry.kind == kind)
    return session.exec(query.order_by(col(MailboxEntry.number).desc()).limit(limit)).all()


def survey_kits(session: Session, *, now_ms: int) -> list[KitView]:
    """Return every kit that is not revoked, for the centre's own figures (no actor)."""
    query = select(Kit, KitState).join(KitState, col(KitState.kit_no) == Kit.kit_no, isouter=True)
    ends = _list_certificate_ends(session)
    found = session.exec(query.where(col(Kit.revoked_ms).is_(None)).order_by(Kit.kit_id))
    return [_view(kit, state, now_ms, ends.get(kit.kit_no or 0)) for kit, state in found]


def count_mailbox(session: Session) -> dict[str, int]:
    """Return how many directives are in each state of the mailbox, for the centre's own figures (no actor)."""
    return dict(session.exec(select(MailboxEntry.state, func.count()).group_by(MailboxEntry.state)).all())


def list_set_aside(session: Session, actor: Actor, *, limit: int = 100) -> Sequence[SetAside]:
    """Return the newest messages set aside; raises ForbiddenError without `see_set_aside`."""
    check_permission(actor, "see_set_aside")
    query = select(SetAside).order_by(col(SetAside.id).desc()).limit(limit)
    kits = select(Kit.kit_id).where(in_scope(Kit.court_code, actor))
    return session.exec(query.where(col(SetAside.kit_id).in_(kits) | (SetAside.kit_id == ""))).all()


def list_counters(session: Session) -> dict[str, int]:
    """Return every running total by name."""
    return {row.name: row.value for row in session.exec(select(Counter).order_by(Counter.name))}


def list_remarkable(session: Session) -> dict[str, int]:
    """Return the totals of what a person should look at; the others are figures of how busy it was."""
    return {name: count for name, count in list_counters(session).items() if not name.startswith("total.")}


def _view(kit: Kit, state: KitState | None, now_ms: int, until_ms: int | None = None) -> KitView:
    return KitView(kit, state, presence_of(kit, state, now_ms), until_ms)


def presence_of(kit: Kit, state: KitState | None, now_ms: int) -> rules.PresenceView:
    """Judge a kit's presence at `now_ms`."""
    health = (state.health if state else None) or {}
    return rules.judge_presence(
        now_ms=now_ms,
        last_heard_ms=state.last_heard_ms if state else None,
        revoked=kit.revoked_ms is not None,
        duty=health.get("duty"),
        gps=str(health.get("gps", "")),
        has_fix=bool(state and state.lat is not None),
        link=link_word(state),
        battery_pct=health.get("battery_pct"),
    )


def link_word(state: KitState | None) -> rules.LinkWord | None:
    """Return the newest word about the kit's session, None while there was none."""
    if state is None or state.link_ms is None:
        return None
    return rules.LinkWord(state.link, state.link_ms)


def list_valid_serials(session: Session, kit_no: int) -> set[str]:
    """Return the serials of a kit's certificates that are not revoked, for work inside the centre (no actor)."""
    query = select(KitCertificate.serial).where(KitCertificate.kit_no == kit_no)
    return set(session.exec(query.where(col(KitCertificate.revoked_ms).is_(None))).all())
