"""Refusals of the HTTP door as problems (RFC 9457): a type the kit can act on, a detail a person can act on."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable
from typing import Any, Final

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException

from central.base.errors import DomainError
from central.devices import logs
from central.evidence import rules
from central.sync.proof import ProofError
from contract import door_auth

log = logging.getLogger(__name__)

_TITLES: Final = {
    202: "Held, not receipted",
    400: "Bad request",
    401: "Proof missing or stale",
    403: "Not allowed",
    404: "No such place",
    405: "No such act here",
    408: "Too slow",
    409: "Conflict",
    413: "Too large",
    424: "Another does not answer",
    429: "Too many at once",
    500: "Fault of the centre",
    503: "Busy",
    507: "Store full",
}
# Facts of the domain and what a kit is told: status, type, seconds to wait before the next try.
_DOMAIN: Final[dict[type[DomainError], tuple[int, str, int]]] = {
    rules.ForeignRecordingError: (403, door_auth.FOREIGN_RECORDING, 0),
    rules.ChainRecordMissingError: (409, door_auth.CHAIN_RECORD_MISSING, 0),
    rules.DigestMismatchError: (409, door_auth.DIGEST_MISMATCH, 0),
    rules.StoreFullError: (507, door_auth.STORE_FULL, 60),
    rules.ProxyRefusedError: (409, door_auth.PROBLEM_PREFIX + "proxy-refused", 0),
    logs.LogNotAskedError: (404, door_auth.PROBLEM_PREFIX + "log-not-asked", 0),
    rules.SegmentDamagedError: (500, door_auth.PROBLEM_PREFIX + "store-fault", 30),
}
UNAVAILABLE: Final = door_auth.PROBLEM_PREFIX + "unavailable"


class ProblemError(Exception):
    """A refusal on its way out."""

    def __init__(self, status: int, kind: str, detail: str, *, retry_after_s: int = 0) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.retry_after_s = retry_after_s


def to_problem(error: Exception) -> ProblemError:
    """What a kit is told of an error; unforeseen ones are logged and called the centre's fault."""
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, ProofError):
        return ProblemError(error.status, error.problem, str(error))
    if isinstance(error, DomainError) and type(error) in _DOMAIN:
        status, kind, retry_after_s = _DOMAIN[type(error)]
        return ProblemError(status, kind, error.message, retry_after_s=retry_after_s)
    if isinstance(error, RequestValidationError):
        return ProblemError(400, door_auth.BAD_REQUEST, f"The request is malformed: {_first_fault(error)}.")
    if isinstance(error, HTTPException):
        text = f"{error.detail}: use the paths of this door's version 1."
        return ProblemError(error.status_code, door_auth.BAD_REQUEST, text)
    return _to_fault(error)


def _to_fault(error: Exception) -> ProblemError:
    if isinstance(error, OperationalError):
        log.error("door: the database cannot take it: %s", error.orig)
        text = "The centre is busy: keep everything, try again shortly."
        return ProblemError(503, UNAVAILABLE, text, retry_after_s=5)
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return ProblemError(507, door_auth.STORE_FULL, rules.STORE_FULL_TEXT, retry_after_s=60)
    log.error("door: unforeseen", exc_info=error)
    text = "The centre has a fault: keep everything, try again later."
    return ProblemError(500, UNAVAILABLE, text, retry_after_s=30)


def answer_with(problem: ProblemError) -> Response:
    """The response that states a problem."""
    body: dict[str, Any] = {
        "type": problem.kind,
        "title": _TITLES.get(problem.status, "Refused"),
        "status": problem.status,
        "detail": str(problem),
    }
    headers = {"Retry-After": str(problem.retry_after_s)} if problem.retry_after_s else {}
    if problem.kind == door_auth.REVOKED:
        headers["Connection"] = "close"  # whatever else is on its way from there
    if problem.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(msgspec.json.encode(body), problem.status, headers=headers, media_type="application/problem+json")


def add_handlers(app: FastAPI, on_problem: Callable[[ProblemError], None]) -> None:
    """Let every error of ``app`` leave as a problem."""

    async def handle(_request: Request, error: Exception) -> Response:
        problem = to_problem(error)
        on_problem(problem)
        return answer_with(problem)

    for kind in (
        ProblemError,
        ProofError,
        DomainError,
        RequestValidationError,
        HTTPException,
        OperationalError,
        OSError,
    ):
        app.add_exception_handler(kind, handle)
    app.add_exception_handler(Exception, handle)


def _first_fault(error: RequestValidationError) -> str:
    fault = error.errors()[0]
    return f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
