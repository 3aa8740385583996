"""One enforcement case: read, and delivered by the system that has it."""

from __future__ import annotations

import re
from typing import Annotated, Final
from urllib.parse import quote, unquote_to_bytes

from anyio import to_thread
from fastapi import APIRouter, Header, Request, Response
from fastapi import Path as InPath
from pydantic import BaseModel, Field

from central.api import case_shapes
from central.api.bodies import read_json
from central.api.case_drafts import make_draft, read_number
from central.api.context import CaseReader, CaseWriter, Context, Here, check_scope
from central.api.examples import CASE_INPUT
from central.api.openapi import PREFIX, body_of, refusals
from central.api.problems import ProblemError, from_domain, invalid, refused_field
from central.api.shapes_cases import CaseDetail, CaseInput, ClearCase, Delivered
from central.base.errors import NotFoundError
from central.cases import delivery, reading
from central.cases.delivery import Expectation, OtherSourceError
from central.cases.drafts import Outcome
from central.cases.rules import CaseExistsError, EditConflictError
from central.people.scopes import ServiceActor

router = APIRouter(tags=["cases"])

MAX_CASE_BYTES: Final = 1024 * 1024
MIN_PURPOSE: Final = 4
MAX_PURPOSE: Final = 200
_ETAG: Final = re.compile(r'"(\d{1,18})"')
_TEXT: Final = {"required": True, "schema": {"type": "string"}}
_ETAG_HEADER: Final = {"ETag": {"description": "The version, quoted.", **_TEXT}}

CaseNo = Annotated[
    str,
    InPath(
        description="Case number, percent-encoded UTF-8, in any usual writing.",
        min_length=1,
        max_length=120,
        examples=["（2026）云2901执123号"],
    ),
]
Purpose = Annotated[
    str | None,
    Header(description="For what the identities are needed: 4 to 200 characters, percent-encoded UTF-8."),
]


class Conditions(BaseModel):
    """What the sender knows of the case (RFC 9110, 13.1)."""

    if_match: str | None = Field(None, description='ETag of the version you read, such as "3"; *: whatever it is.')
    if_none_match: str | None = Field(None, description="*: only when there is no such case yet.")


@router.get(
    "/cases/{case_no}",
    operation_id="get_case",
    response_model=ClearCase | CaseDetail,
    responses={**refusals(403, 404, 422), 200: {"headers": _ETAG_HEADER, "description": "The case"}},
)
def get_case(
    here: Here, caller: CaseReader, response: Response, case_no: CaseNo, purpose: Purpose = None
) -> CaseDetail:
    """Return one case. The reading is audited.

    With the header `Purpose` and the scope personal:read identity numbers, telephones, addresses and accounts are in
    the clear, and the audit keeps the purpose.
    """
    number = read_number(case_no).text
    stated = None if purpose is None else read_purpose(purpose)
    if stated is not None:
        check_scope(caller, "personal:read")
    with here.store.write() as uow:
        view = reading.look_at_case(uow, caller, here.keyring, number, purpose=stated or "")
        if stated is None:
            case = case_shapes.detail_of(view)
        else:
            clear = {
                party.party_id: reading.unmask_party(
                    uow, caller, here.keyring, number, party.party_id, purpose=stated
                )
                for party in view.parties
            }
            case = case_shapes.clear_of(view, clear)
    response.headers["ETag"] = f'"{case.version}"'
    return case


@router.put(
    "/cases/{case_no}",
    operation_id="put_case",
    response_model=Delivered,
    responses={
        **refusals(400, 403, 404, 408, 409, 412, 413, 415, 422, 428),
        200: {"headers": _ETAG_HEADER, "description": "Replaced, or the same as before"},
        201: {
            "model": Delivered,
            "headers": {**_ETAG_HEADER, "Location": _TEXT},
            "description": "Created",
        },
    },
    openapi_extra=body_of(CaseInput, CASE_INPUT),
)
async def put_case(
    request: Request,
    here: Here,
    caller: CaseWriter,
    response: Response,
    case_no: CaseNo,
    _conditions: Annotated[Conditions, Header()],
) -> Delivered:
    """Create the case or replace what its source says of it; the same again changes nothing.

    What was done here (nodes, papers, acts, an assignment) stays. A case that another system delivered, or that was
    registered here, is replaced only with `If-Match`.
    """
    expected = read_expectation(request)
    body = await read_json(request, CaseInput, MAX_CASE_BYTES)
    done = await to_thread.run_sync(_deliver, here, caller, case_no, body, expected)
    response.headers["ETag"] = f'"{done.version}"'
    if done.outcome == Outcome.CREATED:
        response.status_code = 201
        response.headers["Location"] = f"{PREFIX}/cases/{quote(done.case_no)}"
    return Delivered(case_no=done.case_no, outcome=done.outcome.value, version=done.version)


def _deliver(
    here: Context, sender: ServiceActor, case_no: str, body: CaseInput, expected: Expectation
) -> delivery.Delivery:
    draft = make_draft(case_no, body, here.catalogue, here.store.clock.now_ms())
    try:
        with here.store.write() as uow:
            return delivery.deliver_case(uow, sender, here.keyring, draft, expected)
    except (EditConflictError, CaseExistsError, NotFoundError) as error:
        # RFC 9110: what the sender stated of the case does not hold; without such a statement it is a conflict.
        raise from_domain(error, status=409 if expected == Expectation() else 412) from error
    except OtherSourceError as error:
        raise from_domain(error, status=428) from error


def read_purpose(value: str) -> str:
    """Return the stated purpose; raises ProblemError 422."""
    try:
        if re.search(r"%(?![0-9A-Fa-f]{2})", value):
            raise ValueError
        purpose = unquote_to_bytes(value.encode("latin-1")).decode().strip()
    except ValueError:
        raise _bad_purpose() from None
    if not MIN_PURPOSE <= len(purpose) <= MAX_PURPOSE or not purpose.isprintable():
        raise _bad_purpose()
    return purpose


def _bad_purpose() -> ProblemError:
    text = "Give 4 to 200 printable characters, percent-encoded UTF-8."
    return invalid(
        [refused_field("header", "Purpose", "purpose", text, "用途应为 4 至 200 个可见字符（百分号编码的 UTF-8）。")]
    )


def read_expectation(request: Request) -> Expectation:
    """Return what If-Match and If-None-Match ask (RFC 9110, 13.1); raises ProblemError 422 when they are no such."""
    match = ",".join(request.headers.getlist("if-match")).strip()
    none_match = ",".join(request.headers.getlist("if-none-match")).strip()
    if match and none_match:
        raise _bad_condition("If-Match", "Send If-Match or If-None-Match, not both.")
    if none_match:
        if none_match != "*":
            raise _bad_condition("If-None-Match", "Only * can be sent here.")
        return Expectation(is_there=False)
    if not match:
        return Expectation()
    if match == "*":
        return Expectation(is_there=True)
    tags = [_ETAG.fullmatch(tag.strip()) for tag in match.split(",")]
    if not all(tags):
        raise _bad_condition("If-Match", 'Send the ETag as you got it, such as "3".')
    return Expectation(versions=frozenset(int(tag[1]) for tag in tags if tag))


def _bad_condition(header: str, detail: str) -> ProblemError:
    return invalid([refused_field("header", header, "condition", detail, "条件请求头格式不正确；请原样携带 ETag。")])
