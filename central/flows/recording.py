"""A person orders a kit to record or to stop."""

from __future__ import annotations

from central.audit import service as audit
from central.base.errors import NotFoundError
from central.base.unit_of_work import UnitOfWork
from central.courts.permissions import Actor, check_permission, sees_court
from central.devices import queries as devices_queries
from central.devices import service as devices
from central.devices.models import MailboxEntry
from central.incidents import rules


def order_recording(uow: UnitOfWork, actor: Actor, kit_id: str, *, wanted: bool, cause: str) -> MailboxEntry:
    """Put `record_start` or `record_stop` into the kit's mailbox, audited with its cause.

    Raises ForbiddenError, NotFoundError, InvalidInputError (no cause given).
    """
    check_permission(actor, "order_recording")
    kit = devices_queries.find_kit_ref(uow.session, kit_id)
    if kit is None or not sees_court(actor.court_code, kit.court_code):
        raise NotFoundError("There is no such kit in your courts; see the list of kits.")
    cause = rules.check_closing_note(cause)
    kind = "record_start" if wanted else "record_stop"
    entry = devices.put_directive(uow, kit, kind=kind, body={"cause": cause, "by": actor.name[:64]})
    audit.append(
        uow,
        actor=actor.audit_name,
        court_code=kit.court_code,
        action=f"devices:recording:{'start' if wanted else 'stop'}",
        subject=kit.kit_id,
        purpose=cause,
    )
    return entry
