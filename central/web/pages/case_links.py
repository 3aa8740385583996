"""Who works on a case, who watches it, who else may see it and who must not: the forms of its page for these."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from central.base.unit_of_work import UnitOfWork
from central.cases import service as cases
from central.web.context import Here, Proven, SignedIn
from central.web.pages.case_acts import REASON_FIELDS, Code, Line, perform

router = APIRouter(prefix="/cases/{case_no}")


@router.post("/assign")
def assign(
    request: Request, here: Here, actor: SignedIn, *, case_no: str, handler: Code = "", clerk: Code = ""
) -> Response:
    """Assign handler and clerk."""

    def act(uow: UnitOfWork) -> None:
        cases.assign_case(uow, actor, case_no, handler, clerk_login=clerk)

    given = {"handler": handler, "clerk": clerk}
    fields = {"handler_unfit": "handler"}
    return perform(
        request,
        here,
        actor,
        case_no,
        act,
        right="assign_case",
        form="assign",
        section="facts",
        given=given,
        fields=fields,
    )


@router.post("/flags")
def set_flag(
    request: Request, here: Here, actor: SignedIn, *, case_no: str, flag: Code = "", reason: Line = ""
) -> Response:
    """Mark the case as big or important."""

    def act(uow: UnitOfWork) -> None:
        cases.set_flag(uow, actor, case_no, flag, reason)

    given = {"flag": flag, "reason": reason}
    fields = {**REASON_FIELDS, "unknown_code": "flag", "already_set": "flag"}
    return perform(
        request,
        here,
        actor,
        case_no,
        act,
        right="flag_case",
        form="flag",
        section="facts",
        given=given,
        fields=fields,
    )


@router.post("/flags/{flag_id}/clear")
def clear_flag(request: Request, here: Here, actor: SignedIn, *, case_no: str, flag_id: str) -> Response:
    """Take a flag away."""

    def act(uow: UnitOfWork) -> None:
        cases.clear_flag(uow, actor, case_no, flag_id)

    return perform(request, here, actor, case_no, act, right="flag_case", form="flag", section="facts")


@router.post("/shares")
def share(
    request: Request,
    here: Here,
    actor: SignedIn,
    *,
    case_no: str,
    court_code: Code = "",
    basis: Line = "",
    days: Annotated[int, Form()] = 0,
) -> Response:
    """Let another court read the case for a time."""

    def act(uow: UnitOfWork) -> None:
        cases.share_case(uow, actor, case_no, court_code, days=days, basis=basis)

    given = {"court_code": court_code, "basis": basis, "days": str(days)}
    fields = {"share": "days", "already_set": "court_code", "text_missing": "basis", "text_too_long": "basis"}
    return perform(
        request,
        here,
        actor,
        case_no,
        act,
        right="share_case",
        form="share",
        section="links",
        given=given,
        fields=fields,
    )


@router.post("/shares/{share_id}/end")
def end_share(request: Request, here: Here, actor: SignedIn, *, case_no: str, share_id: str) -> Response:
    """Take a share back."""

    def act(uow: UnitOfWork) -> None:
        cases.end_share(uow, actor, case_no, share_id)

    return perform(request, here, actor, case_no, act, right="share_case", form="share", section="links")


@router.post("/recusals")
def recuse(
    request: Request, here: Here, actor: Proven, *, case_no: str, login: Code = "", reason: Line = ""
) -> Response:
    """Recuse a person: a grave act."""

    def act(uow: UnitOfWork) -> None:
        cases.set_recusal(uow, actor, case_no, login, reason)

    given = {"login": login, "reason": reason}
    fields = {**REASON_FIELDS, "already_set": "login"}
    return perform(
        request,
        here,
        actor,
        case_no,
        act,
        right="set_recusal",
        form="recusal",
        section="links",
        given=given,
        fields=fields,
    )


@router.post("/recusals/{recusal_id}/end")
def end_recusal(
    request: Request, here: Here, actor: Proven, *, case_no: str, recusal_id: str, reason: Line = ""
) -> Response:
    """End a recusal, with a reason: a grave act."""

    def act(uow: UnitOfWork) -> None:
        cases.end_recusal(uow, actor, case_no, recusal_id, reason)

    return perform(
        request,
        here,
        actor,
        case_no,
        act,
        right="set_recusal",
        form=f"recusal-{recusal_id}",
        section="links",
        given={"reason": reason},
        fields=REASON_FIELDS,
    )
