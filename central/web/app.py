"""Builds the pages' application."""

from __future__ import annotations

import secrets
from typing import Any

from fastapi import Depends, FastAPI
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from central.base.settings import Settings
from central.base.unit_of_work import Store
from central.live.hub import Hub
from central.web import problems
from central.web.bodies import Bounds
from central.web.context import Context
from central.web.i18n import LANGUAGES
from central.web.pages import ROUTERS
from central.web.render import STATIC_DIR, environment
from central.web.security import SecurityHeaders, check_csrf
from central.web.uploads import FORM_BYTES

STATIC_MAX_AGE_S = 365 * 24 * 3600


class AssetsMissingError(Exception):
    """The build hook has not run; the text names the remedy."""


class DigestedFiles(StaticFiles):
    """Static files whose address carries their digest may be kept for a year."""

    async def get_response(self, path: str, scope: Scope) -> Any:
        """Serve a file; long-lived only under an address with a digest."""
        response = await super().get_response(path, scope)
        is_digested = b"v=" in scope.get("query_string", b"")
        response.headers["Cache-Control"] = (
            f"public, max-age={STATIC_MAX_AGE_S}, immutable" if is_digested else "no-cache"
        )
        return response


def create_app(settings: Settings, store: Store, hub: Hub) -> FastAPI:
    """Return the application over an open database and a running hub.

    Raises AssetsMissingError when the browser libraries have not been built.
    """
    if not (STATIC_DIR / "vendor" / "htmx.org" / "dist" / "htmx.min.js").is_file():
        raise AssetsMissingError(
            "The pages' browser libraries are missing. Remedy: run `make setup` (or pip install -e . again)."
        )
    for language in LANGUAGES:
        environment(language)
    # FastAPI's own documentation pages load scripts from foreign hosts and are not wanted here.
    app = FastAPI(
        title="Zhixing", docs_url=None, redoc_url=None, openapi_url=None, dependencies=[Depends(check_csrf)]
    )
    app.state.context = Context(settings, store, hub, secrets.token_bytes(32))
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router)
    app.mount("/static", DigestedFiles(directory=STATIC_DIR), name="static")
    uploads = {
        r"/imports": settings.import_max_bytes + FORM_BYTES,
        r"/cases/[^/]+/documents": settings.document_max_bytes + FORM_BYTES,
    }
    app.add_middleware(Bounds, uploads=uploads, refuse=problems.answer)
    # Added last, it stands outermost.
    app.add_middleware(
        SecurityHeaders,
        is_https=app.state.context.is_https,
        on_crash=problems.answer_crash,
        live=settings.live_public_url.rstrip("/") or settings.live_port,
    )
    return app
