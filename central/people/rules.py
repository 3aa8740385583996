"""When a log-in is refused, what it still owes, how long it lasts, and who may not act twice. Pure.

RFC 8176 (how a directory names its ways).
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Iterable
from typing import ClassVar, Final, Literal

from central.base.errors import ConflictError, DomainError, ForbiddenError, InvalidInputError, RecordedRefusalError
from central.courts.permissions import sees_court

MAX_FAILURES: Final = 10
LOCK_MS: Final = 15 * 60 * 1000
# Gentle, as a whole court may stand behind one proxy: it stops guessing over many logins, not people.
MAX_ADDRESS_FAILURES: Final = 100
# How fresh a proof of the person must be for a grave act (permissions.GRAVE_ACTIONS).
REAUTH_MS: Final = 5 * 60 * 1000
# How long a log-in may stand half-way: second way owed, password or second way to be set.
PENDING_MS: Final = 15 * 60 * 1000
_LOGIN = re.compile(r"[a-z0-9](?:[a-z0-9._-]{1,30})[a-z0-9]")

# What a log-in owes before it is whole, in this order.
Stage = Literal["second", "password", "enrol", "full"]
STAGES: Final[tuple[Stage, ...]] = ("second", "password", "enrol", "full")
SecondFactor = Literal["off", "optional", "required"]

# Ways of RFC 8176 by kind: two kinds together are two ways.
_KNOWN_WAYS: Final = {
    **dict.fromkeys(("pwd", "pin", "kba"), "knowledge"),
    **dict.fromkeys(("otp", "hwk", "swk", "sc", "sms", "tel", "pop"), "possession"),
    **dict.fromkeys(("face", "fpt", "iris", "retina", "vbm"), "inherence"),
}
_STRONG_CLASSES: Final = frozenset({"phr", "phrh", "https://refeds.org/profile/mfa"})


class WrongPasswordError(RecordedRefusalError):
    """Login unknown or password wrong; which of the two is not told."""

    code: ClassVar[str] = "wrong_password"


class WrongCodeError(RecordedRefusalError):
    """The code of the second way is wrong, too old, or was used before."""

    code: ClassVar[str] = "wrong_code"


class LockedOutError(RecordedRefusalError):
    """Too many wrong passwords for this login."""

    code: ClassVar[str] = "locked_out"


class AddressLockedError(RecordedRefusalError):
    """Too many wrong passwords from this address."""

    code: ClassVar[str] = "address_locked"


class NotAdmittedError(RecordedRefusalError):
    """The account has been proposed but no security administrator has admitted it."""

    code: ClassVar[str] = "not_admitted"


class PasskeyRefusedError(RecordedRefusalError):
    """The authenticator's answer does not hold."""

    code: ClassVar[str] = "passkey_refused"


class PasskeysUnavailableError(ConflictError):
    """Passkeys are bound to a host name over TLS (or localhost); the pages have none."""

    code: ClassVar[str] = "passkeys_unavailable"


class DirectoryRefusedError(RecordedRefusalError):
    """What the directory said about the person does not hold, or names nobody with an account here."""

    code: ClassVar[str] = "directory_refused"


class DirectoryUnreachableError(DomainError):
    """The directory does not answer, or not as OpenID Connect says."""

    code: ClassVar[str] = "directory_unreachable"


class CeremonyExpiredError(ConflictError):
    """The exchange took too long, or its answer was given before."""

    code: ClassVar[str] = "ceremony_expired"


class TooManyExchangesError(RecordedRefusalError):
    """Too many log-ins were begun from this address and not finished."""

    code: ClassVar[str] = "too_many_exchanges"


class ReauthRequiredError(DomainError):
    """The act is grave and the person's last proof is too old."""

    code: ClassVar[str] = "reauth_required"


class TerminalRequiredError(ForbiddenError):
    """The act, or any log-in, is possible at a registered terminal only (seed 22)."""

    code: ClassVar[str] = "terminal_required"


class SamePersonError(ForbiddenError):
    """One person would fill two offices of one act that must be filled by two."""

    code: ClassVar[str] = "same_person"


class WeakPasswordError(InvalidInputError):
    """A new password is too easily guessed."""

    code: ClassVar[str] = "weak_password"


class PasswordsDifferError(WeakPasswordError):
    """A new password was typed twice, differently."""

    code: ClassVar[str] = "passwords_differ"


class PasswordUnchangedError(WeakPasswordError):
    """A password that must be changed was typed again."""

    code: ClassVar[str] = "password_unchanged"


class LoginFormError(InvalidInputError):
    """A login or the name of a service account has another form than logins have."""

    code: ClassVar[str] = "login_form"


class TextFormError(InvalidInputError):
    """A name, note or reason is empty or too long."""

    code: ClassVar[str] = "text_form"


class LoginTakenError(ConflictError):
    """The login, or the name of a service account, is taken."""

    code: ClassVar[str] = "login_taken"


class AccountChangedError(ConflictError):
    """Somebody else changed the account meanwhile, or nothing waits there any more."""

    code: ClassVar[str] = "account_changed"


class LastWayError(ConflictError):
    """The second way is the only one and the centre requires one."""

    code: ClassVar[str] = "last_way"


def check_separation(
    *, drafter: str | None = None, approver: str | None = None, signer: str | None = None, sealer: str | None = None
) -> None:
    """Raise SamePersonError when two offices of one act are filled by one person; None and "" are not filled yet."""
    filled = [person for person in (drafter, approver, signer, sealer) if person]
    if len(set(filled)) < len(filled):
        raise SamePersonError(
            "Drafting, approving, signing and sealing are done by different people; ask somebody else to do this."
        )


def check_stage(stage: str) -> Stage:
    """Return a stored stage as one of STAGES."""
    return next(known for known in STAGES if known == stage)


def next_stage(
    *, second_factor: SecondFactor, has_second: bool, is_second_proven: bool, must_change_password: bool
) -> Stage:
    """Return what a log-in still owes after its first way was right."""
    if second_factor != "off" and has_second and not is_second_proven:
        return "second"
    if must_change_password:
        return "password"
    if second_factor == "required" and not has_second and not is_second_proven:
        return "enrol"
    return "full"


def is_second_way(method: str) -> bool:
    """Tell whether a log-in by `method` has proven two ways: a passkey asks for the holder's finger or PIN itself."""
    return method == "passkey" or "+" in method


def has_two_ways(ways: Iterable[str], context_class: str) -> bool:
    """Tell whether a directory's claims `amr` and `acr` say that it asked for two ways (RFC 8176, 2; OIDC EAP)."""
    named = set(ways)
    kinds = {kind for way, kind in _KNOWN_WAYS.items() if way in named}
    return "mfa" in named or context_class in _STRONG_CLASSES or len(kinds) > 1


def check_fresh(proven_ms: int, now_ms: int) -> None:
    """Raise ReauthRequiredError when the person's last proof is older than REAUTH_MS."""
    if now_ms - proven_ms > REAUTH_MS:
        raise ReauthRequiredError("This act asks who you are once more; prove it with password, code or passkey.")


def terminal_serves(terminal_court: str, court_code: str) -> bool:
    """Tell whether a terminal of one court is good for people of another: the same, or a superior's terminal."""
    return sees_court(terminal_court, court_code)


def is_locked(failures: int, locked_until_ms: int, now_ms: int, limit: int = MAX_FAILURES) -> bool:
    """Tell whether a login or an address is locked now."""
    return failures >= limit and now_ms < locked_until_ms


def count_failure(failures: int, locked_until_ms: int, now_ms: int, limit: int = MAX_FAILURES) -> tuple[int, int]:
    """Return (failures, locked_until_ms) after one more wrong password; an expired lock starts anew."""
    if failures >= limit and now_ms >= locked_until_ms:
        failures = 0
    failures += 1
    return failures, now_ms + LOCK_MS if failures >= limit else 0


def locked_out(locked_until_ms: int, now_ms: int) -> LockedOutError:
    """Build the one clear sentence for a locked login."""
    minutes = _minutes(locked_until_ms - now_ms)
    return LockedOutError(
        f"Locked after {MAX_FAILURES} wrong passwords: try again in {minutes} min or ask your administrator.",
        minutes=minutes,
        failures=MAX_FAILURES,
    )


def address_locked(locked_until_ms: int, now_ms: int) -> AddressLockedError:
    """Build the one clear sentence for a locked address."""
    minutes = _minutes(locked_until_ms - now_ms)
    return AddressLockedError(
        f"Too many wrong passwords came from your address: try again in {minutes} min or ask your administrator.",
        minutes=minutes,
    )


def address_key(client: str) -> str:
    """Return under which name an address is counted: IPv6 by its /64; never equal to a login, which is lower case."""
    try:
        address = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return f"IP {client[:50]}"
    if address.version == 6:
        return f"IP {ipaddress.ip_network((int(address) >> 64 << 64, 64))}"
    return f"IP {address}"


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
        raise LoginFormError(
            f"The login {login!r} must be 3 to 32 of a-z, 0-9, dot, hyphen, underscore; choose another."
        )
    return login


def check_name(name: str, what: str = "name", limit: int = 60) -> str:
    """Return a name without control and zero-width characters; raises InvalidInputError when empty or too long."""
    known = unicodedata.normalize("NFC", name[:1000])
    kept = "".join(char for char in known if char.isspace() or unicodedata.category(char)[0] != "C")
    kept = " ".join(kept.split())
    if not kept or len(kept) > limit:
        raise TextFormError(f"The {what} must have 1 to {limit} characters; correct it.", limit=limit)
    return kept


def _minutes(wait_ms: int) -> int:
    return max(1, -(-wait_ms // 60_000))
