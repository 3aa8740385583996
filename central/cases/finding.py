"""Lists of cases as people and other systems read them: each page is audited, as names are personal data."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Any, Final

from central.audit import service as audit
from central.base.keyring import Keyring
from central.base.unit_of_work import UnitOfWork
from central.cases.search import CaseFilter, CasePage, search_cases
from central.courts.permissions import Viewer

READ_ACTION: Final = "cases:list:read"


def look_for_cases(
    uow: UnitOfWork, viewer: Viewer, keyring: Keyring, wanted: CaseFilter, *, after: str = "", limit: int = 50
) -> CasePage:
    """Return a page of cases and audit what was asked and how many were shown; raises ForbiddenError, CursorError."""
    page = search_cases(uow.session, viewer, keyring, wanted, now_ms=uow.now_ms, after=after, limit=limit)
    keep_search(uow, viewer, wanted, page, after=after)
    return page


def keep_search(
    uow: UnitOfWork, viewer: Viewer, wanted: CaseFilter, page: CasePage, *, after: str = "", action: str = READ_ACTION
) -> None:
    """Audit a page that was read outside of the write lock; of an identity number four characters are kept."""
    audit.append(
        uow,
        actor=viewer.audit_name,
        court_code=viewer.court_code,
        action=action,
        subject=f"court:{wanted.court_code or viewer.court_code}",
        detail={**_asked(wanted, page.how), "how": page.how, "shown": len(page.rows), "is_first_page": not after},
    )


def _asked(wanted: CaseFilter, how: str) -> dict[str, Any]:
    values = {name: value for name, value in asdict(wanted).items() if value}
    if how == "identity":
        values["text"] = f"****{wanted.text.strip()[-4:]}"
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in values.items()}
