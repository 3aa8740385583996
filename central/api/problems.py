"""Every refusal leaves as a problem (RFC 9457): one type a program can act on, one sentence in each language.

`type` is `urn:zhixing:problem:<code>`, the code of the domain's error with hyphens. Refused fields come as `errors`
and never repeat what was sent: it may be somebody's identity number.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from central.api.sentences import FIELD_SENTENCES, HTTP_CODES, SENTENCES, TITLES
from central.base.crash import describe_crash
from central.base.errors import ConflictError, DomainError, ForbiddenError, InvalidInputError, NotFoundError
from central.imports.rules import ImportStoreFullError, ImportTooLargeError
from central.sentences import SENTENCES as DOMAIN_SENTENCES

log = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:zhixing:problem:"
REALM: Final = 'Bearer realm="zhixing"'
MAX_ERRORS: Final = 100
_RETRY_BUSY_S: Final = 5
# Most exact class first.
_STATUSES: Final[tuple[tuple[type[DomainError], int], ...]] = (
    (ImportTooLargeError, 413),
    (ImportStoreFullError, 507),
    (NotFoundError, 404),
    (ForbiddenError, 403),
    (ConflictError, 409),
    (InvalidInputError, 422),
    (DomainError, 409),
)


class ProblemError(Exception):
    """A refusal of the interface itself; `code` has its sentences in central.api.sentences."""

    def __init__(
        self,
        status: int,
        code: str,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        **params: object,
    ) -> None:
        self.status = status
        self.code = code
        self.errors = list(errors)[:MAX_ERRORS]
        self.headers = dict(headers or {})
        english, chinese = SENTENCES[code]
        self.detail, self.detail_zh = english % params, chinese % params
        super().__init__(self.detail)


def busy(code: str, wait_s: float) -> ProblemError:
    """Return the 429 that tells when to come again, in whole seconds."""
    seconds = max(1, -int(-wait_s // 1))
    return ProblemError(429, code, headers={"Retry-After": str(seconds)}, seconds=seconds)


def refused_field(place: str, name: str, code: str, detail: str, detail_zh: str = "") -> dict[str, str]:
    """Return one line of `errors`: where (`body`, `query`, `path`, `header`), which field, what is wrong."""
    return {
        "in": place,
        "field": name,
        "code": code,
        "detail": detail,
        "detail_zh": detail_zh or FIELD_SENTENCES.get(code, FIELD_SENTENCES[""]),
    }


def invalid(errors: Sequence[Mapping[str, str]]) -> ProblemError:
    """Return the 422 that lists refused fields."""
    return ProblemError(422, "invalid_input", errors=errors)


def read_validation(place: str, found: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Turn pydantic's findings into lines of `errors`; `loc` of a request's own model begins with its place."""
    lines = []
    for fault in found[:MAX_ERRORS]:
        path = [str(part) for part in fault["loc"]]
        where = place or (path.pop(0) if path else "query")
        lines.append(refused_field(where, ".".join(path), str(fault["type"]), str(fault["msg"])))
    return lines


def from_domain(error: DomainError, *, status: int = 0) -> ProblemError:
    """Return what the domain refused as a problem; its sentences are those of the pages. 0: the usual status."""
    status = status or next(usual for kind, usual in _STATUSES if isinstance(error, kind))
    problem = ProblemError(status, "refused")
    problem.code, problem.detail = error.code, error.message
    problem.detail_zh = say_in_chinese(error)
    return problem


def say_in_chinese(error: DomainError) -> str:
    """Return the Chinese sentence of the pages for what the domain refused."""
    sentence = DOMAIN_SENTENCES.get(error.code, DOMAIN_SENTENCES["domain_error"])
    try:
        return sentence % error.params
    except (KeyError, TypeError, ValueError):
        return sentence


def to_problem(error: Exception) -> ProblemError:
    """Return any error as a problem; unforeseen ones are logged and tell nothing of what lies within."""
    for kind, translate in _TRANSLATIONS.items():
        if isinstance(error, kind):
            return translate(error)
    reference = secrets.token_hex(8)
    log.error("Unforeseen error %s\n%s", reference, describe_crash(error))
    return ProblemError(500, "internal", reference=reference)


def _from_framework(error: HTTPException) -> ProblemError:
    return ProblemError(error.status_code, HTTP_CODES.get(error.status_code, "bad_request"), headers=error.headers)


def _from_database(error: OperationalError) -> ProblemError:
    log.error("The database cannot take a request: %s", error.orig)
    return ProblemError(503, "unavailable", headers={"Retry-After": str(_RETRY_BUSY_S)})


_TRANSLATIONS: Final[dict[type[Exception], Callable[[Any], ProblemError]]] = {
    ProblemError: lambda error: error,
    DomainError: from_domain,
    RequestValidationError: lambda error: invalid(read_validation("", error.errors())),
    ValidationError: lambda error: invalid(
        read_validation("body", error.errors(include_url=False, include_input=False))
    ),
    HTTPException: _from_framework,
    ClientDisconnect: lambda _error: ProblemError(400, "bad_request"),
    OperationalError: _from_database,
}


def answer_with(problem: ProblemError) -> Response:
    """Return the response that states `problem`."""
    body: dict[str, Any] = {
        "type": TYPE_PREFIX + problem.code.replace("_", "-"),
        "title": TITLES.get(problem.status, TITLES[0]),
        "status": problem.status,
        "detail": problem.detail,
        "detail_zh": problem.detail_zh,
    }
    if problem.errors:
        body["errors"] = problem.errors
    headers = dict(problem.headers)
    if problem.status == 401:
        headers.setdefault("WWW-Authenticate", REALM)
    return Response(msgspec.json.encode(body), problem.status, headers=headers, media_type=MEDIA_TYPE)


def list_methods(app: FastAPI, path: str) -> str:
    """Return the value of Allow: every method of every route at `path`; the router tells the first route's alone."""
    for template, operations in app.openapi()["paths"].items():
        if re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template)), path):
            return ", ".join(sorted(method.upper() for method in operations))
    return "GET"


def install(app: FastAPI) -> None:
    """Let every foreseen error of `app` leave as a problem."""

    async def handle(request: Request, error: Exception) -> Response:
        problem = to_problem(error)
        if problem.status == 405:
            problem.headers["Allow"] = list_methods(app, request.url.path)
        return answer_with(problem)

    for kind in _TRANSLATIONS:
        app.add_exception_handler(kind, handle)
