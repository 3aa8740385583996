"""Courts: the account's own and those below."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from fastapi import Path as InPath

from central.api.context import CourtReader, Here
from central.api.openapi import refusals
from central.api.shapes import Court, CourtHistory, CourtList, CourtName, CourtSeat, moment
from central.courts import queries as courts
from central.courts.rules import check_code

router = APIRouter(tags=["courts"])

CodeInPath = Annotated[str, InPath(description="Court code, in UTF-8.", max_length=20, examples=["云2901"])]


@router.get("/courts", operation_id="list_courts", responses=refusals(403))
def list_courts(here: Here, service: CourtReader) -> CourtList:
    """Return the courts as they are now, superior first; `parent_code` makes the tree."""
    with here.store.read() as session:
        return CourtList(items=[Court(**_describe(court)) for court in courts.list_courts(session, service)])


@router.get("/courts/{court_code}", operation_id="get_court", responses=refusals(403, 404, 422))
def get_court(here: Here, service: CourtReader, court_code: CodeInPath) -> CourtHistory:
    """Return one court with its names and seats over time."""
    check_code(court_code)
    with here.store.read() as session:
        court = courts.view_court(session, service, court_code)
        names = courts.list_names(session, service, court_code)
        seats = courts.list_seats(session, service, court_code)
    return CourtHistory(
        **_describe(court),
        names=[
            CourtName(name_zh=name.name_zh, name_en=name.name_en, division=name.division, **_dates(name))
            for name in names
        ],
        seats=[
            CourtSeat(address=seat.address, lat=seat.lat, lon=seat.lon, reason=seat.reason, **_dates(seat))
            for seat in seats
        ],
    )


def _describe(court: Any) -> dict[str, Any]:
    return {name: getattr(court, name) for name in Court.model_fields}


def _dates(row: Any) -> dict[str, Any]:
    until_ms = row.until_ms
    return {"from_at": moment(row.from_ms), "until_at": None if until_ms is None else moment(until_ms)}
