"""What the court pages' forms share: days that bound a time, refusals shown at their field with what was typed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final, TypeAlias
from urllib.parse import quote

from fastapi import Depends, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel

from central.base.errors import DomainError, ForbiddenError, NotFoundError
from central.base.unit_of_work import Store, UnitOfWork
from central.cases.clock import day_start_ms
from central.courts.permissions import Actor
from central.web.case_views import DayError, parse_day
from central.web.context import Context, Here, Proven, SignedIn
from central.web.problems import say, status_of
from central.web.render import words_of

Given: TypeAlias = Mapping[str, str]

# The last day there is has no day after it to be asked for.
DAY_MS: Final = 24 * 3600 * 1000

# Code of a refusal -> the field it is about, in the forms that have it; others are told at the form's head.
FIELDS: Final = {
    "coordinate_format": "lat",
    "seat_swapped": "lat",
    "seat_outside": "lat",
    "seat_too_far": "lat",
    "court_code": "code",
    "court_exists": "code",
    "superior_missing": "code",
    "division": "division",
    "phone": "phone",
    "backdated": "from_day",
    "later_change": "from_day",
    "term": "until_day",
    "unfit_for_post": "login",
}


@dataclass(frozen=True)
class Refusal:
    """What a page is shown again with: messages and typed values by form, and the status."""

    problems: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    given: Mapping[str, Given] = field(default_factory=dict)
    status: int = 200


NO_REFUSAL: Final = Refusal()


class FieldError(Exception):
    """A refusal about one named field of the form."""

    def __init__(self, name: str, cause: DomainError) -> None:
        super().__init__(cause.message)
        self.name = name
        self.cause = cause


def attempt(
    request: Request, store: Store, form: str, sent: BaseModel, act: Callable[[UnitOfWork], object]
) -> Refusal | None:
    """Carry out `act` in a transaction; returns what the page must say when the domain refuses what was typed.

    Raises what is no matter of the form: ForbiddenError and NotFoundError.
    """
    given = {name: str(value) for name, value in sent.model_dump().items()}
    try:
        with store.write() as uow:
            act(uow)
    except (ForbiddenError, NotFoundError):
        raise
    except FieldError as error:
        return _refusal(request, form, given, error.name, error.cause)
    except DomainError as error:
        name = FIELDS.get(error.code, "")
        return _refusal(request, form, given, name if name in given else "", error)
    return None


def _refusal(request: Request, form: str, given: Given, name: str, error: DomainError) -> Refusal:
    sentence = say(error, words_of(request))
    return Refusal({form: {name: sentence}}, {form: given}, status_of(error))


def first_ms(name: str, text: str) -> int | None:
    """Return the first moment of the day typed into field `name`, None when empty; raises FieldError."""
    try:
        day = parse_day(text)
    except DayError as error:
        raise FieldError(name, error) from error
    return None if day is None else day_start_ms(day)


def end_ms(name: str, text: str) -> int | None:
    """Return the first moment after the last day typed into field `name`, None when empty; raises FieldError."""
    try:
        day = parse_day(text)
    except DayError as error:
        raise FieldError(name, error) from error
    return None if day is None else day_start_ms(day) + DAY_MS


def court_address(code: str, part: str = "") -> str:
    """Return the address of a court's page, or of one of its forms."""
    return f"/admin/courts/{quote(code)}{part}"


def to_court(code: str, part: str = "") -> RedirectResponse:
    """Send the browser to a court's page after a change."""
    return RedirectResponse(court_address(code, part), status_code=303)


@dataclass(frozen=True)
class CourtDesk:
    """Who asks, and which court it is about."""

    request: Request
    here: Context
    actor: Actor
    code: str

    def change(
        self,
        form: str,
        sent: BaseModel,
        act: Callable[[UnitOfWork], object],
        *,
        show: Callable[[CourtDesk, Refusal], Response],
        part: str = "",
    ) -> Response:
        """Carry out `act`; then go to the court's page, or `show` the form again with its refusal."""
        refusal = attempt(self.request, self.here.store, form, sent, act)
        return show(self, refusal) if refusal else to_court(self.code, part)


def _desk(request: Request, here: Here, actor: SignedIn, code: str) -> CourtDesk:
    return CourtDesk(request, here, actor, code)


def _proven_desk(request: Request, here: Here, actor: Proven, code: str) -> CourtDesk:
    return CourtDesk(request, here, actor, code)


# As context.SignedIn and Proven; the path names the court.
Desk = Annotated[CourtDesk, Depends(_desk)]
ProvenDesk = Annotated[CourtDesk, Depends(_proven_desk)]
