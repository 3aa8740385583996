"""A refusal of a form as its page shows it: the sentence beside the field it belongs to, what was typed kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from fastapi import Request

from central.base.errors import ConflictError, DomainError, InvalidInputError
from central.web.problems import say, status_of
from central.web.render import words_of


@dataclass
class Refused:
    """What became of a form: nothing (falsy), or the status and the messages to show."""

    status: int = 0
    problems: dict[str, dict[str, str]] = field(default_factory=dict)
    error: DomainError | None = None

    def __bool__(self) -> bool:
        return self.error is not None


NO_FIELDS: Final[Mapping[str, str]] = {}


@contextmanager
def refusal(
    request: Request, form: str, fields: Mapping[str, str] = NO_FIELDS, *, section: str = ""
) -> Iterator[Refused]:
    """Catch what a form can be refused for: wrong input, or that somebody else was first.

    `fields` maps codes of errors (or `code:param field`) to the field the sentence stands beside; any other stands
    above the `section` the form belongs to (else above the form), which is there even when the form is not any more.
    Who may not, or asks for what does not exist, is answered by the common handler.
    """
    refused = Refused()
    try:
        yield refused
    except (InvalidInputError, ConflictError) as error:
        place = fields.get(f"{error.code}:{error.params.get('field', '')}") or fields.get(error.code, "")
        refused.error = error
        refused.status = status_of(error)
        refused.problems = {form: {place: say(error, words_of(request))}}
        if not place and section:
            refused.problems[section] = refused.problems[form]
