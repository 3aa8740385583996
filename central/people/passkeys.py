"""Passkeys (WebAuthn Level 3): registered by their holder, good as second way and as a way of their own.

They are bound to the pages' host name (`settings.web_url`); the origin must be exactly that address. A passkey made
here asks its holder for a finger, a face or a PIN (user verification), so that it is two ways in one.
"""

from __future__ import annotations

import ipaddress
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from fido2.server import Fido2Server
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    AuthenticatorData,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)
from sqlalchemy import delete
from sqlmodel import Session, col, select

from central.audit import service as audit
from central.base.errors import ConflictError, NotFoundError
from central.base.ids import hash_token
from central.base.settings import Settings
from central.base.unit_of_work import UnitOfWork
from central.people import ceremonies, queries, rules, second, sessions
from central.people.models import Passkey, User
from central.people.sessions import IssuedSession, Visit

MAX_PASSKEYS: Final = 10
MAX_ANSWER_CHARS: Final = 16_384
_REGISTER: Final = "passkey_register"
_ASSERT: Final = "passkey_assert"
# What reading an answer of a browser that is none may raise.
_UNREADABLE: Final = (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError, struct.error)


@dataclass(frozen=True)
class Options:
    """What the browser is asked (`options` as WebAuthn's JSON) and the id its answer names."""

    ceremony_id: str
    options: dict[str, Any]


def are_available(settings: Settings) -> bool:
    """Tell whether the pages' address can hold passkeys: a host name, over TLS or at localhost."""
    address = urlsplit(settings.web_url)
    host = address.hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return bool(host) and (address.scheme == "https" or host == "localhost" or host.endswith(".localhost"))
    return False


def begin_register(uow: UnitOfWork, settings: Settings, user_id: str, *, client: str = "") -> Options:
    """Ask the browser for a new passkey of a user.

    Raises PasskeysUnavailableError, ConflictError for too many, TooManyExchangesError.
    """
    user = uow.session.get_one(User, user_id)
    known = queries.list_passkeys(uow.session, user.id)
    if len(known) >= MAX_PASSKEYS:
        raise ConflictError(f"You have {MAX_PASSKEYS} passkeys already; remove one first.")
    options, state = _server(settings).register_begin(
        PublicKeyCredentialUserEntity(id=user.id.encode(), name=user.login, display_name=user.name),
        credentials=[AttestedCredentialData(row.public_key) for row in known],
        resident_key_requirement=ResidentKeyRequirement.REQUIRED,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    ceremony_id = ceremonies.begin(uow, _REGISTER, dict(state), user_id=user.id, client=client)
    return Options(ceremony_id, dict(options)["publicKey"])


def finish_register(
    uow: UnitOfWork, settings: Settings, token: str, *, ceremony_id: str, answer: str, label: str
) -> list[str]:
    """Keep the passkey the browser made; returns recovery codes when it is the first second way, else nothing.

    A log-in in stage `enrol` reaches what comes next; every other session ends. Raises PasskeyRefusedError,
    CeremonyExpiredError.
    """
    row, user = sessions.get_open(uow, token)
    sessions.check_setting_up(uow, row, user)
    state = ceremonies.take(uow, _REGISTER, ceremony_id, user_id=user.id)
    try:
        made = _server(settings).register_complete(state, _read(answer))
    except _UNREADABLE as error:
        raise _refused(str(error)) from error
    data = made.credential_data
    if data is None or uow.session.get(Passkey, bytes(data.credential_id)) is not None:
        raise ConflictError("This passkey is registered already; use another device.")
    is_first = not queries.has_second_way(uow.session, user)
    uow.session.add(
        Passkey(
            credential_id=bytes(data.credential_id), user_id=user.id, public_key=bytes(data), sign_count=made.counter,
            label=rules.check_name(label, "label") if label.strip() else user.login, created_ms=uow.now_ms,
        )
    )  # fmt: skip
    uow.session.flush()
    sessions.end_sessions(uow, user.id, keep_token=token)
    _audit(uow, user, "people:second:add")
    codes = second.renew_recovery(uow, user) if is_first else []
    if row.stage == "enrol":
        row.method += "+passkey"
        sessions.settle(uow, settings, row, user)
    return codes


def remove(uow: UnitOfWork, settings: Settings, token: str, key_id: str) -> None:
    """Take one's own passkey away (`key_id` as `name_of` gives it); every other session ends.

    Raises NotFoundError, LastWayError.
    """
    _row, user = sessions.get_open(uow, token)
    for row in queries.list_passkeys(uow.session, user.id):
        if name_of(row) == key_id:
            uow.connection.execute(delete(Passkey).where(col(Passkey.credential_id) == row.credential_id))
            second.check_still_enough(uow, settings, user)
            sessions.end_sessions(uow, user.id, keep_token=token)
            _audit(uow, user, "people:second:remove")
            return
    raise NotFoundError("There is no such passkey any more; reload the page.")


def name_of(passkey: Passkey) -> str:
    """Return how forms name a passkey: a digest of its credential id."""
    return hash_token(passkey.credential_id.hex())[:24]


def begin_assert(uow: UnitOfWork, settings: Settings, user_id: str | None, *, client: str = "") -> Options:
    """Ask the browser for proof: by a passkey of this user, or (None) by any the browser has for these pages.

    Raises PasskeysUnavailableError, TooManyExchangesError.
    """
    known = None
    if user_id is not None:
        known = [AttestedCredentialData(row.public_key) for row in queries.list_passkeys(uow.session, user_id)]
    options, state = _server(settings).authenticate_begin(
        known, user_verification=UserVerificationRequirement.REQUIRED
    )
    ceremony_id = ceremonies.begin(uow, _ASSERT, dict(state), user_id=user_id, client=client)
    return Options(ceremony_id, dict(options)["publicKey"])


def log_in(uow: UnitOfWork, settings: Settings, *, ceremony_id: str, answer: str, visit: Visit) -> IssuedSession:
    """Open a session for the holder of a passkey, without a password.

    Raises PasskeyRefusedError, AddressLockedError (both recorded), CeremonyExpiredError, NotAdmittedError,
    TerminalRequiredError.
    """
    state = ceremonies.take(uow, _ASSERT, ceremony_id)
    user = _verify(uow, settings, state, answer, visit.client)
    if user.disabled_ms is not None:
        _count_refusal(uow, user, "disabled", visit.client)
        raise _refused("disabled")
    return sessions.open_session(uow, settings, user, method="passkey", visit=visit)


def prove(uow: UnitOfWork, settings: Settings, token: str, *, ceremony_id: str, answer: str, client: str) -> str:
    """Carry a log-in on from its second way, or prove a whole one again; returns the stage reached."""
    row, user = sessions.get_open(uow, token)
    state = ceremonies.take(uow, _ASSERT, ceremony_id, user_id=user.id)
    if _verify(uow, settings, state, answer, client).id != user.id:
        raise _refused("another user's")
    if row.stage == "second":
        row.method += "+passkey"
        sessions.settle(uow, settings, row, user)
        _audit(uow, user, "people:session:second")
    else:
        sessions.prove(uow, token, "passkey")
    return row.stage


def find_passkey(session: Session, credential_id: bytes) -> Passkey | None:
    """Return the passkey with this credential id, if any."""
    return session.exec(select(Passkey).where(Passkey.credential_id == credential_id)).first()


def _verify(uow: UnitOfWork, settings: Settings, state: Mapping[str, Any], answer: str, client: str) -> User:
    """Check an assertion and return whose it is; a counter that went back tells of a copied key."""
    sessions.check_not_locked(uow.session, "", client, uow.now_ms)
    try:
        given = AuthenticationResponse.from_dict(_read(answer))
        row = find_passkey(uow.session, given.raw_id)
        known = [AttestedCredentialData(row.public_key)] if row is not None else []
        _server(settings).authenticate_complete(state, known, given)
    except _UNREADABLE as error:
        _count_refusal(uow, None, "passkey", client)
        raise _refused(str(error)) from error
    assert row is not None  # noqa: S101 - authenticate_complete refuses an unknown credential
    user = uow.session.get_one(User, row.user_id)
    _check_counter(uow, row, user, given.response.authenticator_data, client)
    row.used_ms = uow.now_ms
    return user


def _count_refusal(uow: UnitOfWork, user: User | None, reason: str, client: str) -> None:
    """Record a refused answer and count it for its address, so that nobody can fill the audit with them."""
    sessions.audit_refusal(uow, user.login if user else "", user, reason, client)
    sessions.count_failure(uow, "", client)


def _check_counter(uow: UnitOfWork, row: Passkey, user: User, data: AuthenticatorData, client: str) -> None:
    """WebAuthn 7.2, step 22: a counter that does not grow means that the key may have been copied."""
    if (data.counter or row.sign_count) and data.counter <= row.sign_count:
        _count_refusal(uow, user, "passkey_copied", client)
        raise _refused("its counter went back")
    row.sign_count = data.counter


def _server(settings: Settings) -> Fido2Server:
    if not are_available(settings):
        raise rules.PasskeysUnavailableError(
            "Passkeys need a host name with TLS; the administrator sets web_public_url to such an address."
        )
    address = urlsplit(settings.web_url)
    origin = f"{address.scheme}://{address.netloc}"
    rp = PublicKeyCredentialRpEntity(name="Zhixing", id=address.hostname or "")
    return Fido2Server(rp, verify_origin=lambda given: given == origin)


def _read(answer: str) -> dict[str, Any]:
    if len(answer) > MAX_ANSWER_CHARS:
        raise ValueError("too long")
    value = json.loads(answer)
    if not isinstance(value, dict):
        raise ValueError("no object")
    return value


def _refused(why: str) -> rules.PasskeyRefusedError:
    sentence = "This passkey could not be accepted; try again or use another way."
    return rules.PasskeyRefusedError(sentence, why=why[:200])


def _audit(uow: UnitOfWork, user: User, action: str) -> None:
    audit.append(
        uow, actor=f"user:{user.login}", court_code=user.court_code, action=action, subject=user.login,
        detail={"way": "passkey"},
    )  # fmt: skip
