"""When a log-in is refused and how long one lasts. Pure."""

from __future__ import annotations

import re
import unicodedata
from typing import ClassVar, Final

from central.base.errors import InvalidInputError, RecordedRefusalError

MAX_FAILURES: Final = 10
LOCK_MS: Final = 15 * 60 * 1000
# How fresh a proof of the person must be for a grave act (permissions.GRAVE_ACTIONS).
REAUTH_MS: Final = 5 * 60 * 1000
MIN_PASSWORD_CHARS: Final = 10
MAX_PASSWORD_BYTES: Final = 1024
_LOGIN = re.compile(r"[a-z0-9](?:[a-z0-9._-]{1,30})[a-z0-9]")


class WrongPasswordError(RecordedRefusalError):
    """Login unknown or password wrong; which of the two is not told."""

    code: ClassVar[str] = "wrong_password"


class LockedOutError(RecordedRefusalError):
    """Too many wrong passwords for this login."""

    code: ClassVar[str] = "locked_out"


def is_locked(failures: int, locked_until_ms: int, now_ms: int) -> bool:
    """Tell whether a login is locked now."""
    return failures >= MAX_FAILURES and now_ms < locked_until_ms


def count_failure(failures: int, locked_until_ms: int, now_ms: int) -> tuple[int, int]:
    """Return (failures, locked_until_ms) after one more wrong password; an expired lock starts anew."""
    if failures >= MAX_FAILURES and now_ms >= locked_until_ms:
        failures = 0
    failures += 1
    return failures, now_ms + LOCK_MS if failures >= MAX_FAILURES else 0


def locked_out(locked_until_ms: int, now_ms: int) -> LockedOutError:
    """Build the one clear sentence for a locked login."""
    minutes = max(1, -(-(locked_until_ms - now_ms) // 60_000))
    return LockedOutError(
        f"Locked after {MAX_FAILURES} wrong passwords: try again in {minutes} min or ask your administrator.",
        minutes=minutes,
        failures=MAX_FAILURES,
    )


def is_session_live(*, now_ms: int, last_seen_ms: int, expires_ms: int, revoked_ms: int | None, idle_ms: int) -> bool:
    """Tell whether a log-in session still holds: not revoked, not idle too long, not past its absolute end."""
    return revoked_ms is None and now_ms < expires_ms and now_ms - last_seen_ms < idle_ms


def normalise_login(login: str) -> str:
    """Return the login as stored: NFKC, lower case, no surrounding blanks, at most 64 characters."""
    return unicodedata.normalize("NFKC", login[:256]).strip().lower()[:64]


def check_login(login: str) -> str:
    """Return the login for a new user; raises InvalidInputError when it has another form."""
    login = normalise_login(login)
    if not _LOGIN.fullmatch(login):
        raise InvalidInputError(
            f"The login {login!r} must be 3 to 32 of a-z, 0-9, dot, hyphen, underscore; choose another."
        )
    return login


def check_password(password: str) -> str:
    """Return a new password; raises InvalidInputError when it is too short or too long."""
    if len(password) < MIN_PASSWORD_CHARS or len(password.encode()) > MAX_PASSWORD_BYTES:
        raise InvalidInputError(
            f"A password needs at least {MIN_PASSWORD_CHARS} characters and at most {MAX_PASSWORD_BYTES} bytes; "
            "choose another."
        )
    return password
