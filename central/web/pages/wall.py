"""The video wall (视频墙): 1, 4, 9 or 16 sources at once, taken from sessions, an incident or a task."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from central.command import queries as command
from central.command.session_rights import may_watch
from central.courts.permissions import check_permission, may
from central.web import wall_view
from central.web.context import Here, SignedIn, live_url
from central.web.render import render, words_of

router = APIRouter(prefix="/wall")

Text = Annotated[str, Query(max_length=2000)]


@router.get("")
def show_wall(
    request: Request,
    here: Here,
    actor: SignedIn,
    *,
    incident: Text = "",
    task: Text = "",
    tiles: Text = "",
    size: Annotated[int, Query(ge=0, le=wall_view.MAX_TILES)] = 0,
) -> Response:
    """Show the wall with the tiles that the address names; the script keeps the address as it is changed."""
    check_permission(actor, "watch_live")
    now_ms, words = here.now_ms(), words_of(request)
    with here.store.read() as session:
        sources = wall_view.list_sources(session, actor, words, now_ms=now_ms)
        chosen = [tile for tile in tiles.split(",") if len(tile) <= 64][: wall_view.MAX_TILES] if tiles else []
        if incident:
            chosen = wall_view.list_incident_kits(session, actor, incident)
        elif task:
            chosen = wall_view.list_task_kits(session, actor, task, now_ms=now_ms)
        elif not tiles:
            chosen = [source.id for source in sources if source.session][: wall_view.MAX_TILES]
    shown = size if size in wall_view.LAYOUTS else wall_view.fit_layout(max(len(chosen), 4))
    boot = {
        "url": live_url(request),
        "sources": wall_view.plain(sources),
        "tiles": chosen[:shown] if size else chosen,
        "size": shown,
        "now_ms": now_ms,
        "can_ask": may(actor, "request_command") or may(actor, "start_command"),
        "presence": wall_view.words_of_presence(words),
    }
    return render(
        request, "wall/wall.html", sources=sources, boot=boot, size=shown, layouts=wall_view.LAYOUTS, chosen=chosen
    )


@router.get("/sources")
def give_sources(request: Request, here: Here, actor: SignedIn) -> dict[str, Any]:
    """Return what can be put on the wall now."""
    check_permission(actor, "watch_live")
    now_ms = here.now_ms()
    with here.store.read() as session:
        sources = wall_view.list_sources(session, actor, words_of(request), now_ms=now_ms)
    return {"now_ms": here.now_ms(), "sources": wall_view.plain(sources)}


@router.get("/sources/{session_id}")
def give_session_sources(request: Request, here: Here, actor: SignedIn, session_id: str) -> dict[str, Any]:
    """Return what is to be seen in one session now; raises NotFoundError for who has no part in it."""
    now_ms = here.now_ms()
    with here.store.read() as session:
        view = command.get_session(session, actor, session_id)
        is_shown = view.is_open and may_watch(actor, view.as_open)
        words = words_of(request)
        sources = wall_view.list_session_sources(session, actor, view, words, now_ms=now_ms) if is_shown else []
    return {"now_ms": here.now_ms(), "sources": wall_view.plain(sources)}
