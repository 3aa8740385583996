"""What the intake could not accept, and its running totals; for administrators."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from central.devices import queries as devices
from central.web.context import Here, SignedIn
from central.web.render import render

router = APIRouter(prefix="/devices")
PREVIEW_BYTES = 512


@router.get("")
def show_devices(request: Request, here: Here, actor: SignedIn) -> Response:
    """Show counters and the newest messages set aside."""
    with here.store.read() as session:
        rows = devices.list_set_aside(session, actor, limit=200)
        counters = devices.list_remarkable(session)
        kits = devices.list_kits(session, actor, now_ms=here.now_ms())
    return render(
        request,
        "devices.html",
        rows=[{"row": row, "preview": preview(row.payload)} for row in rows],
        counters=counters,
        valid=sum(view.kit.revoked_ms is None for view in kits),
        revoked=sum(view.kit.revoked_ms is not None for view in kits),
    )


def preview(payload: bytes) -> str:
    """Return the beginning of a payload as text, or as hex when it is none; what it holds is never trusted."""
    head = payload[:PREVIEW_BYTES]
    try:
        text = head.decode()
    except UnicodeDecodeError:
        return head.hex(" ")
    return "".join(char if char.isprintable() else "·" for char in text)
