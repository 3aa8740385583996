"""Passwords: hashed with argon2id (RFC 9106), made up for first use, changed by their owner."""

from __future__ import annotations

import secrets
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete
from sqlmodel import col

from central.audit import service as audit
from central.base.ids import new_token
from central.base.settings import Settings
from central.base.unit_of_work import Store, UnitOfWork
from central.people import password_rules, rules, sessions
from central.people.models import Passkey, User

# RFC 9106, second recommended option, with one lane: the centre has two cores to share.
_HASHER = PasswordHasher(time_cost=3, memory_cost=65_536, parallelism=1)
# Without characters that people mistake for one another.
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


def hash_password(password: str) -> str:
    """Return the argon2id hash of a password, in PHC form; costs some 100 ms."""
    return _HASHER.hash(password)


def verify_password(password_hash: str | None, password: str) -> bool:
    """Compare in the same time whether or not there is a hash to compare with."""
    if len(password.encode()) > password_rules.MAX_PASSWORD_BYTES:
        password = ""
    try:
        _HASHER.verify(password_hash or _absent_hash(), password)
    except (VerificationError, InvalidHashError):
        return False
    return bool(password_hash)


def make_password() -> str:
    """Return a password for first use: 16 characters in four groups, some 79 bits."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4))


def choose_password(store: Store, settings: Settings, *, token: str, password: str) -> str:
    """Set the password that a log-in still owes (stage `password`); returns the stage reached.

    Every other session of the account ends: whoever else holds the first password comes too late.

    Raises WeakPasswordError, CeremonyExpiredError.
    """
    with store.read() as session:
        user = sessions.find_holder(session, token)
    password_rules.check_password(password, user.login if user else "")
    if user is not None and verify_password(user.password_hash, password):
        raise rules.PasswordUnchangedError("The new password must differ from the first one; choose another.")
    hashed = hash_password(password)
    with store.write() as uow:
        row, owner = sessions.get_open(uow, token)
        if row.stage != "password" or not owner.must_change_password:
            raise rules.CeremonyExpiredError("This took too long or was done already; start again.")
        _set(uow, owner, hashed)
        sessions.end_sessions(uow, owner.id, keep_token=token)
        sessions.settle(uow, settings, row, owner)
        return row.stage


def change_password(store: Store, *, login: str, token: str, old: str, new: str, client: str) -> None:
    """Change one's own password; every other session of the account ends.

    Raises WeakPasswordError, WrongPasswordError, LockedOutError.
    """
    password_rules.check_password(new, login)
    with store.read() as session:
        sessions.check_not_locked(session, login, client, store.clock.now_ms())
        user = sessions.find_holder(session, token)
    right = verify_password(user.password_hash if user else None, old)
    hashed = hash_password(new)
    with store.write() as uow:
        row, owner = sessions.get_open(uow, token)
        if not right:
            sessions.audit_refusal(uow, login, owner, "wrong_password", client)
            sessions.count_failure(uow, login, client)
            raise rules.WrongPasswordError("The present password is wrong; check it and try again.")
        _set(uow, owner, hashed)
        row.proven_ms = uow.now_ms
        sessions.end_sessions(uow, owner.id, keep_token=token)


def drop_second_ways(uow: UnitOfWork, user: User) -> None:
    """Take the code generator, the recovery codes and every passkey of a user away."""
    user.totp_cipher, user.totp_step, user.recovery_hashes = None, 0, []
    uow.connection.execute(delete(Passkey).where(col(Passkey.user_id) == user.id))


def _set(uow: UnitOfWork, user: User, hashed: str) -> None:
    user.password_hash, user.password_ms, user.must_change_password = hashed, uow.now_ms, False
    who = f"user:{user.login}"
    audit.append(uow, actor=who, court_code=user.court_code, action="people:password:change", subject=user.login)


@cache
def _absent_hash() -> str:
    return _HASHER.hash(new_token())
