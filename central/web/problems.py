"""One place where refusals of the domain become a status and a sentence people can act on."""

from __future__ import annotations

import logging
from typing import Any, Final
from urllib.parse import quote, urlsplit

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from central.base.crash import describe_crash
from central.base.errors import ConflictError, DomainError, ForbiddenError, InvalidInputError, NotFoundError
from central.people.rules import (
    AddressLockedError,
    DirectoryRefusedError,
    LockedOutError,
    NotAdmittedError,
    PasskeyRefusedError,
    ReauthRequiredError,
    TooManyExchangesError,
    WrongCodeError,
    WrongPasswordError,
)
from central.sentences import SENTENCES
from central.web.bodies import BodyTooLargeError, BodyTooSlowError
from central.web.context import LoginRequiredError, LoginUnfinishedError
from central.web.i18n import Words
from central.web.i18n import note as _
from central.web.reauth import holds_secret, show_reauth
from central.web.render import render, words_of

log = logging.getLogger(__name__)

# Most exact class first.
STATUSES: Final[tuple[tuple[type[DomainError], int], ...]] = (
    (LoginRequiredError, 401),
    (ReauthRequiredError, 401),
    (WrongPasswordError, 401),
    (WrongCodeError, 401),
    (PasskeyRefusedError, 401),
    (DirectoryRefusedError, 403),
    (NotAdmittedError, 403),
    (LockedOutError, 429),
    (AddressLockedError, 429),
    (TooManyExchangesError, 429),
    (BodyTooLargeError, 413),
    (BodyTooSlowError, 408),
    (NotFoundError, 404),
    (ForbiddenError, 403),
    (ConflictError, 409),
    (InvalidInputError, 422),
    (DomainError, 409),
)


def say(error: DomainError, words: Words) -> str:
    """Return the sentence for `error` in the reader's language."""
    if words.language == "en" or error.code not in SENTENCES:
        return error.message
    try:
        return SENTENCES[error.code] % error.params
    except KeyError:
        return SENTENCES[error.code]


def status_of(error: DomainError) -> int:
    """Return the HTTP status for `error`."""
    return next(status for kind, status in STATUSES if isinstance(error, kind))


def render_form(request: Request, template: str, *, error: DomainError | None = None, **values: Any) -> Response:
    """Render a page with a form; a refusal of what was filled in stands above it as `sentence`."""
    return render(
        request,
        template,
        status=status_of(error) if error else 200,
        sentence=say(error, words_of(request)) if error else "",
        **values,
    )


def answer(request: Request, error: DomainError) -> Response:
    """Answer a refusal: a page, a fragment for htmx, or RFC 9457 problem details for scripts."""
    status = status_of(error)
    if status == 401 and isinstance(error, LoginRequiredError):
        return _send_to_login(request, error)
    return _show(request, status, say(error, words_of(request)), error.code)


def _send_to_login(request: Request, error: DomainError) -> Response:
    # A log-in that is half-way goes on where it stands.
    gate = f"/login/{error.params['stage']}" if isinstance(error, LoginUnfinishedError) else "/login"
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if request.headers.get("hx-request"):
        return Response(status_code=401, headers={"HX-Redirect": f"{gate}?next={quote(_page_of(request))}"})
    if "text/html" in request.headers.get("accept", ""):
        if request.method == "GET":
            return RedirectResponse(f"{gate}?next={quote(target)}", status_code=303)
        if isinstance(error, LoginUnfinishedError):
            return RedirectResponse(gate, status_code=303)
    return _show(request, 401, say(error, words_of(request)), error.code)


def _page_of(request: Request) -> str:
    """The page a fragment was asked from."""
    return "/" + request.headers.get("hx-current-url", "/").partition("//")[2].partition("/")[2]


async def _ask_again(request: Request, error: DomainError) -> Response:
    """Ask who the person is before a grave act; what the person typed goes along and is sent on afterwards."""
    is_fragment = bool(request.headers.get("hx-request"))
    if request.method == "GET" and is_fragment:
        return Response(status_code=401, headers={"HX-Redirect": f"/reauth?next={quote(_page_of(request))}"})
    if not is_fragment and "text/html" not in request.headers.get("accept", ""):
        return _show(request, 401, say(error, words_of(request)), error.code)
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if request.method == "GET":
        return RedirectResponse(f"/reauth?next={quote(target)}", status_code=303)
    form = await request.form()
    fields = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
    if len(fields) < len(form.multi_items()):
        # No page may put a file into a form: the person chooses it again on the page it came from.
        return RedirectResponse(f"/reauth?next={quote(_referer(request))}", status_code=303)
    if holds_secret(fields):
        # Nor a password: the form is asked for again, which asks for the proof first.
        return _send_to_form(request.url.path, is_fragment)
    response = show_reauth(request, target=target, is_post=True, fields=fields, status=401)
    if is_fragment:
        response.headers.update({"HX-Retarget": "body", "HX-Reswap": "innerHTML", "HX-Push-Url": "false"})
    return response


def _send_to_form(path: str, is_fragment: bool) -> Response:
    if is_fragment:
        return Response(status_code=401, headers={"HX-Redirect": path})
    return RedirectResponse(path, status_code=303)


def _referer(request: Request) -> str:
    address = urlsplit(request.headers.get("referer", ""))
    if address.netloc != request.headers.get("host", ""):
        return "/"
    return address.path + (f"?{address.query}" if address.query else "")


def _show(request: Request, status: int, sentence: str, code: str) -> Response:
    if request.headers.get("hx-request"):
        response = render(request, "notice.html", status=status, sentence=sentence)
        # The notice goes to its own place; what the person was working in stays as it is.
        response.headers["HX-Reswap"] = "none"
        return response
    if "text/html" in request.headers.get("accept", ""):
        return render(request, "problem.html", status=status, sentence=sentence, code=status)
    body = {"type": f"urn:zhixing:problem:{code.replace('_', '-')}", "status": status, "detail": sentence}
    return JSONResponse(body, status_code=status, media_type="application/problem+json")


def answer_crash(request: Request, error: Exception) -> Response:
    """Answer an error nobody foresaw; the log tells where it happened, not what was typed."""
    if not isinstance(error, ClientDisconnect):
        log.error("unexpected error at %r\n%s", request.url.path, describe_crash(error))
    sentence = words_of(request)(_("系统内部错误，已记录；请重试，若仍出现请联系管理员。"))
    return _show(request, 500, sentence, "internal")


def install(app: FastAPI) -> None:
    """Register the handlers."""

    async def on_domain(request: Request, error: Exception) -> Response:
        assert isinstance(error, DomainError)  # noqa: S101 - registered for this class only
        if isinstance(error, ReauthRequiredError):
            return await _ask_again(request, error)
        return answer(request, error)

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101
        sentence = words_of(request)(_("没有这个页面；请从菜单重新进入。"))
        if error.status_code != 404:
            sentence = words_of(request)(_("请求无法处理；请返回后重试。"))
        return _show(request, error.status_code, sentence, "http")

    async def on_invalid(request: Request, error: Exception) -> Response:
        return answer(request, InvalidInputError("The request lacks a field or holds a wrong value; correct it."))

    app.add_exception_handler(DomainError, on_domain)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_invalid)
