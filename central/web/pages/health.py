"""The fleet's health: which kit needs somebody, worst first."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request, Response

from central.courts import queries as courts
from central.devices.health_history import count_versions, list_fleet
from central.web.context import Here, SignedIn
from central.web.health_view import limits_of
from central.web.render import render

router = APIRouter(prefix="/health")


@router.get("")
def show_health(
    *,
    request: Request,
    here: Here,
    actor: SignedIn,
    court: str = "",
    show: Literal["all", "attention"] = "all",
    version: str = "",
) -> Response:
    """Show every kit's health; `attention` leaves out those that are well."""
    with here.store.read() as session:
        every = list_fleet(session, actor, now_ms=here.now_ms(), limits=limits_of(here.settings))
        known = courts.list_courts(session, actor)
    shown = [
        line
        for line in every
        if line.view.kit.court_code.startswith(court)
        and (show == "all" or line.health.needs_attention)
        and (not version or (line.view.state and line.view.state.version == version))
    ]
    return render(
        request,
        "health.html",
        lines=shown,
        counts={
            "all": len(every),
            "attention": sum(line.health.needs_attention for line in every),
            "old": sum(line.health.is_old for line in every),
        },
        versions=count_versions(every),
        courts={row.code: row for row in known},
        court=court,
        show=show,
        version=version,
    )
