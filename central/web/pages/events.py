"""Server-sent events (WHATWG HTML, 9.2) from the hub to one screen."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from central.courts.permissions import Actor
from central.live.subscription import Event, Subscription
from central.web.context import Context, Here, SignedIn
from central.web.security import SESSION_COOKIE

HEARTBEAT_S = 5.0
RECONNECT_MS = 1000

router = APIRouter()


@router.get("/events")
async def stream_events(request: Request, here: Here, actor: SignedIn) -> Response:
    """Stream a snapshot and what follows; ends when the log-in does. An open screen keeps its session in use."""
    token = request.cookies.get(SESSION_COOKIE, "")

    def recheck() -> Actor | None:
        return here.find_actor(token)

    subscription = here.hub.subscribe(actor, recheck)
    return StreamingResponse(
        _lines(here, subscription), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
    )


async def _lines(context: Context, subscription: Subscription) -> AsyncIterator[str]:
    context.streams.add(subscription)
    try:
        with subscription:
            yield f"retry: {RECONNECT_MS}\n\n"
            while True:
                try:
                    event = await subscription.next(HEARTBEAT_S)
                except StopAsyncIteration:
                    return
                yield encode_event(event)
    finally:
        context.streams.discard(subscription)


def encode_event(event: Event | None) -> str:
    """Return an event as it goes over the line; None is the heartbeat, which scripts can see."""
    if event is None:
        return "event: heartbeat\ndata: {}\n\n"
    number = f"id: {event.id}\n" if event.id is not None else ""
    return f"{number}event: {event.name}\ndata: {event.data}\n\n"
