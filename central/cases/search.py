"""Finding cases: by number, by any two characters of a name, by identity number, by filters; newest filed first.

How the text is read: a part of a case number, an identity number, else a name. Names of one character find what
begins with it. Pages go on by cursor; a cursor names the last place that was looked at, so that nothing is lost or
shown twice. docs/decisions/0020-finding-cases.md tells why it is done this way.
"""

from __future__ import annotations

import re
from typing import ClassVar, Final

from sqlmodel import Session

from central.base.errors import InvalidInputError
from central.base.keyring import Keyring
from central.cases.found import CasePage, CaseRow, collect
from central.cases.identity import check_id, guess_id_kind, id_variants, normalise_id
from central.cases.looking import Place, find_scope
from central.cases.names import PartyError, clean_text, search_form
from central.cases.numbers import DocumentNumberError, NumberQuery, parse_case_no, parse_partial
from central.cases.rows import ID_FIELD
from central.cases.searches import CaseFilter, IdentitySearch, NameSearch, NumberSearch, Search
from central.courts.permissions import Viewer, check_permission

__all__ = ["CaseFilter", "CasePage", "CaseRow", "CursorError", "search_cases"]

MAX_TEXT: Final = 200
MAX_ROWS: Final = 200
_CURSOR: Final = re.compile(r"(\d{1,7})-(\d{1,15})", re.ASCII)
_LIKE_ID: Final = re.compile(r"\d{14,19}[0-9X]?|[0-9A-Z]{18}|[0-9A-Z]{8}[0-9X]", re.ASCII)


class CursorError(InvalidInputError):
    """The cursor was not given out by a search."""

    code: ClassVar[str] = "case_cursor"


def search_cases(
    session: Session,
    actor: Viewer,
    keyring: Keyring,
    wanted: CaseFilter,
    *,
    now_ms: int,
    after: str = "",
    limit: int = 50,
) -> CasePage:
    """Return the cases the actor may see that fit `wanted`, newest filed first, at most `limit`.

    `after` is the `next` of the page before. `CasePage.how` tells what the text was taken for, `hint` what to tell
    the reader: the code of a refused identity number, `begins_with` (one character), `more` (the page ends early
    because the search was long: go on with `next`). Raises ForbiddenError, CursorError.
    """
    check_permission(actor, "search_cases")
    place = _read_cursor(after)
    limit = max(1, min(limit, MAX_ROWS))
    scope = find_scope(session, actor, wanted.court_code, now_ms=now_ms)
    text = clean_text(wanted.text[:MAX_TEXT])
    number = _read_number(text)
    search: Search
    if number is not None:
        search = NumberSearch(session, scope, wanted, number)
    elif _is_like_id(text):
        search = IdentitySearch(session, scope, wanted, _indexes(keyring, text), hint=_id_hint(text))
    elif text:
        search = NameSearch(session, scope, wanted, search_form(text))
    else:
        search = Search(session, scope, wanted)
    return collect(search, after=place, limit=limit)


def _read_cursor(after: str) -> Place | None:
    if not after:
        return None
    found = _CURSOR.fullmatch(after)
    if found is None:
        raise CursorError("This cursor was not given out by a search: start again without it.")
    return int(found[1]), int(found[2])


def _read_number(text: str) -> NumberQuery | None:
    """Return what of a case number the text is; the number of a paper (之一) stands for its case."""
    try:
        number = parse_case_no(text)
    except DocumentNumberError as error:
        return NumberQuery(exact=(str(error.params["case_no"]),))
    except InvalidInputError:
        return parse_partial(text)
    return NumberQuery(exact=(number.text,))


def _is_like_id(text: str) -> bool:
    number = normalise_id(text)
    if not _LIKE_ID.fullmatch(number):
        return False
    return guess_id_kind(number) != "other" or sum(letter.isdigit() for letter in number) >= 12


def _id_hint(text: str) -> str:
    """Return the code of what is wrong with an identity number, "" when nothing is."""
    number = normalise_id(text)
    kind = guess_id_kind(number)
    if kind == "other":
        return "id_form"
    try:
        check_id(kind, number)
    except PartyError as error:
        return error.code
    return ""


def _indexes(keyring: Keyring, text: str) -> list[bytes]:
    number = normalise_id(text)
    variants = id_variants(guess_id_kind(number), number)
    return [index for variant in variants for index in keyring.blind_indexes(ID_FIELD, variant)]
