"""Errors of the domain; doors turn them into statuses and words.

Every error carries a stable `code` (the key the pages translate) and one clear English sentence with the
remedy. `params` holds the values a translation may name.
"""

from __future__ import annotations

from typing import ClassVar


class DomainError(Exception):
    """Base of everything the domain refuses; `code` names the fact, the text says it with its remedy."""

    code: ClassVar[str] = "domain_error"

    def __init__(self, message: str, **params: object) -> None:
        super().__init__(message)
        self.message = message
        self.params = params


class NotFoundError(DomainError):
    """What was asked for does not exist, or the asker may not know that it does."""

    code: ClassVar[str] = "not_found"


class ForbiddenError(DomainError):
    """The actor may not do this; told without revealing what lies behind."""

    code: ClassVar[str] = "forbidden"


class ConflictError(DomainError):
    """Somebody or something else was first; the state no longer allows the act."""

    code: ClassVar[str] = "conflict"


class InvalidInputError(DomainError):
    """The input breaks a stated limit."""

    code: ClassVar[str] = "invalid_input"


class RecordedRefusalError(DomainError):
    """A refusal whose own record must survive: the unit of work commits before letting it go on."""

    code: ClassVar[str] = "refused"
