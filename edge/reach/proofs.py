"""What proves a request at the door: the door's nonces at hand, and tokens signed with the device key."""

import secrets
from collections import deque
from collections.abc import Iterable
from typing import Any

import jwt

from contract import door_auth
from edge.reach.identity import Identity
from edge.spool.store import read_boot_ms

MAX_NONCES = door_auth.MAX_NONCES_AT_ONCE
# A door that forgets the certificate so often does not read thumbprints at all: it is shown every time, then.
MAX_INTRODUCTIONS = 5
# The door forgets them after five minutes; this counts sleep, too.
NONCE_LIFE_MS = 4 * 60 * 1000


class Proofs:
    """Tokens as `contract.door_auth` wants them, each with a nonce of its own. Not shared between threads."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._nonces: deque[tuple[str, int]] = deque()  # nonce, when it came (ms since boot)
        self._is_known = False  # the door has seen the certificate
        self._introductions = 0

    def has_nonce(self, count: int = 1) -> bool:
        """Whether so many more requests can be proven without asking for a nonce first."""
        while self._nonces and read_boot_ms() - self._nonces[0][1] > NONCE_LIFE_MS:
            self._nonces.popleft()
        return len(self._nonces) >= count

    def add(self, nonce: str) -> None:
        """An answer brought the next nonce."""
        if len(self._nonces) < MAX_NONCES:
            self._nonces.append((nonce, read_boot_ms()))

    def renew(self, nonces: Iterable[str]) -> None:
        """These came on request; the answer brought one in its header, too, which is left."""
        self._nonces.clear()
        for nonce in nonces:
            self.add(nonce)

    def forget(self) -> None:
        """The door does not take the nonces any more; it may not know the certificate any more, either."""
        self._nonces.clear()
        if self._is_known:
            self._is_known = False
            self._introductions += 1

    def note_known(self) -> None:
        """The door took a request: from now on a thumbprint stands for the certificate."""
        self._is_known = self._introductions < MAX_INTRODUCTIONS

    def make(self, method: str, path: str, digest: bytes) -> str:
        """A token for this very request, whose body's (or whole file's) SHA-256 is ``digest``."""
        claims = door_auth.claims(
            self._identity.kit_id,
            method=method,
            path=path,
            body_digest=digest,
            nonce=self._nonces.popleft()[0],  # each proves one request; its answer brings the next
            jti=secrets.token_urlsafe(9),  # the nonce is unique already; this tells two of them apart in a log
        )
        headers: dict[str, Any] = {"typ": door_auth.TOKEN_TYPE}
        if self._is_known:
            headers[door_auth.THUMBPRINT] = self._identity.x5t()
        else:
            headers |= {"kid": self._identity.serial, "x5c": self._identity.x5c()}
        return jwt.encode(claims, self._identity.key, algorithm=door_auth.ALGORITHM, headers=headers)
