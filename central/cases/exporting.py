"""A list of cases as rows of a table file, page by page, so that no long transaction and no long list is held."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from central.audit import service as audit
from central.base.keyring import Keyring
from central.base.unit_of_work import Store
from central.cases.found import CaseRow
from central.cases.search import CaseFilter, search_cases
from central.courts.permissions import Actor, check_permission

MAX_ROWS: Final = 10_000
_PAGE_ROWS: Final = 200


def export_cases(store: Store, actor: Actor, keyring: Keyring, wanted: CaseFilter) -> Iterator[CaseRow]:
    """Yield the cases that fit `wanted`, newest first, MAX_ROWS at most; the export is audited before its first row.

    Raises ForbiddenError at once, not at the first row.
    """
    check_permission(actor, "export_cases")
    with store.read() as session:
        first = search_cases(session, actor, keyring, wanted, now_ms=store.clock.now_ms(), limit=_PAGE_ROWS)
    with store.write() as uow:
        fields = sorted(name for name in CaseFilter.__dataclass_fields__ if getattr(wanted, name))
        audit.append(
            uow,
            actor=actor.audit_name,
            court_code=actor.court_code,
            action="cases:list:export",
            subject=f"court:{wanted.court_code or actor.court_code}",
            detail={"how": first.how, "narrowed_by": fields, "is_whole": first.next is None, "limit": MAX_ROWS},
        )
    return _rows(store, actor, keyring, wanted)


def _rows(store: Store, actor: Actor, keyring: Keyring, wanted: CaseFilter) -> Iterator[CaseRow]:
    after, left = "", MAX_ROWS
    while left > 0:
        with store.read() as session:
            page = search_cases(
                session, actor, keyring, wanted, now_ms=store.clock.now_ms(), after=after, limit=min(left, _PAGE_ROWS)
            )
        yield from page.rows
        left -= len(page.rows)
        if page.next is None:
            return
        after = page.next
