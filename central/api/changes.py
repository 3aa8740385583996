"""The change feed: pull with a cursor, or wait for what comes next."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Annotated, Any, Final

from anyio import to_thread
from fastapi import APIRouter, Query, Request

from central.api.context import ChangeReader, Context, Here, admit_again, check_scope
from central.api.cursors import read_cursor, write_cursor
from central.api.openapi import refusals
from central.api.problems import ProblemError, busy
from central.api.shapes import Change, ChangePage, ChangesAsked, moment
from central.cases import feed
from central.cases.feed import Position
from central.people.scopes import ServiceActor

router = APIRouter(tags=["changes"])

LATEST: Final = "latest"
_LOOK_EVERY_S: Final = 0.5


@router.get("/changes", operation_id="list_changes", responses=refusals(403, 410, 422))
async def list_changes(
    request: Request, here: Here, service: ChangeReader, asked: Annotated[ChangesAsked, Query()]
) -> ChangePage:
    """Return what happened to cases of the account's courts after a cursor, in the order of commit.

    Without `after` the feed begins at its beginning; `after=latest` returns nothing but the cursor of now. With
    `wait` an empty answer is held back until something happens, that many seconds at most.
    """
    if asked.after == LATEST:
        return ChangePage(items=[], next=write_cursor(await to_thread.run_sync(_find_latest, here)), has_more=False)
    after = read_cursor(asked.after) if asked.after else feed.START
    found = await to_thread.run_sync(_read, here, service, after, asked.limit)
    if not found and asked.wait:
        with here.waiting.hold(service.name) as is_free:
            if not is_free:
                raise busy("too_many_waiting", 1)
            found = await _wait(request, here, after, asked)
    page, has_more = found[: asked.limit], len(found) > asked.limit
    end = feed.position_of(page[-1]) if page else after
    return ChangePage(items=[_describe(change) for change in page], next=write_cursor(end), has_more=has_more)


async def _wait(request: Request, here: Context, after: Position, asked: ChangesAsked) -> Sequence[Any]:
    """Look again until there is something, the time is up, the caller has gone or the server goes down."""
    loop = asyncio.get_running_loop()
    ends_s = loop.time() + asked.wait
    while (left_s := ends_s - loop.time()) > 0 and not here.closing.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(_LOOK_EVERY_S, left_s)):
                await here.closing.wait()
        if await request.is_disconnected():
            break
        # The account may have been revoked meanwhile: whoever waits is asked again for its token.
        service = await to_thread.run_sync(_admit_again, request)
        if found := await to_thread.run_sync(_read, here, service, after, asked.limit):
            return found
    return []


def _admit_again(request: Request) -> ServiceActor:
    service = admit_again(request)
    check_scope(service, "changes:read")
    return service


def _find_latest(here: Context) -> Position:
    with here.store.read() as session:
        return feed.latest_position(session)


def _read(here: Context, service: ServiceActor, after: Position, limit: int) -> Sequence[Any]:
    """Return up to one change more than `limit`; raises ProblemError 410 for a position the feed does not know."""
    with here.store.read() as session:
        if not feed.knows_position(session, after):
            raise ProblemError(410, "cursor_gone")
        return feed.list_changes(session, service, after, limit + 1)


def _describe(change: Any) -> Change:
    return Change(
        case_no=change.case_no,
        court_code=change.court_code,
        kind=change.kind,
        version=change.version,
        at=moment(change.at_ms),
        cursor=write_cursor(feed.position_of(change)),
    )
