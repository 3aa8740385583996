"""Who works on a case, who watches it, who else may see it and who must not: the forms of its page for these."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Form, Response

from central.cases import service as cases
from central.web.case_desk import REASON_FIELDS, ActForm, Code, Desk, Line, ProvenDesk

router = APIRouter(prefix="/cases/{case_no}")

ASSIGN: Final = ActForm("assign", "facts", "assign_case", {"handler_unfit": "handler"})
FLAG: Final = ActForm("flag", "facts", "flag_case", {**REASON_FIELDS, "unknown_code": "flag", "already_set": "flag"})
FLAG_END: Final = ActForm("flag", "facts", "flag_case")
SHARE: Final = ActForm(
    "share",
    "links",
    "share_case",
    {"share": "days", "already_set": "court_code", "text_missing": "basis", "text_too_long": "basis"},
)
SHARE_END: Final = ActForm("share", "links", "share_case")
RECUSAL: Final = ActForm("recusal", "links", "set_recusal", {**REASON_FIELDS, "already_set": "login"})
RECUSAL_END: Final = ActForm("recusal", "links", "set_recusal", REASON_FIELDS)


@router.post("/assign")
def assign(desk: Desk, handler: Code = "", clerk: Code = "") -> Response:
    """Assign handler and clerk."""
    return desk.perform(
        ASSIGN,
        {"handler": handler, "clerk": clerk},
        lambda uow: cases.assign_case(uow, desk.actor, desk.case_no, handler, clerk_login=clerk),
    )


@router.post("/flags")
def set_flag(desk: Desk, flag: Code = "", reason: Line = "") -> Response:
    """Mark the case as big or important."""
    return desk.perform(
        FLAG,
        {"flag": flag, "reason": reason},
        lambda uow: cases.set_flag(uow, desk.actor, desk.case_no, flag, reason),
    )


@router.post("/flags/{flag_id}/clear")
def clear_flag(desk: Desk, flag_id: str) -> Response:
    """Take a flag away."""
    return desk.perform(FLAG_END, {}, lambda uow: cases.clear_flag(uow, desk.actor, desk.case_no, flag_id))


@router.post("/shares")
def share(desk: Desk, court_code: Code = "", basis: Line = "", days: Annotated[int, Form()] = 0) -> Response:
    """Let another court read the case for a time."""
    return desk.perform(
        SHARE,
        {"court_code": court_code, "basis": basis, "days": str(days)},
        lambda uow: cases.share_case(uow, desk.actor, desk.case_no, court_code, days=days, basis=basis),
    )


@router.post("/shares/{share_id}/end")
def end_share(desk: Desk, share_id: str) -> Response:
    """Take a share back."""
    return desk.perform(SHARE_END, {}, lambda uow: cases.end_share(uow, desk.actor, desk.case_no, share_id))


@router.post("/recusals")
def recuse(desk: ProvenDesk, login: Code = "", reason: Line = "") -> Response:
    """Recuse a person: a grave act."""
    return desk.perform(
        RECUSAL,
        {"login": login, "reason": reason},
        lambda uow: cases.set_recusal(uow, desk.actor, desk.case_no, login, reason),
    )


@router.post("/recusals/{recusal_id}/end")
def end_recusal(desk: ProvenDesk, recusal_id: str, reason: Line = "") -> Response:
    """End a recusal, with a reason: a grave act."""
    return desk.perform(
        RECUSAL_END.of(recusal_id),
        {"reason": reason},
        lambda uow: cases.end_recusal(uow, desk.actor, desk.case_no, recusal_id, reason),
    )
