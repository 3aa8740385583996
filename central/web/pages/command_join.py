"""A person without a kit takes part in a session with the browser's camera and microphone (clause 26)."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from central.base.errors import ForbiddenError, NotFoundError
from central.command import queries as command
from central.web.context import Here, SignedIn, live_url
from central.web.live_voice import make_voice
from central.web.render import render, words_of

router = APIRouter(prefix="/command")


@router.get("/{session_id}/join")
def show_join(request: Request, here: Here, actor: SignedIn, session_id: str) -> Response:
    """Show what is recorded, and buttons for camera and voice; nothing is opened before one of them is pressed.

    Raises NotFoundError when the session is over, ForbiddenError for who may not show his camera in it.
    """
    with here.store.read() as session:
        open_ = command.find_open(session, session_id)
        if open_ is None:
            raise NotFoundError("This session has ended or was never begun; see the list of sessions.")
        if not command.may_publish(actor, open_):
            raise ForbiddenError("You were not invited to this session; ask the court that commands.")
        voice = make_voice(session, actor, open_, live_url(request), words_of(request))
    return render(request, "command/join.html", session=open_, voice=voice)
