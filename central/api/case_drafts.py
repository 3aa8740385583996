"""Turns a delivered case into a draft, or into the list of everything that is wrong with it. Pure."""

from __future__ import annotations

from central.api.problems import invalid, refused_field, say_in_chinese
from central.api.shapes_cases import CaseInput, PartyInput
from central.base.errors import DomainError
from central.cases.catalogue import Catalogue
from central.cases.delivery import list_faults
from central.cases.drafts import CaseDraft
from central.cases.numbers import CaseNumber, CaseNumberError, parse_case_no
from central.cases.parties import PartyDraft, PartyError, check_party
from central.courts.rules import check_code

_Errors = list[dict[str, str]]


def read_number(case_no: str, court_code: str = "") -> CaseNumber:
    """Return the number in a path or query; raises CaseNumberError."""
    return parse_case_no(case_no, legacy_court=court_code)


def make_draft(case_no: str, body: CaseInput, catalogue: Catalogue, now_ms: int) -> CaseDraft:
    """Return the draft of a case; raises ProblemError 422 that lists every refused field."""
    errors: _Errors = []
    number = _read_own_number(case_no, body.court_code, errors)
    parties = tuple(
        party for place, given in enumerate(body.parties) if (party := _read_party(place, given, errors)) is not None
    )
    if number is None:
        raise invalid(errors)
    draft = CaseDraft(
        number=number,
        filed_on=body.filed_on,
        parties=parties,
        basis_doc_no=body.basis_doc_no.strip(),
        cause=body.cause.strip(),
        claim_fen=body.claim_fen,
        received_fen=body.received_fen,
        state=body.state,
        closing=body.closing,
        closed_on=body.closed_on,
        handler_login=body.handler_login.strip(),
        handler_name=body.handler_name.strip(),
        nodes_done=dict(body.nodes_done),
    )
    for fault in list_faults(catalogue, draft, now_ms):
        place = "path" if fault.field == "case_no" else "body"
        errors.append(refused_field(place, fault.field, fault.code, fault.detail, fault.detail_zh))
    if errors:
        raise invalid(errors)
    return draft


def _read_own_number(case_no: str, court_code: str, errors: _Errors) -> CaseNumber | None:
    try:
        if court_code:
            check_code(court_code)
        number = read_number(case_no, court_code)
    except DomainError as error:
        place = ("path", "case_no") if isinstance(error, CaseNumberError) else ("body", "court_code")
        errors.append(_line(*place, error))
        return None
    if not number.court_code:
        errors.append(
            refused_field(
                "body",
                "court_code",
                "missing",
                "A number of before 2016 does not name its court by code: give court_code.",
                "2016年以前的案号不含法院代码；请填写 court_code。",
            )
        )
        return None
    if court_code and court_code != number.court_code:
        errors.append(
            refused_field(
                "body",
                "court_code",
                "contradiction",
                "The case number names another court.",
                "与案号中的法院不一致。",
            )
        )
        return None
    return number


def _read_party(place: int, given: PartyInput, errors: _Errors) -> PartyDraft | None:
    try:
        return check_party(PartyDraft(**given.model_dump()))
    except PartyError as error:
        field = str(error.params.get("field", "")) or _field_of(error)
        errors.append(_line("body", f"parties.{place}.{field}".rstrip("."), error))
        return None


def _field_of(error: PartyError) -> str:
    """Return the field a refusal is about, by its code: id_check_digit, name_empty, ..."""
    if error.code.startswith("name"):
        return "name"
    return "id_no" if error.code.startswith(("id_", "uscc", "org_code")) else ""


def _line(place: str, field: str, error: DomainError) -> dict[str, str]:
    return refused_field(place, field, error.code, error.message, say_in_chinese(error))
