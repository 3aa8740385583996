"""Reads of personal data: each leaves its row in the audit."""

from __future__ import annotations

from sqlmodel import Session, col, select

from central.audit.models import AuditEntry
from central.base.errors import NotFoundError
from central.base.keyring import Keyring
from central.base.unit_of_work import UnitOfWork
from central.cases import queries, record, rules
from central.cases.models import EnforcementCase, Party
from central.cases.views import CaseView
from central.courts.permissions import Viewer

READ_ACTION = "cases:case:read"


def look_at_case(uow: UnitOfWork, actor: Viewer, keyring: Keyring, case_no: str, purpose: str = "") -> CaseView:
    """Return one case, private data masked, and audit the reading; raises NotFoundError, ForbiddenError.

    Without a stated purpose the audit gets the role's ordinary one (rules.READ_PURPOSES). Another reading by the same
    person within rules.READ_AGAIN_MS, such as a page shown again after a form, is the same reading.
    """
    view = queries.view_case(uow.session, actor, keyring, case_no, now_ms=uow.now_ms)
    purpose = rules.read_purpose(actor, purpose)
    if not was_read_lately(uow.session, actor, view.case, purpose, uow.now_ms):
        record.keep_audit(uow, view.case, actor, READ_ACTION, purpose=purpose)
    return view


def was_read_lately(session: Session, actor: Viewer, case: EnforcementCase, purpose: str, now_ms: int) -> bool:
    """Tell whether the audit holds this person's reading of the case for this purpose from the last minutes."""
    query = select(AuditEntry.seq).where(
        AuditEntry.subject == f"case:{case.case_no}",
        AuditEntry.at_ms > now_ms - rules.READ_AGAIN_MS,
        AuditEntry.actor == actor.audit_name,
        AuditEntry.action == READ_ACTION,
        AuditEntry.purpose == purpose,
    )
    return session.exec(query.order_by(col(AuditEntry.seq).desc()).limit(1)).first() is not None


def unmask_party(  # noqa: PLR0917 - who, with what, where, what, why: in the order of every act
    uow: UnitOfWork, actor: Viewer, keyring: Keyring, case_no: str, party_id: int, purpose: str
) -> dict[str, str]:
    """Return the clear private fields of one party (`id_no`, `phone`, ... as far as known), once, and audit it.

    Raises PurposeShortError, NotFoundError, ForbiddenError (a judge: NotOwnCaseError).
    """
    case = record.open_case(uow, actor, case_no, "unmask_party")
    purpose = rules.check_purpose(purpose)
    party = uow.session.get(Party, party_id)
    if party is None or party.case_id != case.case_id:
        raise NotFoundError("There is no such party in this case; look at the case again.")
    fields = queries.open_party(keyring, party)
    detail = {"party_id": party_id, "role": party.role, "fields": sorted(fields)}
    record.keep_audit(uow, case, actor, "cases:party:unmask", purpose=purpose, detail=detail)
    return fields
