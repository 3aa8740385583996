"""Lists of cases read by other systems: each page leaves its row in the audit, as names are personal data."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Any

from central.audit import service as audit
from central.base.keyring import Keyring
from central.base.unit_of_work import UnitOfWork
from central.cases.search import CaseFilter, CasePage, search_cases
from central.courts.permissions import Viewer


def look_for_cases(
    uow: UnitOfWork, viewer: Viewer, keyring: Keyring, wanted: CaseFilter, *, after: str = "", limit: int = 50
) -> CasePage:
    """Return a page of cases and audit what was asked and how many were shown.

    Raises ForbiddenError, CursorError. `wanted.text` is kept in the audit: give case numbers there, no identities.
    """
    page = search_cases(uow.session, viewer, keyring, wanted, now_ms=uow.now_ms, after=after, limit=limit)
    audit.append(
        uow,
        actor=viewer.audit_name,
        court_code=viewer.court_code,
        action="cases:list:read",
        subject=f"court:{wanted.court_code or viewer.court_code}",
        detail={**_asked(wanted), "shown": len(page.rows), "is_first_page": not after},
    )
    return page


def _asked(wanted: CaseFilter) -> dict[str, Any]:
    values = {name: value for name, value in asdict(wanted).items() if value}
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in values.items()}
