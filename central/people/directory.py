"""Log-in by an existing directory (OpenID Connect Core 1.0): authorization code, PKCE (RFC 7636), nonce, state.

The directory tells who the person is, the centre decides what that person may do: an account must have been
prepared and admitted here; at the first log-in it is linked by `preferred_username` = login, from then on by the
directory's subject alone. No account is ever made by it. The second way is the directory's own when its claims
`amr` or `acr` say so (`rules.has_two_ways`); else the centre asks for its own.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import httpx
import jwt
from sqlalchemy import update
from sqlmodel import col, select

from central.audit import service as audit
from central.base.ids import hash_token
from central.base.settings import Settings
from central.base.unit_of_work import Store, UnitOfWork
from central.people import ceremonies, queries, rules, sessions
from central.people.models import User
from central.people.sessions import IssuedSession, Visit

# Signatures by public keys only: with a shared secret every client of the directory could sign for it.
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
TIMEOUT_S: Final = 10.0
LEEWAY_S: Final = 60
_CEREMONY: Final = "oidc"
_SUBJECT_MAX: Final = 255


@dataclass(frozen=True)
class Departure:
    """Where the browser goes, and the value its cookie must hold when it comes back."""

    url: str
    state: str


@dataclass(frozen=True)
class Person:
    """What the directory vouches for."""

    subject: str
    username: str
    has_two_ways: bool


class Directory:
    """One directory, its metadata read when first needed and kept; safe for use from several threads."""

    def __init__(self, settings: Settings, client: httpx.Client | None = None) -> None:
        self._settings = settings
        self._client = client or httpx.Client(timeout=TIMEOUT_S, follow_redirects=False)
        self._lock = threading.Lock()
        self._metadata: dict[str, Any] | None = None

    @property
    def redirect_uri(self) -> str:
        """Where the directory sends the browser back to; to be entered there."""
        return f"{self._settings.web_url.rstrip('/')}/login/directory/back"

    def depart(self, store: Store, target: str, *, client: str = "") -> Departure:
        """Begin a log-in that leads to `target`; raises DirectoryUnreachableError, TooManyExchangesError."""
        metadata = self._read_metadata()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        kept = {"nonce": nonce, "verifier": verifier, "target": target}
        with store.write() as uow:
            ceremonies.begin(uow, _CEREMONY, kept, ceremony_id=hash_token(state)[:32], client=client)
        digest = hashlib.sha256(verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self._settings.oidc_client_id,
            "redirect_uri": self.redirect_uri,
            "scope": "openid profile",
            "state": state,
            "nonce": nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        return Departure(f"{metadata['authorization_endpoint']}?{urlencode(query)}", state)

    def arrive(self, store: Store, *, state: str, cookie: str, code: str, visit: Visit) -> tuple[IssuedSession, str]:
        """Open the session of the person who comes back; returns it and where it leads.

        Raises DirectoryRefusedError (recorded), DirectoryUnreachableError, CeremonyExpiredError, NotAdmittedError,
        AddressLockedError, TerminalRequiredError.
        """
        if not state or not secrets.compare_digest(state.encode(), cookie.encode()):
            raise rules.CeremonyExpiredError("This log-in was begun in another browser or long ago; start again.")
        with store.write() as uow:
            sessions.check_not_locked(uow.session, "", visit.client, uow.now_ms)
            kept = ceremonies.take(uow, _CEREMONY, hash_token(state)[:32])
        try:
            person = self._read_person(self._redeem(code, kept["verifier"]), kept["nonce"])
        except rules.DirectoryRefusedError as error:
            with store.write() as uow:
                sessions.audit_refusal(uow, "", None, f"directory: {error.params['what']}", visit.client)
                sessions.count_failure(uow, "", visit.client)
            raise
        with store.write() as uow:
            user = _find_account(uow, person, visit)
            method = "oidc+directory" if person.has_two_ways else "oidc"
            return sessions.open_session(uow, self._settings, user, method=method, visit=visit), kept["target"]

    def _redeem(self, code: str, verifier: str) -> str:
        """Exchange the code for the ID token (OIDC Core 3.1.3)."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": verifier,
        }
        secret = Path(self._settings.oidc_client_secret_file).read_text(encoding="utf-8").strip()
        answer = self._fetch(
            "POST", self._read_metadata()["token_endpoint"], data=form, auth=(self._settings.oidc_client_id, secret)
        )
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise _unreachable("no id_token")
        return token

    def _read_person(self, id_token: str, nonce: str) -> Person:
        """Check the ID token (OIDC Core 3.1.3.7) and return whom it names."""
        try:
            keys = jwt.PyJWKSet.from_dict(self._fetch("GET", self._read_metadata()["jwks_uri"]))
            header = jwt.get_unverified_header(id_token)
            claims = jwt.decode(
                id_token,
                _choose_key(keys, header),
                algorithms=ALGORITHMS,
                audience=self._settings.oidc_client_id,
                issuer=self._settings.oidc_issuer,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iat", "iss", "aud", "sub"]},
            )
        except jwt.PyJWTError as error:
            raise _refused("id_token") from error
        audience = claims["aud"]
        if claims.get("nonce") != nonce or (
            isinstance(audience, list) and len(audience) > 1 and claims.get("azp") != self._settings.oidc_client_id
        ):
            raise _refused("nonce or azp")
        ways = claims.get("amr")
        named = [way for way in ways if isinstance(way, str)] if isinstance(ways, list) else []
        return Person(
            subject=str(claims["sub"]),
            username=str(claims.get("preferred_username", "")),
            has_two_ways=rules.has_two_ways(named, str(claims.get("acr", ""))),
        )

    def _read_metadata(self) -> dict[str, Any]:
        with self._lock:
            if self._metadata is None:
                issuer = self._settings.oidc_issuer
                found = self._fetch("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
                wanted = ("authorization_endpoint", "token_endpoint", "jwks_uri")
                if found.get("issuer") != issuer or not all(isinstance(found.get(name), str) for name in wanted):
                    raise _unreachable("its metadata name another issuer, or lack an address")
                self._metadata = found
            return self._metadata

    def _fetch(self, method: str, url: str, **options: Any) -> dict[str, Any]:
        try:
            answer = self._client.request(method, url, **options)
            answer.raise_for_status()
            content = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise _unreachable(type(error).__name__) from error
        if not isinstance(content, dict):
            raise _unreachable("no JSON object")
        return content


def _choose_key(keys: jwt.PyJWKSet, header: dict[str, Any]) -> jwt.PyJWK:
    """The key the token names; a set of one needs no name."""
    wanted = header.get("kid")
    for key in keys.keys:
        if key.key_id == wanted or (wanted is None and len(keys.keys) == 1):
            return key
    raise jwt.InvalidKeyError("no such key")


def _find_account(uow: UnitOfWork, person: Person, visit: Visit) -> User:
    """Return the account linked to the subject, or link the prepared one of that name now."""
    if not person.subject or len(person.subject) > _SUBJECT_MAX:
        raise _refused("subject")
    user = uow.session.exec(select(User).where(User.oidc_subject == person.subject)).first()
    if user is None:
        user = _link(uow, person)
    if user is None or user.disabled_ms is not None:
        login = rules.normalise_login(person.username)
        sessions.audit_refusal(uow, login, user, "directory", visit.client)
        raise rules.DirectoryRefusedError(
            "The directory knows you but the centre has no account for you; ask the administrator of your court."
        )
    return user


def _link(uow: UnitOfWork, person: Person) -> User | None:
    user = queries.find_user(uow.session, person.username) if person.username else None
    if user is None or user.oidc_subject is not None or not queries.may_log_in(user):
        return None
    rule = update(User).where(col(User.id) == user.id, col(User.oidc_subject).is_(None))
    if uow.connection.execute(rule.values(oidc_subject=person.subject)).rowcount != 1:
        return None
    who = f"user:{user.login}"
    audit.append(uow, actor=who, court_code=user.court_code, action="people:directory:link", subject=user.login)
    return user


def _refused(what: str) -> rules.DirectoryRefusedError:
    return rules.DirectoryRefusedError("The directory's answer does not hold; log in again.", what=what)


def _unreachable(why: str) -> rules.DirectoryUnreachableError:
    return rules.DirectoryUnreachableError(
        "The directory does not answer as it should; log in with your password or try later.", why=why
    )
