"""Enforcement cases, found by what lists can be narrowed by."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from central.api.case_drafts import read_number
from central.api.case_shapes import line_of
from central.api.context import CaseReader, Here
from central.api.openapi import refusals
from central.api.shapes_cases import CasePage, CasesAsked
from central.cases.finding import look_for_cases
from central.cases.search import CaseFilter

router = APIRouter(tags=["cases"])


@router.get("/cases", operation_id="list_cases", responses=refusals(403, 422))
def list_cases(here: Here, caller: CaseReader, asked: Annotated[CasesAsked, Query()]) -> CasePage:
    """Return cases of the account's courts, newest first. The search is audited."""
    wanted = CaseFilter(
        text=read_number(asked.case_no).text if asked.case_no else "",
        court_code=asked.court_code or "",
        state=asked.state or "",
        type_code=asked.type_code or "",
        filed_from=asked.filed_from,
        filed_until=asked.filed_until,
        flagged=asked.flagged,
    )
    with here.store.write() as uow:
        page = look_for_cases(uow, caller, here.keyring, wanted, after=asked.after or "", limit=asked.limit)
    rows = [row for row in page.rows if not wanted.text or row.case_no == wanted.text]
    return CasePage(items=[line_of(row) for row in rows], next=None if wanted.text else page.next)
