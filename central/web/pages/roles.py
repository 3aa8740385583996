"""The permission table as people read it: who may do what. For everybody."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request, Response

from central.courts.permissions import GRAVE_ACTIONS, PERMISSIONS, ROLES, check_permission
from central.web.context import SignedIn
from central.web.i18n import note as _
from central.web.render import render

router = APIRouter(prefix="/admin/roles")

# Where a group of the table begins, and how it is called; the order is that of the table itself.
GROUPS: Final = {
    "see_screen": _("大屏、装备与告警"),
    "see_recordings": _("录像证据"),
    "see_work": _("案件"),
    "see_courts": _("法院与指挥单位"),
    "see_health": _("系统维护"),
    "see_users": _("用户与登录"),
    "read_audit": _("审计"),
}


@router.get("")
def show_roles(request: Request, actor: SignedIn) -> Response:
    """Show the table: a matrix on a wide screen and on paper, a list for each role on a telephone."""
    check_permission(actor, "see_roles")
    groups: list[tuple[str, list[str]]] = []
    for action in PERMISSIONS:
        if action in GROUPS:
            groups.append((GROUPS[action], []))
        groups[-1][1].append(action)
    return render(request, "admin/roles.html", groups=groups, table=PERMISSIONS, roles=ROLES, grave=GRAVE_ACTIONS)
