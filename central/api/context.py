"""What every resource needs: settings, database, keys, and which system is asking."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer

from central.api.problems import REALM, ProblemError, busy, invalid, refused_field
from central.api.throttle import Places, Throttle
from central.base.keyring import Keyring, load_keyring
from central.base.settings import Settings
from central.base.unit_of_work import Store
from central.cases.catalogue import Catalogue, get_catalogue
from central.people import service_accounts as accounts
from central.people.scopes import ServiceActor

BURST_S: Final = 4
TOUCH_EVERY_S: Final = 60.0
MAX_WAITING: Final = 4
MAX_TOKEN_CHARS: Final = 200
# Wrong tokens from one address: the answer stays the same, it only comes later.
_WRONG_PER_S: Final = 1.0
_WRONG_BURST: Final = 20
BEARER: Final = HTTPBearer(
    scheme_name="service_account",
    auto_error=False,
    description="Token of a service account: proposed by one administrator, admitted by another, with an end.",
)


@dataclass
class Context:
    """The parts the resources work with; one for the whole process."""

    settings: Settings
    store: Store
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the server goes down: long polls end."""
    waiting: Places = field(default_factory=lambda: Places(MAX_WAITING))
    _touched: dict[str, float] = field(default_factory=dict)

    @cached_property
    def throttle(self) -> Throttle:
        """Requests of each account."""
        rate_per_s = self.settings.api_rate_per_s
        return Throttle(rate_per_s, rate_per_s * BURST_S, self.store.clock)

    @cached_property
    def wrong_tokens(self) -> Throttle:
        """Failed log-ins of each address."""
        return Throttle(_WRONG_PER_S, _WRONG_BURST, self.store.clock)

    @cached_property
    def keyring(self) -> Keyring:
        """What seals identity numbers and private fields; raises KeyringError."""
        return load_keyring(Path(self.settings.keys_dir))

    @cached_property
    def catalogue(self) -> Catalogue:
        """Case types, nodes, closings and what else is data."""
        return get_catalogue()

    def find_service(self, token: str) -> ServiceActor | None:
        """Return whose token this is now, if anybody's: expiry and revocation count at once."""
        if not token or len(token) > MAX_TOKEN_CHARS or not token.isascii():
            return None
        with self.store.read() as session:
            return accounts.find_service(session, token, self.store.clock.now_ms())

    def touch(self, service: ServiceActor) -> None:
        """Note at most once a minute that the account is in use."""
        now_s = self.store.clock.monotonic_s()
        if now_s - self._touched.get(service.name, -TOUCH_EVERY_S) < TOUCH_EVERY_S:
            return
        self._touched[service.name] = now_s
        with self.store.write() as uow:
            accounts.touch_service(uow, service)


def get_context(request: Request) -> Context:
    """Return the process's context."""
    context: Context = request.app.state.context
    return context


def read_token(request: Request) -> str:
    """Return the bearer token, empty when there is none or more than one Authorization header."""
    values = request.headers.getlist("authorization")
    scheme, _, token = values[0].partition(" ") if len(values) == 1 else ("", "", "")
    return token.strip() if scheme.lower() == "bearer" else ""


def current_service(request: Request) -> ServiceActor:
    """Return the system asking; raises ProblemError 401 or 429. The answer to any wrong token is the same."""
    context = get_context(request)
    service = context.find_service(read_token(request))
    if service is None:
        if wait_s := context.wrong_tokens.take(request.client.host if request.client else ""):
            raise busy("too_many_requests", wait_s)
        raise _refuse_token(request)
    if wait_s := context.throttle.take(service.name):
        raise busy("too_many_requests", wait_s)
    context.touch(service)
    return service


def admit_again(request: Request) -> ServiceActor:
    """Return the system that has been waiting, when its account still holds; raises ProblemError 401."""
    service = get_context(request).find_service(read_token(request))
    if service is None:
        raise _refuse_token(request)
    return service


def _refuse_token(request: Request) -> ProblemError:
    challenge = REALM + (', error="invalid_token"' if "authorization" in request.headers else "")
    return ProblemError(401, "token_invalid", headers={"WWW-Authenticate": challenge})


def check_scope(service: ServiceActor, scope: str) -> None:
    """Raise ProblemError 403 unless the account holds `scope`."""
    if scope not in service.scopes:
        challenge = f'{REALM}, error="insufficient_scope", scope="{scope}"'
        raise ProblemError(403, "scope_missing", scope=scope, headers={"WWW-Authenticate": challenge})


def _refuse_repeated(request: Request) -> None:
    """Of a parameter given twice only one would count: raise ProblemError 422 instead of guessing which."""
    counts = Counter(name for name, _ in request.query_params.multi_items())
    if repeated := [name for name, count in counts.items() if count > 1]:
        text = "This parameter stands more than once: give it once."
        raise invalid([refused_field("query", name[:100], "repeated", text) for name in repeated[:10]])


def with_scope(scope: str) -> Callable[..., ServiceActor]:
    """Return the dependency that admits accounts with `scope` alone."""

    def admit(
        request: Request,
        service: Annotated[ServiceActor, Depends(current_service)],
        _bearer: Annotated[Any, Security(BEARER)],
    ) -> ServiceActor:
        check_scope(service, scope)
        _refuse_repeated(request)
        return service

    return admit


Here = Annotated[Context, Depends(get_context)]
CourtReader = Annotated[ServiceActor, Depends(with_scope("courts:read"))]
CaseReader = Annotated[ServiceActor, Depends(with_scope("cases:read"))]
CaseWriter = Annotated[ServiceActor, Depends(with_scope("cases:write"))]
ChangeReader = Annotated[ServiceActor, Depends(with_scope("changes:read"))]
Importer = Annotated[ServiceActor, Depends(with_scope("imports:write"))]
