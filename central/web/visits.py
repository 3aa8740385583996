"""Where a log-in comes from, and what the browser is given when it is let in."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from central.courts.permissions import Actor
from central.people.sessions import IssuedSession, Visit
from central.web.context import Context
from central.web.landing import landing_page
from central.web.security import VISITOR_COOKIE, set_session_cookie

TERMINAL_COOKIE: Final = "zhixing_terminal"
# The longest time browsers keep a cookie; every use of the page /terminal begins it anew.
TERMINAL_MAX_AGE_S: Final = 400 * 24 * 3600

_BROWSERS: Final = (
    ("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"),
)  # fmt: skip
_SYSTEMS: Final = (
    ("Windows", "Windows"), ("HarmonyOS", "HarmonyOS"), ("Android", "Android"), ("iPhone", "iPhone"),
    ("iPad", "iPad"), ("Mac OS X", "macOS"), ("Kylin", "Kylin"), ("UOS", "UOS"), ("Linux", "Linux"),
)  # fmt: skip


def visit_of(request: Request) -> Visit:
    """Return address, browser and terminal of a request."""
    client = request.client.host if request.client else ""
    device = name_device(request.headers.get("user-agent", ""))
    return Visit(client, device, request.cookies.get(TERMINAL_COOKIE, ""))


def name_device(agent: str) -> str:
    """Return browser and system in few words, as far as the browser says: `Chrome 150 · Windows`."""
    browser = next(((name, mark) for mark, name in _BROWSERS if mark in agent), None)
    system = next((name for mark, name in _SYSTEMS if mark in agent), "")
    if browser is None:
        return "".join(char for char in agent[:40] if char.isprintable())
    name, mark = browser
    version = re.search(re.escape("Version/" if name == "Safari" else mark) + r"(\d{1,4})", agent)
    return " · ".join(filter(None, (f"{name} {version[1]}" if version else name, system)))


def local_path(target: str) -> str:
    """Only a path of our own may follow a log-in: no scheme, no host, no backslash tricks."""
    is_local = target.startswith("/") and not target.startswith(("//", "/\\")) and "\\" not in target
    return target if is_local and target.isprintable() else "/"


def landing(actor: Actor, target: str) -> str:
    """Return where a whole log-in leads: the page asked for, else where this person's work begins."""
    target = local_path(target)
    return landing_page(actor) if target == "/" else target


def next_step(stage: str, actor: Actor, target: str) -> str:
    """Return the page a log-in goes on with: the step it owes, or where a whole one leads."""
    if stage == "full":
        return landing(actor, target)
    return f"/login/{stage}?next={quote(local_path(target))}"


def keep_session(here: Context, response: Response, issued: IssuedSession) -> Response:
    """Hand a fresh session to the browser; its cookie outlives the steps still owed, the session itself does not."""
    set_session_cookie(response, issued.token, max_age_s=here.settings.session_max_s, is_https=here.is_https)
    response.delete_cookie(VISITOR_COOKIE, path="/")
    return response


def let_in(here: Context, issued: IssuedSession, target: str) -> Response:
    """Let a person in: the session's cookie, and on to the next step."""
    response = RedirectResponse(next_step(issued.stage, issued.actor, target), status_code=303)
    return keep_session(here, response, issued)


def keep_terminal(here: Context, response: Response, token: str) -> Response:
    """Hand a terminal's token to its browser."""
    response.set_cookie(
        TERMINAL_COOKIE, token, max_age=TERMINAL_MAX_AGE_S, path="/", httponly=True, samesite="strict",
        secure=here.is_https,
    )  # fmt: skip
    return response
