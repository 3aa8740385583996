"""A person decides what a kit's dear or thin link is for: originals asked for, the link counted as metered or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from sqlmodel import Session

from central.audit import service as audit
from central.base.errors import NotFoundError
from central.base.unit_of_work import UnitOfWork
from central.courts.permissions import Actor, check_permission, sees_court
from central.devices import queries as devices_queries
from central.devices import service as devices
from central.devices.models import MailboxEntry
from central.devices.rules import KitRef
from central.evidence import queries as evidence
from central.evidence import rules as evidence_rules
from central.evidence.queries import SegmentEntry
from central.incidents import rules
from contract.orders import LinkOrder, OriginalsOrder

LAST: Final = 2**53 - 1


def order_originals(
    uow: UnitOfWork, actor: Actor, recording_id: str, *, reason: str, first: int = 0, last: int = LAST
) -> MailboxEntry:
    """Ask a recording's kit for the segments `first` to `last` in full, whatever its link costs; audited.

    Raises ForbiddenError, NotFoundError, InvalidInputError (no reason), NothingMissingError (all of it is here).
    """
    check_permission(actor, "order_recording")
    view = evidence.view_recording(uow.session, actor, recording_id)
    recording = view.recording
    kit = _find_kit(uow, actor, recording.kit_id)
    reason = rules.check_closing_note(reason)
    missing = list_missing(view.segments, first, last)
    if not missing:
        raise evidence_rules.NothingMissingError(
            "Every segment of this range is here already: none is left to ask for."
        )
    order = OriginalsOrder(recording_id=recording_id, from_seq=first, to_seq=last, by=actor.name[:64])
    entry = devices.put_directive(uow, kit, kind="originals", body=msgspec.to_builtins(order))
    audit.append(
        uow,
        actor=actor.audit_name,
        court_code=recording.court_code,
        action="evidence:originals:ask",
        subject=recording_id,
        purpose=reason,
        detail={"kit_id": kit.kit_id, "from_seq": first, "to_seq": last, "missing": len(missing)},
    )
    return entry


def order_metered(uow: UnitOfWork, actor: Actor, kit_id: str, *, metered: bool | None, reason: str) -> MailboxEntry:
    """Say whether a kit's link counts as metered (None: the kit judges), audited with its reason.

    Raises ForbiddenError, NotFoundError, InvalidInputError (no reason).
    """
    check_permission(actor, "order_recording")
    kit = _find_kit(uow, actor, kit_id)
    reason = rules.check_closing_note(reason)
    body = msgspec.to_builtins(LinkOrder(metered=metered, by=actor.name[:64]))
    entry = devices.put_directive(uow, kit, kind="link", body=body)
    audit.append(
        uow,
        actor=actor.audit_name,
        court_code=kit.court_code,
        action="devices:link:order",
        subject=kit.kit_id,
        purpose=reason,
        detail={"metered": metered},
    )
    return entry


def list_missing(segments: Sequence[SegmentEntry], first: int = 0, last: int = LAST) -> list[int]:
    """Return the numbers of segments that the kit has announced and the centre does not hold."""
    return [entry.seq for entry in segments if not entry.is_gap and not entry.stored and first <= entry.seq <= last]


def list_asked(session: Session, actor: Actor, kit_id: str, recording_id: str, *, now_ms: int) -> list[MailboxEntry]:
    """Return what was asked of this recording so far, newest first; for whoever sees the kit."""
    entries = devices_queries.list_directives(session, actor, kit_id, now_ms=now_ms, kind="originals")
    return [entry for entry in entries if entry.body.get("recording_id") == recording_id]


def _find_kit(uow: UnitOfWork, actor: Actor, kit_id: str) -> KitRef:
    view = devices_queries.get_kit(uow.session, actor, kit_id, now_ms=uow.now_ms)
    if view.kit.revoked_ms is not None or not sees_court(actor.court_code, view.kit.court_code):
        raise NotFoundError("This kit is revoked and hears nothing any more; choose another.", kit_id=kit_id)
    return KitRef(view.kit.kit_no or 0, view.kit.kit_id, view.kit.court_code)
