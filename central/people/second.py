"""The second way by code: a code generator (TOTP, RFC 6238) and recovery codes. Writes; never commits.

The secret is sealed by the keyring as field `user_account.totp` bound to the user's id; a code works once, as the
newest time step accepted is kept. Recovery codes have 80 bits of their own and are stored as hashes, each good once.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import pyotp
from sqlalchemy import update
from sqlmodel import col

from central.audit import service as audit
from central.base.errors import ConflictError
from central.base.ids import hash_token
from central.base.keyring import Keyring
from central.base.settings import Settings
from central.base.unit_of_work import UnitOfWork
from central.people import ceremonies, queries, rules, sessions
from central.people.codes import RECOVERY_CODES, TOTP_STEP_S, accept_step, normalise_code
from central.people.models import LoginSession, User

FIELD: Final = "user_account.totp"
ISSUER: Final = "Zhixing"
_CEREMONY: Final = "totp"
_ALPHABET: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


@dataclass(frozen=True)
class NewSecret:
    """A secret that waits for its first code; `uri` is what the QR code holds (otpauth, key-uri-format)."""

    ceremony_id: str
    secret: str
    uri: str


def begin_totp(uow: UnitOfWork, keyring: Keyring, user_id: str, login: str) -> NewSecret:
    """Make a secret for a user; it counts for nothing until `confirm_totp` has seen a code of it."""
    secret = pyotp.random_base32()
    sealed = base64.b64encode(keyring.seal(FIELD, user_id, secret)).decode()
    ceremony_id = ceremonies.begin(uow, _CEREMONY, {"sealed": sealed}, user_id=user_id)
    return NewSecret(ceremony_id, secret, _uri(secret, login))


def read_secret(uow: UnitOfWork, keyring: Keyring, ceremony_id: str, user_id: str, login: str) -> NewSecret:
    """Return the secret that still waits for its first code; raises CeremonyExpiredError."""
    state = ceremonies.look(uow, _CEREMONY, ceremony_id, user_id=user_id)
    secret = keyring.open(FIELD, user_id, base64.b64decode(state["sealed"]))
    return NewSecret(ceremony_id, secret, _uri(secret, login))


def confirm_totp(
    uow: UnitOfWork, settings: Settings, keyring: Keyring, token: str, *, ceremony_id: str, code: str
) -> list[str]:
    """Set up the code generator with its first code; returns the fresh recovery codes, shown once.

    A log-in in stage `enrol` reaches what comes next; every other session ends. Raises WrongCodeError,
    CeremonyExpiredError.
    """
    row, user = sessions.get_open(uow, token)
    sessions.check_setting_up(uow, row, user)
    state = ceremonies.look(uow, _CEREMONY, ceremony_id, user_id=user.id)
    sealed = base64.b64decode(state["sealed"])
    step = _match(keyring.open(FIELD, user.id, sealed), code, uow.now_ms, newest=0)
    if step is None:
        raise rules.WrongCodeError("The code is wrong or too old; wait for the next one, or set the device's clock.")
    sessions.end_sessions(uow, user.id, keep_token=token)
    # Sealed anew, under the newest key and not as the ceremony had it.
    user.totp_cipher = keyring.seal(FIELD, user.id, keyring.open(FIELD, user.id, sealed))
    user.totp_step = step
    codes = renew_recovery(uow, user)
    _audit(uow, user, "people:second:add", "totp")
    if row.stage == "enrol":
        row.method += "+totp"
        sessions.settle(uow, settings, row, user)
    return codes


def renew_recovery(uow: UnitOfWork, user: User) -> list[str]:
    """Replace the recovery codes; returns the new ones, to be shown once."""
    codes = [_new_recovery() for _ in range(RECOVERY_CODES)]
    user.recovery_hashes = [_hash_recovery(code) for code in codes]
    _audit(uow, user, "people:second:codes", str(len(codes)))
    return codes


def renew_own(uow: UnitOfWork, token: str) -> list[str]:
    """Replace one's own recovery codes; every other session ends. Raises ConflictError without any second way."""
    _row, user = sessions.get_open(uow, token)
    if not queries.has_second_way(uow.session, user):
        raise ConflictError("Set up a code generator or a passkey first.")
    sessions.end_sessions(uow, user.id, keep_token=token)
    return renew_recovery(uow, user)


def remove_totp(uow: UnitOfWork, settings: Settings, token: str) -> None:
    """Take one's own code generator away; every other session ends. Raises LastWayError when one is required."""
    _row, user = sessions.get_open(uow, token)
    user.totp_cipher, user.totp_step = None, 0
    uow.session.flush()
    check_still_enough(uow, settings, user)
    sessions.end_sessions(uow, user.id, keep_token=token)
    _audit(uow, user, "people:second:remove", "totp")


def check_still_enough(uow: UnitOfWork, settings: Settings, user: User) -> None:
    """Raise LastWayError when a second way is required and none is left; recovery codes go with the last way."""
    if queries.has_second_way(uow.session, user):
        return
    user.recovery_hashes = []
    if settings.second_factor == "required":
        raise rules.LastWayError("This is your only second way and one is required; set up another one first.")


def prove_by_code(
    uow: UnitOfWork, settings: Settings, keyring: Keyring, token: str, code: str, *, client: str
) -> LoginSession:
    """Carry a log-in on, or prove a whole one again, by a code of the generator or a recovery code.

    Raises WrongCodeError, LockedOutError (both recorded), CeremonyExpiredError.
    """
    row, user = sessions.get_open(uow, token)
    sessions.check_not_locked(uow.session, user.login, client, uow.now_ms)
    way = _take_code(uow, keyring, user, code)
    if way is None:
        sessions.audit_refusal(uow, user.login, user, "wrong_code", client)
        sessions.count_failure(uow, user.login, client)
        raise rules.WrongCodeError("The code is wrong, too old or was used before; wait for the next one.")
    if row.stage == "second":
        row.method += f"+{way}"
        sessions.settle(uow, settings, row, user)
        _audit(uow, user, "people:session:second", way)
    else:
        sessions.prove(uow, token, way)
    return row


def _take_code(uow: UnitOfWork, keyring: Keyring, user: User, code: str) -> str | None:
    """Use a code up; returns `totp` or `recovery`, None when it is none of this user's."""
    code = normalise_code(code)
    if code.isdigit() and user.totp_cipher is not None:
        secret = keyring.open(FIELD, user.id, user.totp_cipher)
        step = _match(secret, code, uow.now_ms, newest=user.totp_step)
        return "totp" if step is not None and _use_step(uow, user, step) else None
    hashed = hash_token(code)
    if any(hmac.compare_digest(hashed, known) for known in user.recovery_hashes):
        user.recovery_hashes = [known for known in user.recovery_hashes if known != hashed]
        return "recovery"
    return None


def _use_step(uow: UnitOfWork, user: User, step: int) -> bool:
    """Take the time step; of two that come with the same code one is second."""
    rule = update(User).where(col(User.id) == user.id, col(User.totp_step) < step).values(totp_step=step)
    return uow.connection.execute(rule).rowcount == 1


def _match(secret: str, code: str, now_ms: int, *, newest: int) -> int | None:
    now_step = now_ms // 1000 // TOTP_STEP_S
    steps = (now_step - 1, now_step, now_step + 1)
    generator = pyotp.TOTP(secret, interval=TOTP_STEP_S)
    given = normalise_code(code)
    matches = [hmac.compare_digest(generator.generate_otp(step).encode(), given.encode()) for step in steps]
    return accept_step(steps, newest, matches)


def _uri(secret: str, login: str) -> str:
    return f"otpauth://totp/{ISSUER}:{quote(login)}?secret={secret}&issuer={ISSUER}"


def _new_recovery() -> str:
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(4))


def _hash_recovery(code: str) -> str:
    return hash_token(normalise_code(code))


def _audit(uow: UnitOfWork, user: User, action: str, way: str) -> None:
    audit.append(
        uow, actor=f"user:{user.login}", court_code=user.court_code, action=action, subject=user.login,
        detail={"way": way},
    )  # fmt: skip
