"""Templates: one environment per language, filters for times, sizes and states."""

from __future__ import annotations

import hashlib
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from central.courts.permissions import may
from central.web import formats, labels, remarks
from central.web.i18n import LANGUAGE_COOKIE, Language, Words, choose_language, load_words
from central.web.security import SESSION_COOKIE, VISITOR_COOKIE, csrf_token

WEB_DIR = Path(__file__).parent
STATIC_DIR = WEB_DIR / "static"
VISITOR_MAX_AGE_S = 24 * 3600


@cache
def environment(language: Language) -> Environment:
    """Return the template environment of `language`; it is built once."""
    words = load_words(language)
    env = Environment(
        loader=FileSystemLoader(WEB_DIR / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    env.globals.update(_=words, words=words, asset=asset_url, may=may, labels=labels)
    env.filters.update(formats.filters(words))
    env.filters["explain"] = lambda text: remarks.explain(text, words)
    env.filters["kits_words"] = lambda text: remarks.tell_kits_words(text, words)
    env.filters.update({name: lru_cache(1024)(_bound(words, table)) for name, table in labels.TABLES.items()})
    return env


def _bound(words: Words, table: dict[str, labels.Label]) -> Any:
    def look_up(code: str) -> labels.Label:
        return labels.look_up(table, code, words)

    return look_up


@cache
def asset_url(path: str) -> str:
    """Return the address of a static file with its digest, so that a new version is fetched at once."""
    digest = hashlib.sha256((STATIC_DIR / path).read_bytes()).hexdigest()[:12]
    return f"/static/{path}?v={digest}"


def language_of(request: Request) -> Language:
    """Return the language this browser reads."""
    default: Language = request.app.state.context.settings.language
    return choose_language(request.cookies.get(LANGUAGE_COOKIE), default)


def words_of(request: Request) -> Words:
    """Return the words of this browser's language."""
    return load_words(language_of(request))


def _address_of(request: Request) -> str:
    """Where a change of language returns to: this page with its filter; what a form was sent to is no page."""
    if request.method != "GET":
        return "/"
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def render(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Render a whole page or a fragment for this request."""
    context = request.app.state.context
    shared = {
        "request": request,
        "actor": getattr(request.state, "actor", None),
        "csrf": csrf_token(request),
        "now_ms": context.now_ms(),
        "path": request.url.path,
        "here": _address_of(request),
    }
    text = environment(language_of(request)).get_template(template).render(shared | values)
    response = HTMLResponse(text, status_code=status)
    if not request.cookies.get(SESSION_COOKIE) and not request.cookies.get(VISITOR_COOKIE):
        response.set_cookie(
            VISITOR_COOKIE,
            request.state.visitor,
            max_age=VISITOR_MAX_AGE_S,
            path="/",
            httponly=True,
            samesite="strict",
            secure=context.is_https,
        )
    return response
