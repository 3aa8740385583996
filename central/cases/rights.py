"""Who may do what on one case. Pure.

The permission table (central.courts.permissions) says what a role may do in its court and those below. On a case it
is narrowed: recusal blocks everything, reading too; a superior court reads, flags and recuses, while the work on a
case is done in its own court; a judge works on the own cases only; a share lets another court read for a time.
Services work within their scopes in their court and those below.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from central.base.errors import DomainError, ForbiddenError
from central.cases.rules import NotOwnCaseError, OtherCourtCaseError, closed_case, unknown_case
from central.courts.permissions import PERMISSIONS, Actor, Viewer, may, sees_court

CASE_ACTIONS: Final = (
    "see_case",
    "register_case",
    "unmask_party",
    "edit_case",
    "record_node",
    "add_document",
    "assign_case",
    "flag_case",
    "request_case_act",
    "approve_case_act",
    "sign_case_act",
    "set_recusal",
    "share_case",
)
_OWN_COURT: Final = frozenset(CASE_ACTIONS) - {"see_case", "unmask_party", "flag_case", "set_recusal"}
_HANDLER_ONLY: Final = frozenset({"unmask_party", "edit_case", "record_node", "add_document", "request_case_act"})
_NOT_CLOSED: Final = frozenset({"edit_case"})


@dataclass(frozen=True, slots=True)
class CaseStand:
    """What the rights on a case depend on; `is_recused` and `is_shared` are about the person and the own court."""

    case_no: str
    court_code: str
    state: str
    handler_id: str | None = None
    is_recused: bool = False
    is_shared: bool = False


def rights_on(viewer: Viewer, case: CaseStand) -> frozenset[str]:
    """Return what `viewer` may do on this case now; empty for whom the case does not exist."""
    if case.is_recused:
        return frozenset()
    if not sees_court(viewer.court_code, case.court_code):
        return frozenset({"see_case"}) if case.is_shared and may(viewer, "see_case") else frozenset()
    return frozenset(action for action in CASE_ACTIONS if _why_not(viewer, case, action) is None)


def check_right(viewer: Viewer, case: CaseStand, action: str) -> None:
    """Raise unless `action` is among `rights_on(viewer, case)`.

    NotFoundError for a case the viewer may not see, NotOwnCaseError, OtherCourtCaseError, CaseClosedError, or
    ForbiddenError when no role allows the act.
    """
    rights = rights_on(viewer, case)
    if action in rights:
        return
    if not rights:
        raise unknown_case(case.case_no)
    raise _why_not(viewer, case, action) or _forbid(action)


def _why_not(viewer: Viewer, case: CaseStand, action: str) -> DomainError | None:
    if not may(viewer, action, case.court_code):
        return _forbid(action)
    if isinstance(viewer, Actor):
        if action in _OWN_COURT and viewer.court_code != case.court_code:
            return OtherCourtCaseError("The work on this case is done in its own court; ask the court that has it.")
        if action in _HANDLER_ONLY and case.handler_id != viewer.user_id and _only_as_judge(viewer, action):
            return NotOwnCaseError("You are not the handler of this case; ask the bureau chief to assign it to you.")
    if action in _NOT_CLOSED and case.state == "closed":
        return closed_case()
    return None


def _only_as_judge(actor: Actor, action: str) -> bool:
    return actor.roles & PERMISSIONS[action] == {"judge"}


def _forbid(action: str) -> ForbiddenError:
    return ForbiddenError(
        "Your role or court does not allow this; ask the administrator of your court.", action=action
    )
