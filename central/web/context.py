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
from central.web.security import SESSION_COOKIE
from contract import envelope

TOUCH_EVERY_S = 60.0
PASSIVE_HEADER = "X-Passive"


class LoginRequiredError(DomainError):
    """Nobody is logged in, or the session has ended."""

    code: ClassVar[str] = "login_required"


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

    def find_actor(self, token: str, *, is_use: bool = True) -> Actor | None:
        """Return who holds the session of `token` now, if anybody, and note that it is in use."""
        if not token:
            return None
        with self.store.read() as session:
            actor = people.find_session(session, token, now_ms=self.now_ms(), idle_s=self.settings.session_idle_s)
        if actor is not None and is_use:
            self._touch(token)
        return actor

    def _touch(self, token: str) -> None:
        # The row is written at most once a minute; this keeps readers from taking the write lock for nothing.
        key, now_s = hash_token(token), self.store.clock.monotonic_s()
        if now_s - self.touched.get(key, -TOUCH_EVERY_S) < TOUCH_EVERY_S:
            return
        self.touched = {k: at_s for k, at_s in self.touched.items() if now_s - at_s < TOUCH_EVERY_S}
        self.touched[key] = now_s
        with self.store.write() as uow:
            people_service.touch_session(uow, token)


def get_context(request: Request) -> Context:
    """Return the process's context."""
    context: Context = request.app.state.context
    return context


def current_actor(request: Request) -> Actor:
    """Return the person logged in; raises LoginRequiredError."""
    # What a page asks by itself is no use of it: a forgotten office page ends with its session.
    is_use = PASSIVE_HEADER not in request.headers
    actor = get_context(request).find_actor(request.cookies.get(SESSION_COOKIE, ""), is_use=is_use)
    if actor is None:
        raise LoginRequiredError("You are not logged in or your session has ended; log in again.")
    request.state.actor = actor
    return actor


Here = Annotated[Context, Depends(get_context)]
SignedIn = Annotated[Actor, Depends(current_actor)]
