"""Administration: an index of the pages that keep the house, each shown to those who may open it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Request, Response

from central.courts.permissions import Actor, may_any
from central.web.context import SignedIn
from central.web.i18n import note as _
from central.web.render import render

router = APIRouter(prefix="/admin")


@dataclass(frozen=True)
class AdminPage:
    """One card of the index: address, title, one line on what is done there, rights of which it needs one, icon."""

    path: str
    title: str
    about: str
    rights: tuple[str, ...]
    icon: str


# One line a page, in the order people look for them.
ADMIN_PAGES: Final[tuple[AdminPage, ...]] = (
    AdminPage(
        "/admin/courts", _("法院与指挥中心"), _("法院、驻地、指挥长、指挥单位、功能启用"), ("see_courts",), "court"
    ),
    AdminPage("/admin/users", _("用户"), _("账户由一名管理员提请、另一名核准"), ("see_users",), "users"),
    AdminPage("/admin/roles", _("角色与权限"), _("每个角色可以做什么"), ("see_roles",), "matrix"),
    AdminPage(
        "/admin/terminals", _("终端"), _("重要操作只在登记的办公电脑上进行"), ("manage_terminals",), "terminal"
    ),
    AdminPage(
        "/admin/service-accounts",
        _("接口账户"),
        _("其他系统的账户与权限；由一名管理员提请、另一名核准"),
        ("manage_service_accounts", "admit_service_accounts"),
        "service",
    ),
    AdminPage("/cameras", _("外部摄像机"), _("他方摄像机和会议系统的画面地址"), ("manage_cameras",), "camera"),
    AdminPage("/devices", _("接入管理"), _("装备证书、未接收的消息与连接"), ("see_set_aside",), "inbox"),
    AdminPage("/audit", _("审计"), _("谁在何时做了什么；核验与导出"), ("read_audit",), "audit"),
)


def admin_pages(actor: Actor) -> list[AdminPage]:
    """Return the pages this person may open."""
    return [page for page in ADMIN_PAGES if may_any(actor, page.rights)]


@router.get("")
def show_admin(request: Request, actor: SignedIn) -> Response:
    """Show the index; it is empty for nobody, as everybody may look up courts and roles."""
    return render(request, "admin/index.html", pages=admin_pages(actor))
