"""The English words that scripts need, as JSON."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from central.web.i18n import load_words

router = APIRouter()


@router.get("/catalogue/en.json")
def give_words() -> Response:
    """Return Chinese sentence -> English sentence; the pages hold no secrets, so nobody need be logged in."""
    return JSONResponse(load_words("en").messages, headers={"Cache-Control": "public, max-age=300"})
