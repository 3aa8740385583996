"""The interface itself: what there is, whether it serves, its description. Open to anybody."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request
from sqlalchemy import text

from central.api.catalogue import LISTS
from central.api.context import Here
from central.api.openapi import PREFIX, refusals
from central.api.shapes import Health, Index, Link

router = APIRouter(tags=["interface"])

LINKS: Final = {
    "courts": ("/courts", "courts:read"),
    **{path.replace("-", "_"): (f"/{path}", "cases:read") for path in LISTS},
    "cases": ("/cases", "cases:read"),
    "imports": ("/imports", "imports:write"),
    "changes": ("/changes", "changes:read"),
    "health": ("/health", ""),
}


@router.get("", operation_id="get_index", responses=refusals(is_open=True))
def get_index(request: Request) -> Index:
    """Return what this version offers and the scope each resource needs."""
    links = {name: Link(href=PREFIX + path, scope=scope) for name, (path, scope) in LINKS.items()}
    return Index(version="v1", release=request.app.version, specification=f"{PREFIX}/openapi.json", links=links)


@router.get("/health", operation_id="get_health", responses=refusals(is_open=True))
def get_health(here: Here) -> Health:
    """Return 200 when the interface can read its database; tells nothing else."""
    with here.store.read() as session:
        session.connection().execute(text("SELECT 1"))
    return Health(status="ok")


@router.get("/openapi.json", include_in_schema=False)
def get_specification(request: Request) -> dict[str, Any]:
    """Return this interface's description."""
    document: dict[str, Any] = request.app.openapi()
    return document
