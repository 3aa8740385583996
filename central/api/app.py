"""Builds the application of `/api/v1`."""

from __future__ import annotations

import json
import sys
from importlib import metadata
from typing import Any, Final

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from central.api import case_search, cases, catalogue, changes, courts, imports, interface, openapi, problems
from central.api.context import Context
from central.api.shapes_cases import CaseInput
from central.base.settings import Settings
from central.base.unit_of_work import Store

ROUTERS: Final = (
    interface.router,
    courts.router,
    catalogue.router,
    case_search.router,
    cases.router,
    imports.router,
    changes.router,
)
BODIES: Final = (CaseInput,)
SECURITY_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class Dressing:
    """ASGI layer that adds the headers above, and answers what nobody foresaw.

    Answers hold data of people and belong in no cache. An unforeseen error is caught here: Starlette's own layer for
    it stands outside of this one, where its answer would lack the headers, and logs it a second time.
    """

    def __init__(self, app: ASGIApp, *, is_https: bool) -> None:
        self._app = app
        self._headers = dict(SECURITY_HEADERS)
        if is_https:
            self._headers["Strict-Transport-Security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and dress the response."""

        has_begun = False

        async def send_dressed(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers[name] = value
            await send(message)

        try:
            await self._app(scope, receive, send_dressed)
        except Exception as error:  # the last place that can still answer
            if has_begun:
                raise
            await problems.answer_with(problems.to_problem(error))(scope, receive, send_dressed)


def create_app(settings: Settings, store: Store) -> FastAPI:
    """Return the application over an open database."""
    app = make_routes()
    app.state.context = Context(settings, store)
    app.add_middleware(Dressing, is_https=bool(settings.api_tls_cert))
    return app


def make_routes() -> FastAPI:
    """Return the resources without what they work with: enough to describe them."""
    # FastAPI's own documentation pages load scripts from foreign hosts and are not wanted here.
    app = FastAPI(
        title=openapi.TITLE,
        version=metadata.version("zhixing"),
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router, prefix=openapi.PREFIX)
    app.openapi = lambda: _describe_once(app)  # type: ignore[method-assign] # FastAPI's documented way
    return app


def _describe_once(app: FastAPI) -> dict[str, Any]:
    if not app.openapi_schema:
        app.openapi_schema = openapi.describe(app, BODIES, app.version)
    return app.openapi_schema


def write_description() -> str:
    """Return the description as docs/openapi.json holds it: `python -m central.api.app > docs/openapi.json`."""
    return json.dumps(make_routes().openapi(), ensure_ascii=False, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(write_description())
