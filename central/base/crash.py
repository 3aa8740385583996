"""An unforeseen error as it may stand in a log: where it happened, never what somebody typed."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from typing import Final

from sqlalchemy.exc import DBAPIError

# Their texts name parts of the program, files, or what `db` has cleaned. Others quote: int() its argument, say.
_TOLD: Final = (DBAPIError, OSError, AttributeError, NameError, TypeError, ImportError)


def describe_crash(error: BaseException) -> str:
    """Return type and traceback of `error` and of the errors it came from, the first one first."""
    return "\n".join(reversed(list(_describe(error, set()))))


def _describe(error: BaseException | None, seen: set[int]) -> Iterator[str]:
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        kind = type(error)
        text = f": {error}" if isinstance(error, _TOLD) else ""
        yield f"{''.join(traceback.format_tb(error.__traceback__))}{kind.__module__}.{kind.__qualname__}{text}"
        if isinstance(error, BaseExceptionGroup):
            for each in error.exceptions:
                yield from _describe(each, seen)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
