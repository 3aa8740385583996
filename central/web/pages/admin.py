"""Administration: an index of the pages that keep the house, each shown to those who may open it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Request, Response

from central.courts.permissions import Actor, may
from central.web.context import SignedIn
from central.web.i18n import note as _
from central.web.render import render

router = APIRouter(prefix="/admin")


@dataclass(frozen=True)
class AdminPage:
    """One card of the index: address, title, one line on what is done there, right it needs, icon."""

    path: str
    title: str
    about: str
    right: str
    icon: str


# One line a page, in the order people look for them.
ADMIN_PAGES: Final[tuple[AdminPage, ...]] = (
    AdminPage("/devices", _("接入管理"), _("装备证书、未接收的消息与连接"), "see_set_aside", "inbox"),
    AdminPage("/audit", _("审计"), _("谁在何时做了什么；核验与导出"), "read_audit", "audit"),
)


def admin_pages(actor: Actor) -> list[AdminPage]:
    """Return the pages this person may open."""
    return [page for page in ADMIN_PAGES if may(actor, page.right)]


@router.get("")
def show_admin(request: Request, actor: SignedIn) -> Response:
    """Show the index; it is empty for nobody, as everybody may look up courts and roles."""
    return render(request, "admin/index.html", pages=admin_pages(actor))
