"""Logs of a kit's programs: ask for them with a reason, read what it brought."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Annotated

from fastapi import APIRouter, Form, Path, Response
from fastapi.responses import RedirectResponse

from central.devices import logs
from central.web.context import Here, SignedIn

router = APIRouter(prefix="/kits/{kit_id}/logs")

Number = Annotated[int, Path(ge=1, lt=2**53)]


@router.post("")
def ask(
    here: Here,
    actor: SignedIn,
    kit_id: str,
    reason: Annotated[str, Form(max_length=4000)] = "",
    hours: Annotated[int, Form(ge=0, le=100_000)] = 24,
) -> Response:
    """Order the kit to bring its logs; it goes through the mailbox and waits for the kit."""
    with here.store.write() as uow:
        logs.request_logs(uow, actor, kit_id, reason=reason, hours=hours)
    return RedirectResponse(f"/kits/{kit_id}#logs", status_code=303)


@router.get("/{number}")
def give(here: Here, actor: SignedIn, kit_id: str, number: Number) -> Response:
    """Give the logs as a ZIP; audited."""
    shelf = logs.LogShelf(FilePath(here.settings.data_dir))
    identity = here.identity
    with here.store.write() as uow:
        clear = logs.open_log(uow, actor, kit_id, number, shelf=shelf, identity=identity)
    headers = {"Content-Disposition": f'attachment; filename="{kit_id}-{number}.zip"', "Cache-Control": "no-store"}
    return Response(clear, media_type="application/zip", headers=headers)
