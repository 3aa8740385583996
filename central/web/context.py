"""What every page needs: settings, database, live hub, and who is asking."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from fastapi import Depends, Request

from central.base.errors import DomainError
from central.base.ids import hash_token
from central.base.keyring import Keyring, load_keyring
from central.base.settings import Settings
from central.base.unit_of_work import Store
from central.courts.permissions import Actor
from central.evidence.vault import Vault
from central.live.hub import Hub
from central.live.subscription import Subscription
from central.people import queries as people
from central.people import service as people_service
from central.people.directory import Directory
from central.people.queries import Login
from central.people.rules import check_fresh
from central.people.sessions import check_terminal
from central.web.security import SESSION_COOKIE
from contract import envelope

TOUCH_EVERY_S = 60.0
PASSIVE_HEADER = "X-Passive"


class LoginRequiredError(DomainError):
    """Nobody is logged in, or the session has ended."""

    code: ClassVar[str] = "login_required"


class LoginUnfinishedError(LoginRequiredError):
    """The log-in owes a step: second way, new password, or setting a second way up."""

    code: ClassVar[str] = "login_unfinished"


class IdentityMissingError(DomainError):
    """The centre's decryption key is not where the settings say."""

    code: ClassVar[str] = "identity_missing"


@dataclass
class Context:
    """The parts the pages work with; one for the whole process."""

    settings: Settings
    store: Store
    hub: Hub
    play_secret: bytes
    touched: dict[str, float] = field(default_factory=dict)
    streams: set[Subscription] = field(default_factory=set)
    """Event streams open now; the server ends them before it goes down."""

    @property
    def is_https(self) -> bool:
        """Whether people reach the pages over TLS, here or at a proxy before us."""
        return self.settings.web_url.startswith("https:")

    @cached_property
    def vault(self) -> Vault:
        """The sealed segments."""
        return Vault(Path(self.settings.data_dir), min_free_bytes=self.settings.evidence_min_free_bytes)

    @cached_property
    def identity(self) -> X25519PrivateKey:
        """The centre's decryption key, read when the first segment is opened; raises IdentityMissingError."""
        path = Path(self.settings.keys_dir) / "centre.age"
        try:
            (identity,) = envelope.identities_from_file_text(path.read_text())
        except (OSError, ValueError) as error:
            raise IdentityMissingError(
                f"The centre's decryption key {path} cannot be read; the administrator must restore it from the "
                "device authority's hand-over."
            ) from error
        return identity

    @cached_property
    def keyring(self) -> Keyring:
        """What seals identity numbers and private fields; raises KeyringError."""
        return load_keyring(Path(self.settings.keys_dir))

    def now_ms(self) -> int:
        """The centre's time, ms since 1970 UTC."""
        return self.store.clock.now_ms()

    @cached_property
    def directory(self) -> Directory | None:
        """The directory people may log in with, if one is configured."""
        return Directory(self.settings) if self.settings.oidc_issuer else None

    def find_actor(self, token: str, *, is_use: bool = True) -> Actor | None:
        """Return who holds the whole log-in of `token` now, if anybody, and note that it is in use."""
        login = self.find_login(token, is_use=is_use)
        return login.actor if login is not None and login.is_full else None

    def find_login(self, token: str, *, is_use: bool = True) -> Login | None:
        """Return the log-in of `token`, whole or not; a whole one is noted to be in use."""
        if not token:
            return None
        with self.store.read() as session:
            login = people.find_login(session, token, now_ms=self.now_ms(), idle_s=self.settings.session_idle_s)
        if login is not None and login.is_full and is_use:
            self._touch(token)
        return login

    def _touch(self, token: str) -> None:
        # The row is written at most once a minute; this keeps readers from taking the write lock for nothing.
        key, now_s = hash_token(token), self.store.clock.monotonic_s()
        if now_s - self.touched.get(key, -TOUCH_EVERY_S) < TOUCH_EVERY_S:
            return
        self.touched = {k: at_s for k, at_s in self.touched.items() if now_s - at_s < TOUCH_EVERY_S}
        self.touched[key] = now_s
        with self.store.write() as uow:
            people_service.touch_session(uow, token)


def live_url(request: Request) -> str:
    """Return the ws(s):// address at which this browser reaches the relay, without a slash at its end."""
    context = get_context(request)
    if context.settings.live_public_url:
        return context.settings.live_public_url.rstrip("/")
    scheme = "wss" if context.is_https else "ws"
    return f"{scheme}://{request.url.hostname}:{context.settings.live_port}"


def get_context(request: Request) -> Context:
    """Return the process's context."""
    context: Context = request.app.state.context
    return context


def any_login(request: Request) -> Login:
    """Return the log-in of this browser, whole or not; raises LoginRequiredError."""
    # What a page asks by itself is no use of it: a forgotten office page ends with its session.
    is_use = PASSIVE_HEADER not in request.headers
    login = get_context(request).find_login(request.cookies.get(SESSION_COOKIE, ""), is_use=is_use)
    if login is None:
        raise LoginRequiredError("You are not logged in or your session has ended; log in again.")
    return login


def current_login(request: Request) -> Login:
    """Return the whole log-in of this browser; raises LoginRequiredError while a step of it is owed."""
    login = any_login(request)
    if not login.is_full:
        raise LoginUnfinishedError("Your log-in is not finished; take its next step.", stage=login.stage)
    request.state.actor = login.actor
    return login


def current_actor(request: Request) -> Actor:
    """Return the person logged in; raises LoginRequiredError."""
    return current_login(request).actor


def actor_at_terminal(request: Request) -> Actor:
    """Return the person logged in, at a registered terminal where the settings ask for one (seed 22).

    Raises LoginRequiredError, TerminalRequiredError.
    """
    return _login_at_terminal(request).actor


def _login_at_terminal(request: Request) -> Login:
    login = current_login(request)
    if get_context(request).settings.terminal_binding != "off":
        check_terminal(login.terminal_court, login.actor.court_code)
    return login


def proven_actor(request: Request) -> Actor:
    """Return the person logged in, freshly proven (`rules.REAUTH_MS`), at a terminal where one is asked for.

    Raises LoginRequiredError, TerminalRequiredError, ReauthRequiredError.
    """
    return proven_login(request).actor


def proven_login(request: Request) -> Login:
    """Return the log-in of `proven_actor`."""
    login = _login_at_terminal(request)
    check_fresh(login.proven_ms, get_context(request).now_ms())
    return login


Here = Annotated[Context, Depends(get_context)]
SignedIn = Annotated[Actor, Depends(current_actor)]
# For seeing identity numbers in full: an act that binding to terminals covers without asking for fresh proof.
AtTerminal = Annotated[Actor, Depends(actor_at_terminal)]
# For grave acts (permissions.GRAVE_ACTIONS), and the forms that lead to them.
Proven = Annotated[Actor, Depends(proven_actor)]
CurrentLogin = Annotated[Login, Depends(current_login)]
ProvenLogin = Annotated[Login, Depends(proven_login)]
AnyLogin = Annotated[Login, Depends(any_login)]
