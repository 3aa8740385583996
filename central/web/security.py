"""What protects the browser side: headers, session cookie, proof that a request came from our own page."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from typing import ClassVar
from urllib.parse import urlsplit

from fastapi import Request, Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from central.base.errors import ForbiddenError

SESSION_COOKIE = "zhixing_session"
VISITOR_COOKIE = "zhixing_visitor"
CSRF_FIELD = "csrf"
CSRF_HEADER = "X-CSRF-Token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

# No inline script or style anywhere; blob: is what Media Source Extensions hand to <video>.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data:",
        "media-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
# Where a person speaks or shows his own camera in a session, and nowhere else.
MEDIA_PATH = "/command/"
MEDIA_PERMISSIONS = "camera=(self), microphone=(self), geolocation=()"
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]")


class ForeignRequestError(ForbiddenError):
    """A state-changing request that did not come from a page of ours."""

    code: ClassVar[str] = "foreign_request"


class SecurityHeaders:
    """ASGI layer that adds the headers above, and answers what nobody foresaw by `on_crash`.

    Pages with content of people are never cached. Starlette's own layer for unforeseen errors stands outside of this
    one: its answer would lack the headers, and the server would log the error a second time, with what was typed.
    """

    def __init__(
        self, app: ASGIApp, *, is_https: bool, on_crash: Callable[[Request, Exception], Response],
        live: str | int = "",
    ) -> None:  # fmt: skip
        """`live`: the relay's address if a proxy stands before it, else its port at the pages' own host."""
        self._app = app
        self._on_crash = on_crash
        self._live = live
        self._scheme = "wss" if is_https else "ws"
        self._headers = dict(SECURITY_HEADERS)
        if is_https:
            self._headers["Strict-Transport-Security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and dress the response."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        has_begun = False
        own = {"Content-Security-Policy": f"{CONTENT_SECURITY_POLICY}; connect-src 'self' {self._relay_of(scope)}"}
        if scope["path"].startswith(MEDIA_PATH):
            own["Permissions-Policy"] = MEDIA_PERMISSIONS

        async def send_dressed(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                headers = MutableHeaders(scope=message)
                for name, value in (self._headers | own).items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            await self._app(scope, receive, send_dressed)
        except Exception as error:  # the last place that can still answer
            answer = self._on_crash(Request(scope), error)
            # An answer that has begun stays unfinished: the server then cuts the line, and nobody takes it for whole.
            if not has_begun:
                await answer(scope, receive, send_dressed)

    def _relay_of(self, scope: Scope) -> str:
        """The relay's address as a source of the policy; nothing for a host that is none."""
        if isinstance(self._live, str):
            return self._live
        host = Headers(scope=scope).get("host", "")
        name = host[: host.rindex("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0]
        return f"{self._scheme}://{name}:{self._live}" if _HOST.fullmatch(name) else ""


def set_session_cookie(response: Response, token: str, *, max_age_s: int, is_https: bool) -> None:
    """Hand the session token to the browser: out of reach of scripts, never sent from foreign sites."""
    response.set_cookie(
        SESSION_COOKIE, token, max_age=max_age_s, path="/", httponly=True, samesite="strict", secure=is_https
    )


def visitor_token(request: Request) -> str:
    """The random value a browser without a session is known by (for the log-in form's proof); made when missing."""
    known = request.cookies.get(VISITOR_COOKIE, "")
    if not known:
        known = getattr(request.state, "visitor", "") or secrets.token_urlsafe(24)
        request.state.visitor = known
    return known


def csrf_token(request: Request) -> str:
    """Derive the page's proof from the session (or visitor) token, which no foreign page can read."""
    secret = request.cookies.get(SESSION_COOKIE) or visitor_token(request)
    digest = hashlib.sha256(b"zhixing csrf v1\n" + secret.encode()).digest()
    return base64.urlsafe_b64encode(digest[:24]).decode()


async def check_csrf(request: Request) -> None:
    """Refuse a state-changing request from elsewhere: by what the browser says of its origin, then by the token.

    Raises ForeignRequestError.
    """
    if request.method in SAFE_METHODS:
        return
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    is_foreign = site not in (None, "same-origin") or (
        origin is not None and urlsplit(origin).netloc != request.headers.get("host", "")
    )
    # A form with a large file names its proof in its address: its body is not read before the proof is checked.
    given = request.headers.get(CSRF_HEADER) or request.query_params.get(CSRF_FIELD)
    if given is None:
        value = (await request.form()).get(CSRF_FIELD)
        given = value if isinstance(value, str) else ""
    has_cookie = bool(request.cookies.get(SESSION_COOKIE) or request.cookies.get(VISITOR_COOKIE))
    if is_foreign or not has_cookie or not hmac.compare_digest(given.encode(), csrf_token(request).encode()):
        raise ForeignRequestError(
            "This request did not come from a page of the centre; reload the page and try again."
        )
